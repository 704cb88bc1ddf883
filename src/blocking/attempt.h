
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * An attempt to connect to a shard, by calls that block: names are looked up
 * anew, and the addresses of all hosts are tried in turn.  Plain C and libpq,
 * made for a thread: it touches nothing but the attempt.
 */


#ifndef _ATTEMPT_H_INCLUDED_
#define _ATTEMPT_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <libpq-fe.h>

#include "blocking/dial.h"
#include "blocking/hosts.h"
#include "blocking/order.h"
#include "core/conninfo.h"
#include "core/line.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* most addresses that are tried in one attempt */
#define ATTEMPT_ADDRS  32


typedef struct {
    hosts_addr_t        addr;           /* with "": a name that is not known */
    dial_failure_e      how;
    char                sqlstate[6];    /* of a server's error, or "" */
    char                error[LINE_LEN];
} attempt_failure_t;


/*
 * Of the thread in which attempt_run() runs, and of whoever started it before
 * and after, but for "host".
 */

typedef struct {
    conninfo_t          conninfo;
    uint64_t            number;         /* so far */

    /*
     * How long servers may be silent, all together, in microseconds, and how
     * long yet.  Names, files, and what libpq computes take as long as they
     * take.
     */
    int64_t             budget;
    int64_t             patience;

    attempt_failure_t   failures[ATTEMPT_ADDRS];
    size_t              nfailures;
    size_t              left;           /* addresses and hosts to try yet */

    order_t             order;          /* by all attempts so far */

    PGconn             *conn;           /* NULL: failed */
    hosts_addr_t        addr;           /* of the last connection */

    char                error[LINE_LEN];
    char                notice[LINE_LEN];   /* the last one, or "" */
    unsigned            short_of:1;     /* of descriptors, or memory */

    size_t              host;           /* at hand; for any thread */
} attempt_t;


/* of a text that conninfo_parse() takes; NULL if there is no memory */
attempt_t *attempt_create(const char *conninfo);

void attempt_destroy(attempt_t *attempt);

/* nothing has failed yet; servers may be silent for so many milliseconds */
void attempt_begin(attempt_t *attempt, int64_t patience);

/* whether there may be something that has not failed in this attempt */
int attempt_has_more(const attempt_t *attempt);

/*
 * Tries what has not failed in this attempt.  "conn" is NULL before, and the
 * caller's if it is set then; otherwise "error" says why it is not.
 */
void attempt_run(attempt_t *attempt);

/* ends the connection, if there is one */
void attempt_drop(attempt_t *attempt);

/* the last connection leads to the right host: begin there */
void attempt_prefer(attempt_t *attempt);

/* it is of no use, for now: attempt_run() goes on with others */
void attempt_fail(attempt_t *attempt, const char *error);

/* how the host at hand is called in messages; for any thread */
const char *attempt_host(attempt_t *attempt);


#pragma GCC visibility pop


#endif /* _ATTEMPT_H_INCLUDED_ */
