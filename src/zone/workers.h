
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The table of workers in a zone.  What a worker has under way it writes into
 * its own entry, and nobody else does: it ends with the worker.
 */


#ifndef _NGX_UR_WORKERS_H_INCLUDED_
#define _NGX_UR_WORKERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/zone.h"


/*
 * A worker, the configuration that it runs, and what it has under way in the
 * pool.  Written by the worker alone, under the mutex; all of it is void when
 * the pid is gone, and each deadline when it is past.  0: nothing.
 */

struct ngx_ur_worker_s {
    ngx_pid_t        pid;
    uint32_t         generation;
    ngx_msec_t       asking_until;      /* reservations */
    ngx_msec_t       batches_until;     /* that it may put back, */
    uint64_t         held;              /* with so many in holds */
};


struct ngx_ur_workers_s {
    /* workers that found no entry: what they have under way is not known */
    ngx_uint_t       crowded;

    ngx_ur_worker_t  entries[NGX_UR_WORKERS];
};


/* this worker enters the table, and leaves it */
ngx_int_t ngx_ur_workers_enter(ngx_ur_pool_t *pool, ngx_cycle_t *cycle);

/* whether it was the last one of its configuration */
ngx_uint_t ngx_ur_workers_leave(ngx_ur_pool_t *pool);

/*
 * Whether the running configuration is one of those, or a worker of one lives.
 * The master's, without a lock.
 */
ngx_uint_t ngx_ur_workers_use(ngx_ur_shctx_t *sh,
    ngx_ur_generations_t *had_by);


/* whether the worker of the entry is there */
ngx_uint_t ngx_ur_workers_lives(ngx_ur_worker_t *w);


/* the caller of the following has the mutex */

/* this worker awaits replies for so many milliseconds; 0: none any more */
void ngx_ur_workers_ask(ngx_ur_pool_t *pool, ngx_msec_t time);

/* it puts batches and holds back within the time; 0: it has none any more */
void ngx_ur_workers_batch(ngx_ur_pool_t *pool, ngx_msec_t time);

/* whether any other worker awaits replies, or any worker has batches */
ngx_uint_t ngx_ur_workers_asking(ngx_ur_pool_t *pool);
ngx_uint_t ngx_ur_workers_batched(ngx_ur_pool_t *pool);

/* other workers may put back so many at most, if a batch has up to "size" */
uint64_t ngx_ur_workers_held(ngx_ur_pool_t *pool, ngx_uint_t size);

/* this worker asks for the range on behalf of all; and does so no more */
void ngx_ur_workers_claim(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot);
void ngx_ur_workers_unclaim(ngx_ur_slot_t *slot);

/* whether another worker does */
ngx_uint_t ngx_ur_workers_claimed(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot);


#endif /* _NGX_UR_WORKERS_H_INCLUDED_ */
