
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Nothing is taken here, nor asked for: what ranges are to be asked for is left
 * in "wanted" of their asks, for who claims them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "core/reservation.h"
#include "event/timer.h"
#include "pool.h"
#include "zone/asks.h"
#include "zone/batch.h"
#include "zone/domain.h"
#include "zone/need.h"
#include "zone/random.h"
#include "zone/share.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* of the last grant, what is left to draws while there is more to be had */
#define NGX_UR_SHARE_KEPT    4

/* places for leases that are left to draws, and to what is put back */
#define NGX_UR_SHARE_PLACES  4

/* random numbers are below this, where they are to be divided by it */
#define NGX_UR_SHARE_RANDOM  9007199254740992.0

/* for how long it is believed that fewer are left, in milliseconds */
#define NGX_UR_SHARE_FRESH   1000


static void ngx_ur_share_weigh(ngx_ur_pool_t *pool);
static uint64_t ngx_ur_share_deficit(ngx_ur_range_t *range,
    ngx_ur_portion_t *portion);
static ngx_uint_t ngx_ur_share_is_full(ngx_ur_slot_t *slot);
static uint64_t ngx_ur_share_here(ngx_ur_pool_t *pool);
static ngx_uint_t ngx_ur_share_is_few(ngx_ur_pool_t *pool, uint64_t n);
static void ngx_ur_share_ask(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook);
static uint64_t ngx_ur_share_want(ngx_ur_range_t *range,
    ngx_ur_portion_t *portion, ngx_uint_t few);
static void ngx_ur_share_rest(ngx_ur_pool_t *pool, uint64_t n,
    ngx_uint_t patient, ngx_ur_outlook_t *outlook);


ngx_int_t
ngx_ur_share_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_share_t  *share;

    share = ngx_pcalloc(cf->pool, sizeof(ngx_ur_share_t));
    if (share == NULL) {
        return NGX_ERROR;
    }

    share->portions = ngx_pcalloc(cf->pool, pool->ranges.nelts
                                            * sizeof(ngx_ur_portion_t));
    if (share->portions == NULL) {
        return NGX_ERROR;
    }

    pool->share = share;

    return NGX_OK;
}


/*
 * All of them are laid in a row, as long as what each has left, and n marks on
 * it, at equal distances from a random beginning: so no range has more than one
 * more or less than it should, and few numbers are not from small ranges.
 */

void
ngx_ur_share(ngx_ur_pool_t *pool, uint64_t n)
{
    double             begin, density;
    uint64_t           row, given, marks;
    ngx_uint_t         i;
    ngx_ur_share_t    *share;
    ngx_ur_portion_t  *portion;

    share = pool->share;

    ngx_ur_share_weigh(pool);

    n = ngx_min(n, share->left);

    begin = (double) (ngx_ur_random() >> 11) / NGX_UR_SHARE_RANDOM;
    density = (double) n / (double) ngx_max(share->left, 1);

    row = 0;
    given = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        portion = &share->portions[i];

        row += portion->left;
        marks = (uint64_t) (density * (double) row + begin);
        marks = ngx_min(marks, n);

        portion->share = ngx_min(marks - given, portion->left);
        given += portion->share;
    }

    /* what arithmetic has lost */

    for (i = 0; given < n; i++) {
        portion = &share->portions[i];

        marks = ngx_min(portion->left - portion->share, n - given);

        portion->share += marks;
        given += marks;
    }
}


static void
ngx_ur_share_weigh(ngx_ur_pool_t *pool)
{
    ngx_uint_t          i;
    ngx_ur_share_t     *share;
    ngx_ur_range_t    **ranges;
    ngx_ur_portion_t   *portion;

    ranges = pool->ranges.elts;
    share = pool->share;

    share->left = 0;
    share->leased = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        portion = &share->portions[i];

        ngx_memzero(portion, sizeof(ngx_ur_portion_t));

        if (!ngx_ur_slot_issues(ranges[i])) {
            continue;
        }

        portion->leased = leases_left(&ranges[i]->slot->leases);
        portion->left = portion->leased;

        if (!ranges[i]->shard->drain) {
            portion->left += ranges[i]->slot->remaining;
        }

        share->leased += portion->leased;
        share->left += portion->left;
    }
}


ngx_uint_t
ngx_ur_share_awaits(ngx_ur_pool_t *pool)
{
    ngx_msec_t        due;
    ngx_uint_t        i;
    ngx_ur_cause_t    cause;
    ngx_ur_range_t  **ranges;

    ngx_memzero(&cause, sizeof(ngx_ur_cause_t));

    cause.waiting = 1;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (ngx_ur_share_deficit(ranges[i], &pool->share->portions[i]) == 0) {
            continue;
        }

        if (ranges[i]->ask->asked
            || (ngx_ur_need(ranges[i], &cause, &due) == NGX_UR_NEED_LEASE
                && due == 0))
        {
            return 1;
        }
    }

    return 0;
}


/* what a range should be asked for, so that its leases are enough for all */

static uint64_t
ngx_ur_share_deficit(ngx_ur_range_t *range, ngx_ur_portion_t *portion)
{
    uint64_t        kept;
    ngx_ur_slot_t  *slot;

    slot = range->slot;

    if (portion->left == portion->leased || ngx_ur_share_is_full(slot)) {
        return 0;
    }

    kept = range->shard->pool->lease.max
           ? ngx_min(slot->granted, slot->remaining) / NGX_UR_SHARE_KEPT : 0;

    return (portion->share + kept > portion->leased)
           ? portion->share + kept - portion->leased : 0;
}


/*
 * Others that reserve from the range as well keep leases from joining: what has
 * no place would be burned.
 */

static ngx_uint_t
ngx_ur_share_is_full(ngx_ur_slot_t *slot)
{
    return leases_places(&slot->leases) <= NGX_UR_SHARE_PLACES;
}


ngx_uint_t
ngx_ur_share_is_low(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i, low;
    ngx_ur_cause_t    cause;
    ngx_ur_range_t  **ranges;

    ngx_memzero(&cause, sizeof(ngx_ur_cause_t));

    ranges = pool->ranges.elts;
    low = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        cause.range = ranges[i];

        if (ngx_ur_need_now(ranges[i], &cause) == NGX_UR_NEED_LEASE) {
            ranges[i]->ask->wanted = 1;
            low = 1;
        }
    }

    return low;
}


void
ngx_ur_share_outlook(ngx_ur_pool_t *pool, uint64_t n, uint64_t held,
    ngx_uint_t patient, ngx_ur_outlook_t *outlook)
{
    uint64_t    back;
    ngx_msec_t  wait;

    ngx_memzero(outlook, sizeof(ngx_ur_outlook_t));

    outlook->cause.waiting = 1;
    outlook->cause.shared = 1;

    ngx_ur_zone_lock(pool);

    ngx_ur_share(pool, n);

    outlook->exhausted = ngx_ur_share_is_few(pool, n);

    ngx_ur_share_ask(pool, outlook);

    if (!outlook->ask && !outlook->exhausted && pool->nasked == 0) {

        /* as for one number: to leave failed shards alone helps nobody */

        wait = outlook->wait;

        outlook->cause.hasty = 1;
        ngx_ur_share_ask(pool, outlook);

        outlook->wait = wait;
    }

    if (!outlook->exhausted) {
        ngx_ur_share_rest(pool, n, patient, outlook);
    }

    outlook->asking = ngx_ur_workers_asking(pool);

    /* what may be put back is no help if even with it there are too few */

    back = ngx_ur_workers_held(pool, NGX_UR_BATCH) + ngx_ur_share_here(pool)
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
ngx_ur_share_here(ngx_ur_pool_t *pool)
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
ngx_ur_share_is_few(ngx_ur_pool_t *pool, uint64_t n)
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
ngx_ur_share_ask(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook)
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

        ranges[i]->ask->wanted = ngx_ur_share_want(ranges[i], portion,
                                                   outlook->exhausted);

        if (ranges[i]->ask->wanted) {
            outlook->ask = 1;
        }
    }
}


/* one that has not answered is asked for one, so that it is known */

static uint64_t
ngx_ur_share_want(ngx_ur_range_t *range, ngx_ur_portion_t *portion,
    ngx_uint_t few)
{
    ngx_ur_slot_t  *slot;

    slot = range->slot;

    if (!slot->has_key) {
        return 1;
    }

    if (few) {
        return ngx_ur_timer_past(slot->answered_at + NGX_UR_SHARE_FRESH);
    }

    return ngx_ur_share_deficit(range, portion);
}


/* what others cannot bring is asked of those that can be asked now */

static void
ngx_ur_share_rest(ngx_ur_pool_t *pool, uint64_t n, ngx_uint_t patient,
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
