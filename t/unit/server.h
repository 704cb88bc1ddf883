
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Servers on 127.0.0.1, as threads that speak as much of PostgreSQL's protocol
 * as a test needs.
 */


#ifndef _SERVER_H_INCLUDED_
#define _SERVER_H_INCLUDED_


#include <stddef.h>
#include <pthread.h>


/* AuthenticationOk, ReadyForQuery */
#define WELCOME  "R\0\0\0\10\0\0\0\0Z\0\0\0\5I"

#define FORBIDDEN                                                             \
    "E\0\0\0\062SFATAL\0VFATAL\0C28P01\0Mnot with that password\0\0"


/* what each answers, to the packet that a client begins with */

typedef struct {
    const char  *answer;                /* NULL: it says nothing */
    size_t       len;
    unsigned     slowly:1;              /* a byte in 20 milliseconds */
    int          fd;
    int          port;
    int          clients;               /* so far */
    pthread_t    tid;
} server_t;


/* fills in the port; a server is stopped when its clients have gone */
void server_start(server_t *server);
void server_stop(server_t *server);


#endif /* _SERVER_H_INCLUDED_ */
