
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Ranges are weighed once in some draws, under the mutex; in between the choice
 * is arithmetic.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "pool.h"
#include "zone/asks.h"
#include "zone/batch.h"
#include "zone/choice.h"
#include "zone/domain.h"
#include "zone/need.h"
#include "zone/random.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* draws by the same weights: one in so many looks at all ranges */
#define NGX_UR_DRAWS  16


typedef struct {
    uint64_t               weight;
    ngx_uint_t             leased;      /* or in this worker's batch */
} ngx_ur_candidate_t;


struct ngx_ur_choice_s {
    /* the weights of all ranges, and the sums of all and of leased ones */
    ngx_ur_candidate_t    *candidates;
    uint64_t               weight;
    uint64_t               leased;
    ngx_uint_t             draws;       /* that go by them yet */

    ngx_uint_t             look;        /* some are due for one */
};


static ngx_ur_range_t *ngx_ur_choice_pick(ngx_ur_pool_t *pool,
    ngx_ur_draw_t *draw);
static ngx_int_t ngx_ur_choice_take(ngx_ur_pool_t *pool, ngx_ur_range_t *range,
    ngx_ur_draw_t *draw);
static void ngx_ur_choice_weigh(ngx_ur_pool_t *pool);
static ngx_uint_t ngx_ur_choice_among(ngx_ur_choice_t *choice, uint64_t total,
    ngx_uint_t leased);
static uint64_t ngx_ur_choice_candidates(ngx_ur_pool_t *pool,
    ngx_ur_outlook_t *outlook);


ngx_int_t
ngx_ur_choice_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_choice_t  *choice;

    choice = ngx_pcalloc(cf->pool, sizeof(ngx_ur_choice_t));
    if (choice == NULL) {
        return NGX_ERROR;
    }

    choice->candidates = ngx_pcalloc(cf->pool, pool->ranges.nelts
                                               * sizeof(ngx_ur_candidate_t));
    if (choice->candidates == NULL) {
        return NGX_ERROR;
    }

    pool->choice = choice;

    return NGX_OK;
}


/*
 * The choice is among all ranges, by what they have left, so that they empty
 * evenly.  If it falls on one without a lease, it is time to fetch one, and the
 * number comes from another range.
 */

ngx_int_t
ngx_ur_choice_draw(ngx_ur_pool_t *pool, ngx_ur_draw_t *draw)
{
    ngx_int_t        rc;
    ngx_ur_range_t  *range;

    do {
        draw->ask = 0;

        range = ngx_ur_choice_pick(pool, draw);

        if (range && range == draw->range && ngx_ur_batch_left(range)) {
            return NGX_OK;
        }

        ngx_ur_zone_lock(pool);

        rc = ngx_ur_choice_take(pool, range, draw);

        ngx_ur_zone_unlock(pool);

    } while (rc == NGX_AGAIN);

    return rc;
}


/*
 * Chooses by weights that are a few draws old, without the mutex: the range to
 * draw from is put into "draw", the one that the choice fell on is returned.
 * NULL if the weights are too old, or nothing was leased when they were taken.
 */

static ngx_ur_range_t *
ngx_ur_choice_pick(ngx_ur_pool_t *pool, ngx_ur_draw_t *draw)
{
    ngx_uint_t         i, from;
    ngx_ur_range_t   **ranges;
    ngx_ur_choice_t   *choice;

    choice = pool->choice;

    if (choice->draws == 0 || choice->leased == 0) {
        return NULL;
    }

    choice->draws--;

    i = ngx_ur_choice_among(choice, choice->weight, 0);

    from = choice->candidates[i].leased
           ? i
           : ngx_ur_choice_among(choice, choice->leased, 1);

    ranges = pool->ranges.elts;

    draw->range = ranges[from];

    return ranges[i];
}


/* NGX_AGAIN: choose again, by new weights */

static ngx_int_t
ngx_ur_choice_take(ngx_ur_pool_t *pool, ngx_ur_range_t *range,
    ngx_ur_draw_t *draw)
{
    ngx_ur_choice_t  *choice;

    choice = pool->choice;

    if (range
        && (ngx_ur_batch_left(draw->range)
            || ngx_ur_batch_take(draw->range) == NGX_OK))
    {
        ngx_memzero(&draw->cause, sizeof(ngx_ur_cause_t));

        draw->cause.range = range;

        draw->ask = choice->look
                    || ngx_ur_need_now(range, &draw->cause)
                       == NGX_UR_NEED_LEASE;
        choice->look = 0;

        return NGX_OK;
    }

    ngx_ur_choice_weigh(pool);

    return choice->leased ? NGX_AGAIN : NGX_DECLINED;
}


static void
ngx_ur_choice_weigh(ngx_ur_pool_t *pool)
{
    uint64_t              left;
    ngx_uint_t            i;
    ngx_ur_cause_t        draw;
    ngx_ur_range_t      **ranges;
    ngx_ur_choice_t      *choice;
    ngx_ur_candidate_t   *candidate;

    ngx_memzero(&draw, sizeof(ngx_ur_cause_t));

    ranges = pool->ranges.elts;
    choice = pool->choice;

    choice->draws = ngx_max(pool->ranges.nelts, NGX_UR_DRAWS);
    choice->weight = 0;
    choice->leased = 0;
    choice->look = 0;

    /* ranges do not overlap, so the sums are at most 2^63 */

    for (i = 0; i < pool->ranges.nelts; i++) {
        candidate = &choice->candidates[i];

        candidate->weight = 0;
        candidate->leased = 0;

        if (ngx_ur_need_now(ranges[i], &draw) == NGX_UR_NEED_LOOK) {
            choice->look = 1;
        }

        if (!ngx_ur_slot_issues(ranges[i])) {
            continue;
        }

        left = leases_left(&ranges[i]->slot->leases)
               + ngx_ur_batch_left(ranges[i]);

        candidate->weight = left;

        if (!ranges[i]->shard->drain) {
            candidate->weight += ranges[i]->slot->remaining;
        }

        choice->weight += candidate->weight;

        if (left) {
            candidate->leased = 1;
            choice->leased += candidate->weight;
        }
    }
}


ngx_uint_t
ngx_ur_choice_ready(ngx_ur_pool_t *pool)
{
    ngx_ur_zone_lock(pool);

    ngx_ur_choice_weigh(pool);

    ngx_ur_zone_unlock(pool);

    return pool->choice->leased != 0;
}


/* one of all, or of the leased ones, whose weights sum up to total */

static ngx_uint_t
ngx_ur_choice_among(ngx_ur_choice_t *choice, uint64_t total, ngx_uint_t leased)
{
    uint64_t             pick;
    ngx_uint_t           i;
    ngx_ur_candidate_t  *candidate;

    candidate = choice->candidates;
    pick = ngx_ur_random_below(ngx_ur_random(), total);

    for (i = 0; /* void */ ; i++) {

        if (leased && !candidate[i].leased) {
            continue;
        }

        if (pick < candidate[i].weight) {
            return i;
        }

        pick -= candidate[i].weight;
    }
}


void
ngx_ur_choice_outlook(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook)
{
    uint64_t          total;
    ngx_msec_t        wait;
    ngx_ur_range_t  **ranges;

    ngx_memzero(outlook, sizeof(ngx_ur_outlook_t));

    outlook->cause.waiting = 1;

    ngx_ur_zone_lock(pool);

    total = ngx_ur_choice_candidates(pool, outlook);

    if (total == 0 && !outlook->exhausted) {

        /* to leave failed shards alone helps nobody, but nor does waiting */

        wait = outlook->wait;

        outlook->cause.hasty = 1;
        total = ngx_ur_choice_candidates(pool, outlook);

        outlook->wait = wait;
    }

    outlook->asking = ngx_ur_workers_asking(pool);
    outlook->batched = ngx_ur_workers_batched(pool);

    ngx_ur_zone_unlock(pool);

    /* these weights are of another kind than those of draws */

    pool->choice->draws = 0;

    if (total) {
        ranges = pool->ranges.elts;

        outlook->cause.range = ranges[ngx_ur_choice_among(pool->choice, total,
                                                          0)];
        outlook->ask = 1;
    }
}


/* weighs the ranges that may be asked for a lease, and returns the sum */

static uint64_t
ngx_ur_choice_candidates(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook)
{
    uint64_t             total;
    ngx_msec_t           due;
    ngx_uint_t           i;
    ngx_ur_need_e        need;
    ngx_ur_range_t      *range, **ranges;
    ngx_ur_candidate_t  *candidate;

    ranges = pool->ranges.elts;

    total = 0;
    outlook->wait = NGX_TIMER_INFINITE;
    outlook->exhausted = 1;

    for (i = 0; i < pool->ranges.nelts; i++) {
        range = ranges[i];

        candidate = &pool->choice->candidates[i];
        candidate->weight = 0;

        need = ngx_ur_need(range, &outlook->cause, &due);

        if (need == NGX_UR_NEED_LOOK && due == 0) {
            outlook->ask = 1;
        }

        if (ngx_ur_slot(range)
            && ngx_ur_slot_used_up(range)
            && ngx_ur_domain_is_ready(range))
        {
            continue;
        }

        outlook->exhausted = 0;

        if (range->shard->asks->busy && !range->shard->asks->fetching) {
            continue;
        }

        if (due) {
            outlook->wait = ngx_min(outlook->wait, due);
            continue;
        }

        if (need == NGX_UR_NEED_LEASE) {
            candidate->weight = ngx_max(range->slot->remaining, 1);
            total += candidate->weight;
        }
    }

    return total;
}
