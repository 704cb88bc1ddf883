
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The batches of a worker.  While it holds some, the timer of zone/tidy.c looks
 * after them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "core/memory.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/batch.h"
#include "zone/exclude.h"
#include "zone/map.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* how often those are for which there was no place, in milliseconds */
#define NGX_UR_AGAIN  1000

/* a timer may be late, and a batch be drawn from just before it */
#define ngx_ur_batch_keep(pool, time)                                         \
    ngx_ur_workers_batch(pool, 2 * (time) + NGX_UR_TIDY)


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
};


static ngx_int_t ngx_ur_batch_map(ngx_ur_range_t *range);
static ngx_int_t ngx_ur_batch_return(ngx_ur_range_t *range);
static ngx_uint_t ngx_ur_batch_in_use(ngx_ur_range_t *range);


ngx_int_t
ngx_ur_batch_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_batch_t   *batch;
    ngx_ur_range_t  **ranges;

    batch = ngx_pcalloc(cf->pool, pool->ranges.nelts * sizeof(ngx_ur_batch_t));
    if (batch == NULL) {
        return NGX_ERROR;
    }

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ranges[i]->batch = &batch[i];
    }

    return NGX_OK;
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

    ngx_ur_account_burn(range, NGX_UR_BURNED_LIFE, batch->n - batch->next);

    batch->next = 0;
    batch->n = leases_take(&slot->leases, NGX_UR_BATCH, &batch->start);

    ngx_memory_barrier();

    if (batch->n == 0 || !ngx_ur_slot_issues(range)) {

        /* the place is being given away: what was read may be half cleared */

        batch->n = 0;
        return NGX_DECLINED;
    }

    ngx_ur_account_take(range, batch->n);

    batch->epoch = memory_epoch(&slot->memory);
    batch->mapped = 0;

    if (batch->n > 1) {
        ngx_ur_batch_keep(range->shard->pool, NGX_UR_TIDY);
    }

    lease_rate_count(&slot->rate, &range->shard->pool->lease, batch->n,
                     ngx_current_msec);

    return NGX_OK;
}


ngx_int_t
ngx_ur_batch_issue(ngx_ur_range_t *range, uint64_t *position, uint64_t *value)
{
    ngx_ur_pool_t   *pool;
    ngx_ur_batch_t  *batch;

    batch = range->batch;
    pool = range->shard->pool;

    if (batch->n > 1 && !pool->tidy.timer_set) {
        ngx_add_timer(&pool->tidy, NGX_UR_TIDY);
    }

    *position = batch->start + batch->next;

    if (!batch->mapped) {
        if (ngx_ur_batch_map(range) != NGX_OK) {

            ngx_ur_zone_lock(pool);

            ngx_ur_account_burn(range, NGX_UR_BURNED_SKIPPED, 1);

            ngx_ur_zone_unlock(pool);

            batch->next++;
            return NGX_ERROR;
        }

        batch->mapped = 1;
    }

    *value = batch->values[batch->next++];

    if (pool->excludes && ngx_ur_exclude(pool, range->first + *value)) {
        ngx_ur_account_exclude(range);
        return NGX_AGAIN;
    }

    ngx_ur_account_issue(range);

    return NGX_OK;
}


static ngx_int_t
ngx_ur_batch_map(ngx_ur_range_t *range)
{
    ngx_uint_t       i;
    ngx_ur_batch_t  *batch;

    batch = range->batch;

    for (i = 0; i < batch->n; i++) {
        batch->values[i] = batch->start + i;
    }

    return ngx_ur_map(range, batch->values, batch->n);
}


ngx_msec_t
ngx_ur_batch_tidy(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_msec_t        time, next;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    next = NGX_TIMER_INFINITE;

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (ngx_ur_batch_in_use(ranges[i])) {
            time = NGX_UR_TIDY;

        } else if (ngx_ur_batch_return(ranges[i]) != NGX_OK) {
            time = NGX_UR_AGAIN;

        } else {
            continue;
        }

        ngx_ur_batch_keep(pool, time);

        next = ngx_min(next, time);
    }

    return next;
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
        ngx_ur_account_burn(range, NGX_UR_BURNED_LIFE, left);

    } else if (leases_return(&slot->leases, batch->start + batch->next,
                             batch->start + batch->n)
               == 0)
    {
        lease_rate_return(&slot->rate, left);
        ngx_ur_account_return(range, left);

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

            ngx_ur_account_burn(ranges[i], NGX_UR_BURNED_SKIPPED, left);
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
