
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Nothing is asked for here: what ranges are to be asked for is left in
 * "wanted" of their asks, for who claims them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/reservation.h"
#include "event/timer.h"
#include "pool.h"
#include "zone/asks.h"
#include "zone/batch.h"
#include "zone/domain.h"
#include "zone/need.h"
#include "zone/outlook.h"
#include "zone/share.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* for how long it is believed that fewer are left, in milliseconds */
#define NGX_UR_OUTLOOK_FRESH  1000


static uint64_t ngx_ur_outlook_here(ngx_ur_pool_t *pool);
static ngx_uint_t ngx_ur_outlook_is_few(ngx_ur_pool_t *pool, uint64_t n);
static void ngx_ur_outlook_ask(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook);
static uint64_t ngx_ur_outlook_want(ngx_ur_range_t *range,
    ngx_ur_portion_t *portion, ngx_uint_t few);
static void ngx_ur_outlook_rest(ngx_ur_pool_t *pool, uint64_t n,
    ngx_uint_t patient, ngx_ur_outlook_t *outlook);


void
ngx_ur_outlook(ngx_ur_pool_t *pool, uint64_t n, uint64_t held,
    ngx_uint_t patient, ngx_ur_outlook_t *outlook)
{
    uint64_t    back;
    ngx_msec_t  wait;

    ngx_memzero(outlook, sizeof(ngx_ur_outlook_t));

    outlook->cause.waiting = 1;
    outlook->cause.shared = 1;

    ngx_ur_zone_lock(pool);

    ngx_ur_share(pool, n);

    outlook->exhausted = ngx_ur_outlook_is_few(pool, n);

    ngx_ur_outlook_ask(pool, outlook);

    if (!outlook->ask && !outlook->exhausted && pool->nasked == 0) {

        /* as for one number: to leave failed shards alone helps nobody */

        wait = outlook->wait;

        outlook->cause.hasty = 1;
        ngx_ur_outlook_ask(pool, outlook);

        outlook->wait = wait;
    }

    if (!outlook->exhausted) {
        ngx_ur_outlook_rest(pool, n, patient, outlook);
    }

    outlook->asking = ngx_ur_workers_asking(pool);

    /* what may be put back is no help if even with it there are too few */

    back = ngx_ur_workers_held(pool, NGX_UR_BATCH) + ngx_ur_outlook_here(pool)
           - held;

    outlook->batched = back && pool->share->left + back >= n;

    /* by another division, or without patience, what is leased is enough */

    if (pool->share->leased >= n) {
        outlook->batched = 1;
    }

    ngx_ur_zone_unlock(pool);
}


/* positions that this worker has in holds and batches */

static uint64_t
ngx_ur_outlook_here(ngx_ur_pool_t *pool)
{
    uint64_t          n;
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;
    n = pool->nheld;

    for (i = 0; i < pool->ranges.nelts; i++) {
        n += ngx_ur_batch_left(ranges[i]);
    }

    return n;
}


/*
 * Whether all ranges are known to have, together, less than n left: what is in
 * one that is fenced, drained or down, or whose domain is not there, may come
 * back.
 */

static ngx_uint_t
ngx_ur_outlook_is_few(ngx_ur_pool_t *pool, uint64_t n)
{
    ngx_uint_t        i;
    ngx_ur_slot_t    *slot;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    if (pool->share->left >= n) {
        return 0;
    }

    for (i = 0; i < pool->ranges.nelts; i++) {
        slot = ngx_ur_slot(ranges[i]);

        if (slot == NULL
            || !slot->has_key
            || !ngx_ur_domain_is_ready(ranges[i]))
        {
            return 0;
        }

        if (ngx_ur_slot_used_up(ranges[i])) {
            continue;
        }

        if (slot->outcome != RESERVATION_GRANTED
            || ranges[i]->shard->drain
            || ranges[i]->shard->down)
        {
            return 0;
        }
    }

    return 1;
}


static void
ngx_ur_outlook_ask(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook)
{
    ngx_msec_t          due;
    ngx_uint_t          i;
    ngx_ur_need_e       need;
    ngx_ur_range_t    **ranges;
    ngx_ur_portion_t   *portion;

    ranges = pool->ranges.elts;

    outlook->wait = NGX_TIMER_INFINITE;

    for (i = 0; i < pool->ranges.nelts; i++) {
        portion = &pool->share->portions[i];

        need = ngx_ur_need(ranges[i], &outlook->cause, &due);

        if (need == NGX_UR_NEED_NONE) {
            continue;
        }

        if (due) {
            outlook->wait = ngx_min(outlook->wait, due);
            continue;
        }

        if (need == NGX_UR_NEED_LOOK) {
            outlook->ask = 1;
            continue;
        }

        if (ngx_ur_share_is_full(ranges[i]->slot)) {
            continue;
        }

        portion->can = 1;

        ranges[i]->ask->wanted = ngx_ur_outlook_want(ranges[i], portion,
                                                   outlook->exhausted);

        if (ranges[i]->ask->wanted) {
            outlook->ask = 1;
        }
    }
}


/* one that has not answered is asked for one, so that it is known */

static uint64_t
ngx_ur_outlook_want(ngx_ur_range_t *range, ngx_ur_portion_t *portion,
    ngx_uint_t few)
{
    ngx_ur_slot_t  *slot;

    slot = range->slot;

    if (!slot->has_key) {
        return 1;
    }

    if (few) {
        return ngx_ur_timer_past(slot->answered_at + NGX_UR_OUTLOOK_FRESH);
    }

    return ngx_ur_share_deficit(range, portion);
}


/* what others cannot bring is asked of those that can be asked now */

static void
ngx_ur_outlook_rest(ngx_ur_pool_t *pool, uint64_t n, ngx_uint_t patient,
    ngx_ur_outlook_t *outlook)
{
    uint64_t            have, room, more;
    ngx_uint_t          i;
    ngx_ur_ask_t       *ask;
    ngx_ur_range_t    **ranges;
    ngx_ur_portion_t   *portion;

    ranges = pool->ranges.elts;

    have = pool->share->leased;
    room = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ask = ranges[i]->ask;
        portion = &pool->share->portions[i];

        if (portion->can) {
            have += ask->wanted;
            room += portion->left - portion->leased;

        } else if (ask->asked && patient) {
            have += ngx_max(ask->wanted, ask->params.want);
        }
    }

    if (have >= n || room == 0) {
        return;
    }

    for (i = 0; i < pool->ranges.nelts; i++) {
        portion = &pool->share->portions[i];

        if (!portion->can) {
            continue;
        }

        more = (double) (n - have) / (double) room
               * (double) (portion->left - portion->leased);

        ranges[i]->ask->wanted += more + 1;
        outlook->ask = 1;
    }
}
