
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The choice among the ranges of a pool: which to draw from, and which to ask.
 * Keeps I4: what is drawn leaves the zone in one step under the mutex, with
 * arithmetic only.
 */


#include "ngx_http_unique_random_batch.h"
#include "ngx_http_unique_random_random.h"


/* a shard that failed, but not often enough to be given up for a while */
#define NGX_HTTP_UNIQUE_RANDOM_RETRY      250

/* how often a range that is used up is asked for more */
#define NGX_HTTP_UNIQUE_RANDOM_EXHAUSTED  1000

/* draws by the same weights: one in so many looks at all ranges */
#define NGX_HTTP_UNIQUE_RANDOM_FRESH      16


static ngx_http_unique_random_range_t *ngx_http_unique_random_zone_pick(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_draw_t *draw);
static void ngx_http_unique_random_zone_weigh(
    ngx_http_unique_random_pool_t *pool);
static ngx_http_unique_random_range_t *ngx_http_unique_random_zone_choose(
    ngx_http_unique_random_pool_t *pool, uint64_t total, ngx_uint_t preferred);
static ngx_uint_t ngx_http_unique_random_zone_fetch(
    ngx_http_unique_random_range_t *range);
static ngx_uint_t ngx_http_unique_random_zone_look(
    ngx_http_unique_random_range_t *range);
static ngx_uint_t ngx_http_unique_random_zone_claim(
    ngx_http_unique_random_range_t *range);
static ngx_msec_t ngx_http_unique_random_zone_due(
    ngx_http_unique_random_range_t *range);


/*
 * The choice is among all ranges, by what they have left, so that they empty
 * evenly.  If it falls on one without a lease, it is time to fetch one, and the
 * number comes from another range.
 */

ngx_int_t
ngx_http_unique_random_zone_draw(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_draw_t *draw)
{
    ngx_int_t                        rc;
    ngx_http_unique_random_range_t  *range;

    do {
        range = ngx_http_unique_random_zone_pick(pool, draw);

        if (range
            && range == draw->range
            && ngx_http_unique_random_batch_left(range))
        {
            draw->fetch = pool->look;
            pool->look = NULL;

            return NGX_OK;
        }

        ngx_shmtx_lock(&pool->shpool->mutex);

        if (range
            && (ngx_http_unique_random_batch_left(draw->range)
                || ngx_http_unique_random_batch_take(draw->range) == NGX_OK))
        {
            if (ngx_http_unique_random_zone_fetch(range)) {
                draw->fetch = range;

            } else {
                draw->fetch = pool->look;
                pool->look = NULL;
            }

            rc = NGX_OK;

        } else {
            ngx_http_unique_random_zone_weigh(pool);

            rc = pool->leased ? NGX_AGAIN : NGX_DECLINED;
        }

        ngx_shmtx_unlock(&pool->shpool->mutex);

    } while (rc == NGX_AGAIN);

    return rc;
}


/*
 * Chooses by weights that are a few draws old, without the mutex: the range to
 * draw from is put into "draw", the one that the choice fell on is returned.
 * NULL if the weights are too old, or nothing was leased when they were taken.
 */

static ngx_http_unique_random_range_t *
ngx_http_unique_random_zone_pick(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_draw_t *draw)
{
    ngx_http_unique_random_range_t  *range;

    if (pool->fresh == 0 || pool->leased == 0) {
        return NULL;
    }

    pool->fresh--;

    range = ngx_http_unique_random_zone_choose(pool, pool->weight, 0);

    draw->range = range->preferred
                  ? range
                  : ngx_http_unique_random_zone_choose(pool, pool->leased, 1);

    return range;
}


static void
ngx_http_unique_random_zone_weigh(ngx_http_unique_random_pool_t *pool)
{
    uint64_t                          left;
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t   *range, **ranges;

    ranges = pool->ranges.elts;

    pool->fresh = ngx_max(pool->ranges.nelts,
                          NGX_HTTP_UNIQUE_RANDOM_FRESH);
    pool->weight = 0;
    pool->leased = 0;
    pool->look = NULL;

    /* ranges do not overlap, so the sums are at most 2^63 */

    for (i = 0; i < pool->ranges.nelts; i++) {
        range = ranges[i];

        range->weight = 0;
        range->preferred = 0;

        if (pool->look == NULL && ngx_http_unique_random_zone_look(range)) {
            pool->look = range;
        }

        if (!ngx_http_unique_random_zone_issues(range)) {
            continue;
        }

        left = leases_left(&range->slot->leases)
               + ngx_http_unique_random_batch_left(range);

        range->weight = left;

        if (!range->shard->drain) {
            range->weight += range->slot->remaining;
        }

        pool->weight += range->weight;

        if (left) {
            range->preferred = 1;
            pool->leased += range->weight;
        }
    }
}


ngx_uint_t
ngx_http_unique_random_zone_ready(ngx_http_unique_random_pool_t *pool)
{
    ngx_shmtx_lock(&pool->shpool->mutex);

    ngx_http_unique_random_zone_weigh(pool);

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return pool->leased != 0;
}


/* one of all ranges, or of the preferred ones, whose weights sum up to total */

static ngx_http_unique_random_range_t *
ngx_http_unique_random_zone_choose(ngx_http_unique_random_pool_t *pool,
    uint64_t total, ngx_uint_t preferred)
{
    uint64_t                          pick;
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t  **ranges;

    ranges = pool->ranges.elts;
    pick = ngx_http_unique_random_below(ngx_http_unique_random_random(), total);

    for (i = 0; /* void */ ; i++) {

        if (preferred && !ranges[i]->preferred) {
            continue;
        }

        if (pick < ranges[i]->weight) {
            return ranges[i];
        }

        pick -= ranges[i]->weight;
    }
}


/* whether this worker becomes the one that fetches ahead for the range */

static ngx_uint_t
ngx_http_unique_random_zone_fetch(ngx_http_unique_random_range_t *range)
{
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    if (pool->lease.max == 0
        || slot->remaining == 0
        || !leases_low(&slot->leases, slot->granted)
        || slot->outcome != RESERVATION_GRANTED)
    {
        return 0;
    }

    return ngx_http_unique_random_zone_claim(range);
}


/* whether it is to look again at a range that was refused */

static ngx_uint_t
ngx_http_unique_random_zone_look(ngx_http_unique_random_range_t *range)
{
    ngx_http_unique_random_slot_t  *slot;

    slot = range->slot;

    if (slot->id != range->slot_id
        || slot->outcome == RESERVATION_GRANTED
        || slot->outcome == RESERVATION_EXHAUSTED)
    {
        return 0;
    }

    return ngx_http_unique_random_zone_claim(range);
}


static ngx_uint_t
ngx_http_unique_random_zone_claim(ngx_http_unique_random_range_t *range)
{
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    if ((slot->fetcher
         && !ngx_http_unique_random_past(slot->fetch_deadline))
        || range->shard->down
        || range->shard->drain
        || range->asked
        || ngx_exiting
        || ngx_http_unique_random_zone_due(range) != 0)
    {
        return 0;
    }

    slot->fetcher = ngx_pid;
    slot->fetch_deadline = ngx_current_msec + pool->connect_timeout
                           + pool->reserve_timeout;

    return 1;
}


ngx_uint_t
ngx_http_unique_random_zone_fetch_first(ngx_http_unique_random_range_t *range)
{
    ngx_uint_t                      fetch;
    ngx_http_unique_random_pool_t  *pool;

    pool = range->shard->pool;

    ngx_shmtx_lock(&pool->shpool->mutex);

    fetch = range->slot->id == range->slot_id
            && !range->slot->has_key
            && !ngx_http_unique_random_zone_in_flight(range->slot)
            && ngx_http_unique_random_zone_fetch(range);

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return fetch;
}


void
ngx_http_unique_random_zone_outlook(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_outlook_t *outlook)
{
    uint64_t                          total, preferred;
    ngx_msec_t                        due;
    ngx_uint_t                        i;
    ngx_http_unique_random_slot_t    *slot;
    ngx_http_unique_random_range_t   *range, **ranges;

    ngx_memzero(outlook, sizeof(ngx_http_unique_random_outlook_t));

    outlook->wait = NGX_TIMER_INFINITE;
    outlook->exhausted = 1;

    ranges = pool->ranges.elts;
    total = 0;
    preferred = 0;

    ngx_shmtx_lock(&pool->shpool->mutex);

    for (i = 0; i < pool->ranges.nelts; i++) {
        range = ranges[i];
        slot = range->slot;

        range->weight = 0;

        if (slot->id != range->slot_id) {
            outlook->exhausted = 0;
            continue;
        }

        range->preferred = (slot->outcome != RESERVATION_EXHAUSTED);

        if (range->preferred) {
            outlook->exhausted = 0;
        }

        if (ngx_http_unique_random_zone_in_flight(slot)) {
            outlook->in_flight = 1;
        }

        if (ngx_http_unique_random_zone_held(slot)) {
            outlook->held = 1;
        }

        if (range->shard->down
            || range->shard->drain
            || !ngx_queue_empty(&range->shard->asks))
        {
            continue;
        }

        due = ngx_http_unique_random_zone_due(range);

        if (due) {
            if (range->preferred) {
                outlook->wait = ngx_min(outlook->wait, due);
            }

            continue;
        }

        range->weight = ngx_max(slot->remaining, 1);
        total += range->weight;

        if (range->preferred) {
            preferred += range->weight;
        }
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);

    /* these weights are of another kind than those of draws */

    pool->fresh = 0;

    if (total) {
        outlook->range = preferred
                     ? ngx_http_unique_random_zone_choose(pool, preferred, 1)
                     : ngx_http_unique_random_zone_choose(pool, total, 0);
    }
}


/* in how many milliseconds the range may be asked */

static ngx_msec_t
ngx_http_unique_random_zone_due(ngx_http_unique_random_range_t *range)
{
    ngx_msec_t                        at, due;
    ngx_http_unique_random_slot_t    *slot;
    ngx_http_unique_random_shard_t   *shard;
    ngx_http_unique_random_health_t  *health;

    slot = range->slot;
    shard = range->shard;
    health = shard->health;

    due = 0;

    if (health->fails) {
        at = health->failed_at;
        at += (shard->max_fails == 0 || health->fails < shard->max_fails)
              ? NGX_HTTP_UNIQUE_RANDOM_RETRY : shard->fail_timeout;

        if (!ngx_http_unique_random_past(at)) {
            due = at - ngx_current_msec;
        }
    }

    if (slot->outcome != RESERVATION_GRANTED) {
        at = slot->answered_at;
        at += (slot->outcome == RESERVATION_EXHAUSTED)
              ? NGX_HTTP_UNIQUE_RANDOM_EXHAUSTED : shard->fail_timeout;

        if (!ngx_http_unique_random_past(at)) {
            due = ngx_max(due, at - ngx_current_msec);
        }
    }

    return due;
}
