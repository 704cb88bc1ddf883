
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The table of workers in a zone.  What a worker has under way it writes into
 * its own entry, and nobody else does: it ends with the worker.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_WORKERS_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_WORKERS_H_INCLUDED_


#include "pool.h"


/* this worker enters the table, and leaves it */
void ngx_http_unique_random_workers_enter(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log);

/* whether it was the last one of its configuration */
ngx_uint_t ngx_http_unique_random_workers_leave(
    ngx_http_unique_random_pool_t *pool);

/*
 * Whether the running configuration is one of those, or a worker of one lives.
 * The master's, without a lock.
 */
ngx_uint_t ngx_http_unique_random_workers_use(
    ngx_http_unique_random_shctx_t *sh,
    ngx_http_unique_random_generations_t *had_by);


/* the caller of the following has the mutex */

/* this worker awaits replies for so many milliseconds; 0: none any more */
void ngx_http_unique_random_workers_ask(ngx_http_unique_random_pool_t *pool,
    ngx_msec_t time);

/* it puts its batches back within the time; 0: it has none any more */
void ngx_http_unique_random_workers_batch(ngx_http_unique_random_pool_t *pool,
    ngx_msec_t time);

/* whether any other worker awaits replies, or any worker has batches */
ngx_uint_t ngx_http_unique_random_workers_asking(
    ngx_http_unique_random_pool_t *pool);
ngx_uint_t ngx_http_unique_random_workers_batched(
    ngx_http_unique_random_pool_t *pool);

/* this worker asks for the range on behalf of all; and does so no more */
void ngx_http_unique_random_workers_claim(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_slot_t *slot);
void ngx_http_unique_random_workers_unclaim(
    ngx_http_unique_random_slot_t *slot);

/* whether another worker does */
ngx_uint_t ngx_http_unique_random_workers_claimed(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_slot_t *slot);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_WORKERS_H_INCLUDED_ */
