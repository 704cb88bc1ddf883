
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a shard has answered, row by row, and what follows from it.
 */


#ifndef _NGX_UR_REPLIES_H_INCLUDED_
#define _NGX_UR_REPLIES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* what is to be done next; of several rows the highest counts */

typedef enum {
    NGX_UR_NEXT_DONE = 0,
    NGX_UR_NEXT_BOOTSTRAP,              /* the ranges are missing */
    NGX_UR_NEXT_SCHEMA,                 /* all is */
    NGX_UR_NEXT_AGAIN,                  /* the same statement */
    NGX_UR_NEXT_HOST,                   /* the same on the next host */
    NGX_UR_NEXT_INVALID,                /* leave it: what it says is no reply */
    NGX_UR_NEXT_FAILED
} ngx_ur_next_e;


typedef struct {
    ngx_ur_next_e  next;

    /* of a shard that failed, for the reason in the connection's "error" */
    ngx_uint_t     result;              /* of its health */
    ngx_uint_t     lost;                /* what was sent, it may be granted */
} ngx_ur_verdict_t;


/*
 * The statement is done: takes in the answer to each range in "sent", which it
 * leaves if that is all for it.
 */
void ngx_ur_replies(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict);

/* what was granted to it, if anything was, cannot be relied upon (I2, I3) */
void ngx_ur_replies_lost(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict);


#endif /* _NGX_UR_REPLIES_H_INCLUDED_ */
