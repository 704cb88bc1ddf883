
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connects to one address of a shard, by calls that block.  Plain C and libpq,
 * made for a thread: it touches nothing but what it is given.
 */


#ifndef _DIAL_H_INCLUDED_
#define _DIAL_H_INCLUDED_


#include <stdint.h>
#include <libpq-fe.h>

#include "blocking/hosts.h"
#include "core/conninfo.h"
#include "core/line.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* how an address has failed: with what is first here, the next one begins */

typedef enum {
    DIAL_LATE = 0,                      /* not in the time that it had */
    DIAL_REFUSED,
    DIAL_SILENT
} dial_failure_e;


/* times are microseconds, and become what is left of them */

typedef struct {
    const conninfo_t    *conninfo;
    const hosts_addr_t  *addr;

    int64_t              share;         /* until it has said something */
    int64_t              patience;      /* how long it may be silent in all */
    unsigned             fair:1;        /* silent for its share: DIAL_SILENT */

    char                *notice;        /* the last one: LINE_LEN bytes */

    /* on failure */

    dial_failure_e       how;
    char                 sqlstate[6];   /* of a server's error, or "" */
    char                 error[LINE_LEN];
    unsigned             short_of:1;    /* of descriptors, or memory */
} dial_t;


/*
 * Returns a connection, which is the caller's and writes to "notice" as long as
 * it lives, or NULL.  Whoever calls zeroes what is set on failure.  Names,
 * files, and what libpq computes take as long as they take.
 */
PGconn *dial_run(dial_t *dial);

/* whether there are no descriptors to be had */
int dial_is_short(void);


#pragma GCC visibility pop


#endif /* _DIAL_H_INCLUDED_ */
