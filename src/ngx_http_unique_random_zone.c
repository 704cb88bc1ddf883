
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What workers share of a pool.  Keeps these invariants: a draw is one step
 * under the mutex (I4), leases are in one zone and are never copied into
 * another (I5), a slot keeps its key (I6), and a reply that contradicts what
 * is remembered grants nothing (I8).
 *
 * Under the mutex there is arithmetic only.
 */


#include "ngx_http_unique_random_pool.h"
#include "ngx_http_unique_random_random.h"


/* a shard that failed, but not often enough to be given up for a while */
#define NGX_HTTP_UNIQUE_RANDOM_RETRY      250

/* how often a range that is used up is asked for more */
#define NGX_HTTP_UNIQUE_RANDOM_EXHAUSTED  1000


#define ngx_http_unique_random_past(time)                                     \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


static ngx_http_unique_random_range_t *ngx_http_unique_random_zone_choose(
    ngx_http_unique_random_pool_t *pool, uint64_t total, ngx_uint_t leased);
static ngx_uint_t ngx_http_unique_random_zone_fetch(
    ngx_http_unique_random_range_t *range);
static ngx_uint_t ngx_http_unique_random_zone_in_flight(
    ngx_http_unique_random_slot_t *slot);
static void ngx_http_unique_random_zone_landed(
    ngx_http_unique_random_range_t *range);
static ngx_msec_t ngx_http_unique_random_zone_due(
    ngx_http_unique_random_range_t *range);
static char *ngx_http_unique_random_zone_contradiction(
    ngx_http_unique_random_range_t *range, reservation_t *reply);
static void ngx_http_unique_random_zone_remember(
    ngx_http_unique_random_slot_t *slot, reservation_t *reply);


/*
 * The choice is among all ranges, by what they have left, so that they empty
 * evenly.  If it falls on one without a lease, it is time to fetch one, and the
 * number comes from another range.
 */

ngx_int_t
ngx_http_unique_random_zone_draw(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_draw_t *draw)
{
    uint64_t                          left, total, leased;
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t   *range, **ranges;

    ranges = pool->ranges.elts;
    total = 0;
    leased = 0;

    ngx_shmtx_lock(&pool->shpool->mutex);

    /* ranges do not overlap, so the sums are at most 2^63 */

    for (i = 0; i < pool->ranges.nelts; i++) {
        range = ranges[i];
        range->weight = 0;

        if (range->shard->down
            || range->slot->id != range->slot_id
            || range->slot->outcome == RESERVATION_FENCED)
        {
            continue;
        }

        left = leases_left(&range->slot->leases);

        range->leased = (left != 0);
        range->weight = left;

        if (!range->shard->drain) {
            range->weight += range->slot->remaining;
        }

        total += range->weight;

        if (left) {
            leased += range->weight;
        }
    }

    if (leased == 0) {
        ngx_shmtx_unlock(&pool->shpool->mutex);
        return NGX_DECLINED;
    }

    range = ngx_http_unique_random_zone_choose(pool, total, 0);

    draw->range = range->leased
                  ? range
                  : ngx_http_unique_random_zone_choose(pool, leased, 1);

    (void) leases_take(&draw->range->slot->leases, &draw->position);
    draw->range->slot->drawn++;

    draw->fetch = ngx_http_unique_random_zone_fetch(range) ? range : NULL;

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return NGX_OK;
}


static ngx_http_unique_random_range_t *
ngx_http_unique_random_zone_choose(ngx_http_unique_random_pool_t *pool,
    uint64_t total, ngx_uint_t leased)
{
    uint64_t                          pick;
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t  **ranges;

    ranges = pool->ranges.elts;
    pick = ngx_http_unique_random_below(ngx_http_unique_random_random(), total);

    for (i = 0; /* void */ ; i++) {

        if (leased && !ranges[i]->leased) {
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
        || (slot->fetcher
            && !ngx_http_unique_random_past(slot->fetch_deadline))
        || range->shard->drain
        || range->asked
        || ngx_exiting
        || slot->outcome != RESERVATION_GRANTED
        || ngx_http_unique_random_zone_due(range) != 0)
    {
        return 0;
    }

    slot->fetcher = ngx_pid;
    slot->fetch_deadline = ngx_current_msec + pool->connect_timeout
                           + pool->reserve_timeout;

    return 1;
}


void
ngx_http_unique_random_zone_outlook(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_outlook_t *outlook)
{
    uint64_t                          weight, total[2], pick;
    ngx_msec_t                        due;
    ngx_uint_t                        i, spent;
    ngx_http_unique_random_slot_t    *slot;
    ngx_http_unique_random_range_t   *range, *chosen[2], **ranges;

    ngx_memzero(outlook, sizeof(ngx_http_unique_random_outlook_t));

    outlook->wait = NGX_TIMER_INFINITE;
    outlook->exhausted = 1;

    ranges = pool->ranges.elts;

    ngx_memzero(total, sizeof(total));
    ngx_memzero(chosen, sizeof(chosen));

    ngx_shmtx_lock(&pool->shpool->mutex);

    for (i = 0; i < pool->ranges.nelts; i++) {
        range = ranges[i];
        slot = range->slot;

        if (slot->id != range->slot_id) {
            outlook->exhausted = 0;
            continue;
        }

        spent = (slot->outcome == RESERVATION_EXHAUSTED);

        if (!spent) {
            outlook->exhausted = 0;
        }

        if (ngx_http_unique_random_zone_in_flight(slot)) {
            outlook->in_flight = 1;
        }

        if (range->shard->down
            || range->shard->drain
            || !ngx_queue_empty(&range->shard->asks))
        {
            continue;
        }

        due = ngx_http_unique_random_zone_due(range);

        if (due) {
            if (!spent) {
                outlook->wait = ngx_min(outlook->wait, due);
            }

            continue;
        }

        /* one of those that are due, by what they have left to reserve */

        weight = slot->known ? ngx_max(slot->remaining, 1)
                             : range->last - range->first + 1;
        total[spent] += weight;

        pick = ngx_http_unique_random_below(ngx_http_unique_random_random(),
                                            total[spent]);
        if (pick < weight) {
            chosen[spent] = range;
        }
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);

    outlook->range = chosen[0] ? chosen[0] : chosen[1];
}


void
ngx_http_unique_random_zone_begin(ngx_http_unique_random_range_t *range)
{
    ngx_msec_t                      deadline;
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    deadline = ngx_current_msec + pool->reserve_timeout
               + pool->connect_timeout * range->shard->peers.nelts;

    ngx_shmtx_lock(&pool->shpool->mutex);

    if (!ngx_http_unique_random_zone_in_flight(slot)) {
        slot->flight_deadline = deadline;
    }

    slot->in_flight++;

    if ((ngx_msec_int_t) (deadline - slot->flight_deadline) > 0) {
        slot->flight_deadline = deadline;
    }

    range->flight = slot->flight;

    ngx_shmtx_unlock(&pool->shpool->mutex);
}


void
ngx_http_unique_random_zone_ask(ngx_http_unique_random_range_t *range,
    ngx_uint_t waiting, reservation_ask_t *ask)
{
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    ask->pool = (char *) pool->name.data;
    ask->holder = pool->sh->holder;
    ask->first = range->first;
    ask->last = range->last;
    ask->want = ngx_max(waiting, 1);

    /* the row's lock is given up well before we give up the connection */
    ask->lock_wait = pool->reserve_timeout * 3 / 4;

    ngx_shmtx_lock(&pool->shpool->mutex);

    if (slot->id != range->slot_id) {

        /* the slot is another range's now: a look, whose reply is dropped */

        ngx_memzero(&ask->memory, sizeof(reservation_memory_t));
        ask->want = 0;

        ngx_shmtx_unlock(&pool->shpool->mutex);
        return;
    }

    ask->memory = slot->memory;

    if (pool->lease.max) {
        ask->want = ngx_max(ask->want,
                            lease_size(&pool->lease, slot->drawn,
                                       ngx_current_msec - slot->granted_at,
                                       slot->remaining));
        ask->want = ngx_min(ask->want, pool->lease.max);
    }

    if (slot->cautious) {
        ask->want = ngx_min(ask->want, ngx_max(pool->lease.min, 1));
    }

    if (slot->outcome == RESERVATION_FENCED) {
        ask->want = 0;
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);
}


ngx_int_t
ngx_http_unique_random_zone_reply(ngx_http_unique_random_range_t *range,
    reservation_t *reply)
{
    char                           *reason;
    ngx_int_t                       rc;
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    ngx_shmtx_lock(&pool->shpool->mutex);

    if (slot->id != range->slot_id) {
        ngx_shmtx_unlock(&pool->shpool->mutex);
        return NGX_DECLINED;
    }

    ngx_http_unique_random_zone_landed(range);

    slot->answered_at = ngx_current_msec;

    reason = ngx_http_unique_random_zone_contradiction(range, reply);

    if (reason) {
        slot->burned += reply->count;

        if (reply->outcome != RESERVATION_STALE) {
            reply->outcome = RESERVATION_FENCED;
        }

        reply->detail = reason;
        reply->count = 0;
    }

    if (reply->outcome == RESERVATION_GRANTED
        || reply->outcome == RESERVATION_EXHAUSTED)
    {
        ngx_http_unique_random_zone_remember(slot, reply);
    }

    if (reply->count) {
        if (leases_put(&slot->leases, reply->start,
                       reply->start + reply->count)
            != 0)
        {
            slot->burned += reply->count;
        }

        slot->granted = reply->count;
        slot->granted_at = ngx_current_msec;
        slot->drawn = 0;
        slot->cautious = 0;

        if (reply->remaining == 0) {
            reply->outcome = RESERVATION_EXHAUSTED;
        }
    }

    rc = (slot->outcome == reply->outcome) ? NGX_DECLINED : NGX_OK;

    slot->outcome = reply->outcome;

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return rc;
}


void
ngx_http_unique_random_zone_failed(ngx_http_unique_random_range_t *range,
    ngx_uint_t lost)
{
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    ngx_shmtx_lock(&pool->shpool->mutex);

    ngx_http_unique_random_zone_landed(range);

    if (lost) {
        slot->burned += range->params.ask.want;
        slot->cautious = 1;
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);
}


ngx_int_t
ngx_http_unique_random_zone_health(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t result)
{
    ngx_int_t                         rc;
    ngx_uint_t                        available;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    ngx_shmtx_lock(&shard->pool->shpool->mutex);

    available = (shard->max_fails == 0 || health->fails < shard->max_fails);

    if (result == NGX_HTTP_UNIQUE_RANDOM_HEALTHY) {
        rc = available ? NGX_DECLINED : NGX_OK;
        health->fails = 0;

    } else {
        if (available && ngx_http_unique_random_past(health->failed_at
                                                     + shard->fail_timeout))
        {
            health->fails = 0;
        }

        health->fails++;

        if (result == NGX_HTTP_UNIQUE_RANDOM_BROKEN) {
            health->fails = ngx_max(health->fails, shard->max_fails);
        }

        health->failed_at = ngx_current_msec;

        if (!available) {
            rc = NGX_DECLINED;

        } else if (shard->max_fails && health->fails >= shard->max_fails) {
            rc = NGX_OK;

        } else {
            rc = NGX_AGAIN;
        }
    }

    ngx_shmtx_unlock(&shard->pool->shpool->mutex);

    return rc;
}


void
ngx_http_unique_random_zone_key(ngx_http_unique_random_range_t *range,
    u_char *key)
{
    ngx_shmtx_lock(&range->shard->pool->shpool->mutex);

    ngx_memcpy(key, range->slot->key, RESERVATION_KEY_LEN);

    ngx_shmtx_unlock(&range->shard->pool->shpool->mutex);
}


static ngx_uint_t
ngx_http_unique_random_zone_in_flight(ngx_http_unique_random_slot_t *slot)
{
    if (slot->in_flight
        && ngx_http_unique_random_past(slot->flight_deadline))
    {
        slot->in_flight = 0;
        slot->flight++;
    }

    return slot->in_flight != 0;
}


static void
ngx_http_unique_random_zone_landed(ngx_http_unique_random_range_t *range)
{
    ngx_http_unique_random_slot_t  *slot;

    slot = range->slot;

    if (range->flight == slot->flight && slot->in_flight) {
        slot->in_flight--;
    }

    if (slot->fetcher == ngx_pid) {
        slot->fetcher = 0;
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


/*
 * A reply is held against what was remembered when it was asked for, since
 * replies to several workers may be taken in out of order; and its epoch
 * against what is remembered now.
 */

static char *
ngx_http_unique_random_zone_contradiction(
    ngx_http_unique_random_range_t *range, reservation_t *reply)
{
    reservation_memory_t           *now, *then, *row;
    ngx_http_unique_random_slot_t  *slot;

    slot = range->slot;
    now = &slot->memory;
    then = &range->params.ask.memory;
    row = &reply->memory;

    if (slot->known
        && (reply->outcome == RESERVATION_MISSING
            || reply->outcome == RESERVATION_MISMATCH))
    {
        return "the range is not what it was";
    }

    if (!slot->known
        || (reply->outcome != RESERVATION_GRANTED
            && reply->outcome != RESERVATION_EXHAUSTED))
    {
        return NULL;
    }

    if (ngx_strcmp(row->digest, now->digest) != 0) {
        return "the key has changed";
    }

    if (row->epoch < now->epoch
        || (row->epoch == now->epoch
            && ngx_strcmp(row->incarnation, now->incarnation) != 0))
    {
        reply->outcome = RESERVATION_STALE;
        return "a later life of the range has been seen";
    }

    if (row->reserved < then->reserved) {
        return "fewer positions are reserved than were seen to be";
    }

    if (row->epoch == then->epoch
        && (row->serial < then->serial + (reply->count ? 1 : 0)
            || row->timeline < then->timeline))
    {
        return "its time has gone back";
    }

    return NULL;
}


static void
ngx_http_unique_random_zone_remember(ngx_http_unique_random_slot_t *slot,
    reservation_t *reply)
{
    reservation_memory_t  *now, *row;

    now = &slot->memory;
    row = &reply->memory;

    slot->remaining = reply->remaining;

    if (!slot->known) {
        ngx_memcpy(slot->key, reply->key, RESERVATION_KEY_LEN);
        *now = *row;
        slot->known = 1;
        return;
    }

    if (row->epoch > now->epoch) {

        /*
         * accept() skipped to what was reserved before this grant.  A lease
         * that reaches beyond is not ours in the new life of the range.
         */

        slot->burned += leases_burn(&slot->leases,
                                    row->reserved - reply->count);

        row->reserved = ngx_max(row->reserved, now->reserved);
        *now = *row;
        return;
    }

    now->serial = ngx_max(now->serial, row->serial);
    now->reserved = ngx_max(now->reserved, row->reserved);
    now->timeline = ngx_max(now->timeline, row->timeline);
    now->holder_serial = ngx_max(now->holder_serial, row->holder_serial);
}
