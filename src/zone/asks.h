
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What this worker asks the databases for, range by range, from the claim to
 * the answer.  Other workers know of it by the zone's table of workers.
 */


#ifndef _NGX_UR_ASKS_H_INCLUDED_
#define _NGX_UR_ASKS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/statement.h"
#include "pool.h"


/* what a range is asked for */

typedef enum {
    NGX_UR_NEED_NONE = 0,
    NGX_UR_NEED_LOOK,                   /* whether it grants again */
    NGX_UR_NEED_NEWS,                   /* how far it is reserved */
    NGX_UR_NEED_LEASE
} ngx_ur_need_e;


/* of a range */

struct ngx_ur_ask_s {
    ngx_queue_t          queue;         /* in "pending" or "sent" */
    ngx_ur_range_t      *range;
    statement_ask_t      params;        /* once it is sent */
    ngx_ur_need_e        need;
    ngx_msec_t           sent_at;
    ngx_msec_t           busy_until;    /* its row was locked */

    uint64_t             wanted;        /* for who wants many: zone/share.c */

    unsigned             asked:1;
    unsigned             chosen:1;      /* for those who wait */
    unsigned             locked:1;      /* and that was logged */
};


/* of a shard */

struct ngx_ur_asks_s {
    ngx_queue_t          pending;       /* of asks, to be sent */
    ngx_queue_t          sent;          /* in one statement */
    ngx_uint_t           nsent;         /* ranges in the statement */
    ngx_msec_t           short_until;   /* a pause of this worker */

    unsigned             busy:1;        /* postgres/reserve.c is at it */
    unsigned             fetching:1;    /* and more can be asked soon */
};


/* the range whose ask is at this place of a queue */

#define ngx_ur_asks_range(q)  ((ngx_queue_data(q, ngx_ur_ask_t, queue))->range)


ngx_int_t ngx_ur_asks_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * Of a range that is not asked: this worker will ask it, and no other, for
 * "time" milliseconds at most.  The caller has the mutex, since it decided so.
 */
void ngx_ur_asks_claim(ngx_ur_range_t *range, ngx_ur_need_e need,
    ngx_uint_t chosen, ngx_msec_t time);

/*
 * Puts what is pending into "sent", up to "max" ranges, after what was sent
 * before and for some reason has to be again.  They may take "time" from now.
 * A range without its domain stays: that has to be fetched first.
 */
void ngx_ur_asks_gather(ngx_ur_shard_t *shard, ngx_uint_t max,
    ngx_msec_t time);

/*
 * A range has been answered, or will not be.  Posts pool->wake if requests
 * wait, and pool->look if some wait for news.
 */
void ngx_ur_asks_end(ngx_ur_range_t *range);

/* likewise for all that are pending */
void ngx_ur_asks_end_pending(ngx_ur_shard_t *shard);

/* and for all; "lost": what was sent may have been granted (I3) */
void ngx_ur_asks_end_all(ngx_ur_shard_t *shard, ngx_uint_t lost);


#endif /* _NGX_UR_ASKS_H_INCLUDED_ */
