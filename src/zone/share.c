
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Nothing is taken here, nor asked for: what ranges are to be asked for is left
 * in "wanted" of their asks, for who claims them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/asks.h"
#include "zone/need.h"
#include "zone/random.h"
#include "zone/share.h"
#include "zone/slot.h"


/* of the last grant, what is left to draws while there is more to be had */
#define NGX_UR_SHARE_KEPT    4

/* places for leases that are left to draws, and to what is put back */
#define NGX_UR_SHARE_PLACES  4

/* random numbers are below this, where they are to be divided by it */
#define NGX_UR_SHARE_RANDOM  9007199254740992.0


static void ngx_ur_share_shuffle(ngx_ur_pool_t *pool);
static void ngx_ur_share_weigh(ngx_ur_pool_t *pool);


ngx_int_t
ngx_ur_share_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t       i;
    ngx_ur_share_t  *share;

    share = ngx_pcalloc(cf->pool, sizeof(ngx_ur_share_t));
    if (share == NULL) {
        return NGX_ERROR;
    }

    share->portions = ngx_pcalloc(cf->pool, pool->ranges.nelts
                                            * sizeof(ngx_ur_portion_t));
    share->order = ngx_palloc(cf->pool, pool->ranges.nelts
                                        * sizeof(ngx_uint_t));
    if (share->portions == NULL || share->order == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < pool->ranges.nelts; i++) {
        share->order[i] = i;
    }

    pool->share = share;

    return NGX_OK;
}


/*
 * All of them are laid in a row, as long as what each has left, and n marks on
 * it, at equal distances from a random beginning: so no range has more than one
 * more or less than it should, and few numbers are not from small ranges.  The
 * row is shuffled, so that any ranges may come together.
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
    ngx_ur_share_shuffle(pool);

    n = ngx_min(n, share->left);

    begin = (double) (ngx_ur_random() >> 11) / NGX_UR_SHARE_RANDOM;
    density = (double) n / (double) ngx_max(share->left, 1);

    row = 0;
    given = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        portion = &share->portions[share->order[i]];

        row += portion->left;
        marks = (uint64_t) (density * (double) row + begin);
        marks = ngx_min(marks, n);

        portion->share = ngx_min(marks - given, portion->left);
        given += portion->share;
    }

    /* what arithmetic has lost */

    for (i = 0; given < n; i++) {
        portion = &share->portions[share->order[i]];

        marks = ngx_min(portion->left - portion->share, n - given);

        portion->share += marks;
        given += marks;
    }
}


static void
ngx_ur_share_shuffle(ngx_ur_pool_t *pool)
{
    ngx_uint_t  i, k, last, *order;

    order = pool->share->order;

    for (i = pool->ranges.nelts; i > 1; i--) {
        k = ngx_ur_random_below(ngx_ur_random(), i);

        last = order[i - 1];
        order[i - 1] = order[k];
        order[k] = last;
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


uint64_t
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

ngx_uint_t
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
