
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A shard's connection string: any conninfo of libpq, URI or key=value, taken
 * apart into the hosts to try in turn and the options they share.  Plain C
 * and libpq; looks up no name and connects to nothing.
 */


#ifndef _CONNINFO_H_INCLUDED_
#define _CONNINFO_H_INCLUDED_


#include <stddef.h>
#include <libpq-fe.h>

#include "core/conninfo_host.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* none of the strings is NULL */

typedef struct {
    PQconninfoOption    *options;
    conninfo_host_t     *hosts;
    size_t               nhosts;     /* at least 1 */
    const char          *user;
    const char          *dbname;
    char                *lists;      /* what the strings of hosts live in */
} conninfo_t;


/* room for the parameters of one connection, and the NULL that ends them */
#define CONNINFO_PARAMS  80


/*
 * On failure returns -1 and sets *error to a text that is good until the next
 * call.  libpq's own text is not passed on: it quotes secrets.
 */
int conninfo_parse(conninfo_t *conninfo, const char *text, const char **error);

void conninfo_destroy(conninfo_t *conninfo);

/*
 * Fills in what PQconnectStartParams() takes to connect to the host at
 * "hostaddr", a numeric address, or "" for a socket folder.  The strings
 * belong to conninfo and to the caller.  Returns -1 if there are too many.
 */
int conninfo_params(const conninfo_t *conninfo, const conninfo_host_t *host,
    const char *hostaddr, const char *keywords[CONNINFO_PARAMS],
    const char *values[CONNINFO_PARAMS]);

/*
 * Takes from the environment of the process what libpq would use in spite of
 * these parameters.  Not while another thread reads the environment.
 */
void conninfo_unset_variables(void);


#pragma GCC visibility pop


#endif /* _CONNINFO_H_INCLUDED_ */
