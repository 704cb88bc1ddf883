
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a worker has with the database of a shard: one connection, which its
 * ranges use in turn, and what is under way on it.  postgres/reserve.c makes
 * and ends it.
 */


#ifndef _NGX_UR_SESSION_H_INCLUDED_
#define _NGX_UR_SESSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "postgres/postgres.h"


typedef struct ngx_ur_connect_s  ngx_ur_connect_t;
typedef struct ngx_ur_fetch_s    ngx_ur_fetch_t;


/* what the query is for */

typedef enum {
    NGX_UR_STEP_RESERVE = 0,
    NGX_UR_STEP_FETCH,
    NGX_UR_STEP_SCHEMA,
    NGX_UR_STEP_BOOTSTRAP
} ngx_ur_step_e;


struct ngx_ur_session_s {
    ngx_ur_postgres_t    pg;

    /* postgres/connect.c: from the first one on; it calls the function with a
       result of the shard's health */
    ngx_ur_connect_t    *connect;
    void               (*connected)(ngx_ur_shard_t *shard, ngx_uint_t result);

    ngx_ur_step_e        step;
    ngx_msec_t           started;       /* the reservation */
    ngx_msec_t           deadline;      /* of what is sent */

    /* postgres/notice.c: a warning of the commit of what is sent, or "" */
    u_char               doubt[256];

    u_char               unshown;       /* shard->connection, before a worker
                                           has an account */

    ngx_ur_fetch_t      *fetch;         /* postgres/fetch.c, while it is at
                                           it */

    /* postgres/bootstrap.c */
    unsigned             bootstrapped:1;
    unsigned             cautioned:1;   /* why it is not */

    /* postgres/replies.c */
    unsigned             stale:1;       /* the connection leads to a copy left
                                           behind */
};


#endif /* _NGX_UR_SESSION_H_INCLUDED_ */
