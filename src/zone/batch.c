
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The batches of a worker.  While it holds some, a timer looks after them: it
 * is not armed without, so that idle means idle.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "core/memory.h"
#include "core/permutation.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/batch.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"

#include <openssl/err.h>


#define NGX_UR_BATCH  64


/*
 * How often the batches are looked at, and those for which there was no place,
 * in milliseconds.
 */
#define NGX_UR_TIDY   50
#define NGX_UR_AGAIN  1000

/* a timer may be late, and a batch be drawn from just before it */
#define ngx_ur_batch_hold(range, time)                                        \
    ngx_ur_workers_batch((range)->shard->pool, 2 * (time) + NGX_UR_TIDY)


/* the positions [start + next, start + n) are still to be issued */

struct ngx_ur_batch_s {
    uint64_t        epoch;              /* they were leased in */
    uint64_t        start;
    ngx_uint_t      n;
    ngx_uint_t      next;
    uint64_t        tidied;             /* the next one, when it was tidied
                                           last */
    uint64_t        values[NGX_UR_BATCH];
    unsigned        mapped:1;

    permutation_t  *permutation;        /* of the range, from the first draw */
};


static void ngx_ur_batch_cleanup(void *data);
static ngx_int_t ngx_ur_batch_map(ngx_ur_range_t *range);
static void ngx_ur_batch_tidy(ngx_event_t *ev);
static ngx_int_t ngx_ur_batch_return(ngx_ur_range_t *range);
static ngx_uint_t ngx_ur_batch_in_use(ngx_ur_range_t *range);


ngx_int_t
ngx_ur_batch_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t            i;
    ngx_ur_batch_t       *batch;
    ngx_ur_range_t      **ranges;
    ngx_pool_cleanup_t   *cln;

    batch = ngx_pcalloc(cf->pool, pool->ranges.nelts * sizeof(ngx_ur_batch_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (batch == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ranges[i]->batch = &batch[i];
    }

    cln->handler = ngx_ur_batch_cleanup;
    cln->data = pool;

    pool->tidy.handler = ngx_ur_batch_tidy;
    pool->tidy.data = pool;
    pool->tidy.log = &cf->cycle->new_log;
    pool->tidy.cancelable = 1;

    return NGX_OK;
}


static void
ngx_ur_batch_cleanup(void *data)
{
    ngx_ur_pool_t *pool = data;

    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        permutation_destroy(ranges[i]->batch->permutation);
    }
}


ngx_uint_t
ngx_ur_batch_left(ngx_ur_range_t *range)
{
    ngx_ur_batch_t  *batch;

    batch = range->batch;

    if (batch->next == batch->n || !ngx_ur_slot_issues(range)) {
        return 0;
    }

    ngx_memory_barrier();

    return (batch->epoch == memory_epoch(&range->slot->memory))
           ? batch->n - batch->next : 0;
}


ngx_int_t
ngx_ur_batch_take(ngx_ur_range_t *range)
{
    ngx_ur_slot_t   *slot;
    ngx_ur_batch_t  *batch;

    slot = range->slot;
    batch = range->batch;

    if (!ngx_ur_slot_issues(range)) {
        return NGX_DECLINED;
    }

    slot->burned += batch->n - batch->next;

    batch->next = 0;
    batch->n = leases_take(&slot->leases, NGX_UR_BATCH, &batch->start);

    ngx_memory_barrier();

    if (batch->n == 0 || !ngx_ur_slot_issues(range)) {

        /* the place is being given away: what was read may be half cleared */

        batch->n = 0;
        return NGX_DECLINED;
    }

    batch->epoch = memory_epoch(&slot->memory);
    batch->mapped = 0;

    if (batch->n > 1) {
        ngx_ur_batch_hold(range, NGX_UR_TIDY);
    }

    lease_rate_count(&slot->rate, &range->shard->pool->lease, batch->n,
                     ngx_current_msec);

    return NGX_OK;
}


ngx_int_t
ngx_ur_batch_issue(ngx_ur_range_t *range, uint64_t *position, uint64_t *value)
{
    ngx_event_t     *tidy;
    ngx_ur_batch_t  *batch;

    batch = range->batch;
    tidy = &range->shard->pool->tidy;

    if (batch->n > 1 && !tidy->timer_set) {
        ngx_add_timer(tidy, NGX_UR_TIDY);
    }

    *position = batch->start + batch->next;

    if (!batch->mapped) {
        if (ngx_ur_batch_map(range) != NGX_OK) {

            /* the reasons are dropped, or TLS would take them for its own */
            ERR_clear_error();

            batch->next++;
            return NGX_ERROR;
        }

        batch->mapped = 1;
    }

    *value = batch->values[batch->next++];

    return NGX_OK;
}


static ngx_int_t
ngx_ur_batch_map(ngx_ur_range_t *range)
{
    u_char           key[RESERVATION_KEY_LEN];
    ngx_uint_t       i;
    ngx_ur_batch_t  *batch;

    batch = range->batch;

    if (batch->permutation == NULL) {
        if (ngx_ur_slot_key(range, key) != NGX_OK) {
            return NGX_ERROR;
        }

        batch->permutation = permutation_create(key, range->last - range->first
                                                     + 1);

        ngx_explicit_memzero(key, RESERVATION_KEY_LEN);

        if (batch->permutation == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < batch->n; i++) {
        batch->values[i] = batch->start + i;
    }

    return permutation_map(batch->permutation, batch->values, batch->values,
                           batch->n)
           == 0 ? NGX_OK : NGX_ERROR;
}


static void
ngx_ur_batch_tidy(ngx_event_t *ev)
{
    ngx_uint_t        i;
    ngx_msec_t        time, next;
    ngx_ur_pool_t    *pool;
    ngx_ur_range_t  **ranges;

    pool = ev->data;
    ranges = pool->ranges.elts;

    next = NGX_TIMER_INFINITE;

    ngx_ur_zone_lock(pool);

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (ngx_ur_batch_in_use(ranges[i])) {
            time = NGX_UR_TIDY;

        } else if (ngx_ur_batch_return(ranges[i]) != NGX_OK) {
            time = NGX_UR_AGAIN;

        } else {
            continue;
        }

        ngx_ur_batch_hold(ranges[i], time);

        next = ngx_min(next, time);
    }

    if (next == NGX_TIMER_INFINITE) {
        ngx_ur_workers_batch(pool, 0);
    }

    ngx_ur_zone_unlock(pool);

    if (next != NGX_TIMER_INFINITE) {
        ngx_add_timer(ev, next);
    }
}


/* whether it was drawn from since the last time, and nobody needs it more */

static ngx_uint_t
ngx_ur_batch_in_use(ngx_ur_range_t *range)
{
    uint64_t         at;
    ngx_ur_batch_t  *batch;

    batch = range->batch;

    if (ngx_ur_batch_left(range) == 0
        || leases_left(&range->slot->leases) == 0)
    {
        return 0;
    }

    at = batch->start + batch->next;

    if (batch->tidied == at) {
        return 0;
    }

    batch->tidied = at;

    return 1;
}


/*
 * NGX_DECLINED if there is no place for it: it stays here, and the next draws
 * are from it.  That of a fenced range is frozen with its leases.
 */

static ngx_int_t
ngx_ur_batch_return(ngx_ur_range_t *range)
{
    ngx_uint_t       left;
    ngx_ur_slot_t   *slot;
    ngx_ur_batch_t  *batch;

    slot = range->slot;
    batch = range->batch;

    left = batch->n - batch->next;

    if (left == 0 || slot->id != range->slot_id) {
        return NGX_OK;
    }

    if (batch->epoch != memory_epoch(&slot->memory)) {
        slot->burned += left;

    } else if (leases_return(&slot->leases, batch->start + batch->next,
                             batch->start + batch->n)
               == 0)
    {
        lease_rate_return(&slot->rate, left);

    } else {
        return NGX_DECLINED;
    }

    batch->next = batch->n;

    return NGX_OK;
}


void
ngx_ur_batch_end(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_uint_t        i, left, burned;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    burned = 0;

    ngx_ur_zone_lock(pool);

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (ngx_ur_batch_return(ranges[i]) != NGX_OK) {
            left = ranges[i]->batch->n - ranges[i]->batch->next;

            ranges[i]->slot->burned += left;
            burned += left;
        }
    }

    ngx_ur_zone_unlock(pool);

    if (burned) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%ui positions that this worker had taken are burned in "
                      "unique_random_pool \"%V\": the workers have put back "
                      "too many already", burned, &pool->name);
    }
}
