
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The slot of a range: what is asked for in a reservation, what a reply
 * changes, and its key.  Keeps I5: leases come from replies alone; I6: a slot
 * keeps its key; and I8: a reply that contradicts what is remembered grants
 * nothing.
 */


#include "barrier.h"
#include "ngx_http_unique_random_pool.h"


static ngx_int_t ngx_http_unique_random_zone_take_in(
    ngx_http_unique_random_range_t *range, reservation_t *reply);
static void ngx_http_unique_random_zone_grant(
    ngx_http_unique_random_slot_t *slot, reservation_t *reply);
static void ngx_http_unique_random_zone_introduce(
    ngx_http_unique_random_range_t *range, reservation_ask_t *ask);
static void ngx_http_unique_random_zone_landed(
    ngx_http_unique_random_range_t *range);
static char *ngx_http_unique_random_zone_contradiction(
    ngx_http_unique_random_range_t *range, reservation_t *reply);
static void ngx_http_unique_random_zone_remember(
    ngx_http_unique_random_slot_t *slot, reservation_t *reply);


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

    ngx_http_unique_random_zone_introduce(range, ask);

    ask->want = ngx_max(waiting, 1);

    /* the row's lock is given up well before we give up the connection */
    ask->lock_wait = pool->reserve_timeout * 3 / 4;

    ngx_shmtx_lock(&pool->shpool->mutex);

    if (slot->id != range->slot_id) {

        /* the slot is another range's now: a look, whose reply is dropped */

        ngx_memzero(&ask->memory, sizeof(reservation_memory_t));
        ask->with_key = 0;
        ask->want = 0;

        ngx_shmtx_unlock(&pool->shpool->mutex);
        return;
    }

    if (slot->known) {
        ask->memory = slot->memory;
    }

    ask->with_key = !slot->has_key;

    if (pool->lease.max) {
        ask->want = ngx_max(ask->want,
                            lease_size(&pool->lease, &slot->rate,
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
    ngx_int_t                       rc;
    ngx_http_unique_random_pool_t  *pool;

    pool = range->shard->pool;

    ngx_shmtx_lock(&pool->shpool->mutex);

    rc = (range->slot->id == range->slot_id)
         ? ngx_http_unique_random_zone_take_in(range, reply) : NGX_DECLINED;

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return rc;
}


static ngx_int_t
ngx_http_unique_random_zone_take_in(ngx_http_unique_random_range_t *range,
    reservation_t *reply)
{
    char                           *reason;
    uint32_t                        detail;
    ngx_int_t                       rc;
    ngx_http_unique_random_slot_t  *slot;

    slot = range->slot;

    ngx_http_unique_random_zone_landed(range);

    slot->answered_at = ngx_current_msec;

    if (slot->outcome == RESERVATION_FENCED && range->params.ask.want) {

        /* asked for before the fence: only a look can lift it */

        slot->burned += reply->count;
        return NGX_DECLINED;
    }

    reason = ngx_http_unique_random_zone_contradiction(range, reply);

    if (reason) {
        slot->burned += reply->count;

        if (reply->outcome != RESERVATION_STALE) {
            reply->outcome = RESERVATION_FENCED;
        }

        reply->detail = reason;
        reply->count = 0;
    }

    if (reply->outcome == RESERVATION_STALE
        && slot->outcome == RESERVATION_FENCED)
    {
        /* another life than the one that was fenced lifts no fence */

        return NGX_DECLINED;
    }

    if (reply->outcome == RESERVATION_GRANTED
        || reply->outcome == RESERVATION_EXHAUSTED)
    {
        ngx_http_unique_random_zone_remember(slot, reply);
    }

    if (reply->count) {
        ngx_http_unique_random_zone_grant(slot, reply);
    }

    detail = ngx_crc32_short((u_char *) reply->detail,
                             ngx_strlen(reply->detail));

    rc = (slot->outcome == reply->outcome && slot->detail == detail)
         ? NGX_DECLINED : NGX_OK;

    /* whoever sees that a fence is lifted sees the new life, too */

    ngx_memory_barrier();

    slot->outcome = reply->outcome;
    slot->detail = detail;

    reply->seen = ngx_max(slot->memory.reserved, reply->memory.reserved);

    return rc;
}


static void
ngx_http_unique_random_zone_grant(ngx_http_unique_random_slot_t *slot,
    reservation_t *reply)
{
    if (leases_put(&slot->leases, reply->start, reply->start + reply->count)
        != 0)
    {
        slot->burned += reply->count;
    }

    slot->granted = reply->count;
    slot->cautious = 0;

    lease_rate_start(&slot->rate);

    if (reply->remaining == 0) {
        reply->outcome = RESERVATION_EXHAUSTED;
    }
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
ngx_http_unique_random_zone_leave(ngx_http_unique_random_range_t *range,
    leases_t *leases, uint64_t *left, reservation_ask_t *ask)
{
    ngx_int_t                       rc;
    ngx_http_unique_random_pool_t  *pool;
    ngx_http_unique_random_slot_t  *slot;

    pool = range->shard->pool;
    slot = range->slot;

    ngx_http_unique_random_zone_introduce(range, ask);

    *left = 0;
    rc = NGX_DECLINED;

    ngx_shmtx_lock(&pool->shpool->mutex);

    if (slot->id == range->slot_id) {
        *left = leases_left(&slot->leases);

        leases_move(leases, &slot->leases);

        ask->memory = slot->memory;

        if (*left
            && !range->shard->down
            && slot->outcome != RESERVATION_FENCED)
        {
            rc = NGX_OK;
        }
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return rc;
}


/*
 * Without the mutex, things are read in the order in which they would have to
 * change together: a fence is lifted after a new life has begun, and a slot
 * is cleared after it has lost its id.
 */

ngx_uint_t
ngx_http_unique_random_zone_issues(ngx_http_unique_random_range_t *range)
{
    if (range->shard->down || range->slot->outcome == RESERVATION_FENCED) {
        return 0;
    }

    ngx_memory_barrier();

    return range->slot->id == range->slot_id;
}


ngx_int_t
ngx_http_unique_random_zone_key(ngx_http_unique_random_range_t *range,
    u_char *key)
{
    ngx_int_t  rc;

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&range->shard->pool->shpool->mutex);

    if (range->slot->id == range->slot_id) {
        ngx_memcpy(key, range->slot->key, RESERVATION_KEY_LEN);
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&range->shard->pool->shpool->mutex);

    return rc;
}


/* the part of an ask that never changes */

static void
ngx_http_unique_random_zone_introduce(ngx_http_unique_random_range_t *range,
    reservation_ask_t *ask)
{
    ngx_http_unique_random_pool_t  *pool;

    pool = range->shard->pool;

    ngx_memzero(ask, sizeof(reservation_ask_t));

    ask->pool = (char *) pool->name.data;
    ask->holder = pool->sh->holder;
    ask->first = range->first;
    ask->last = range->last;
}


ngx_uint_t
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


void
ngx_http_unique_random_zone_hold(ngx_http_unique_random_slot_t *slot,
    ngx_msec_t time)
{
    ngx_msec_t  until;

    until = ngx_current_msec + time;

    if (!slot->held || (ngx_msec_int_t) (until - slot->held_until) > 0) {
        slot->held_until = until;
    }

    slot->held = 1;
}


ngx_uint_t
ngx_http_unique_random_zone_held(ngx_http_unique_random_slot_t *slot)
{
    if (slot->held && ngx_http_unique_random_past(slot->held_until)) {
        slot->held = 0;
    }

    return slot->held;
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
        return RESERVATION_GONE;
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
        return RESERVATION_LATER_LIFE;
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

    if (reply->has_key) {
        ngx_memcpy(slot->key, reply->key, RESERVATION_KEY_LEN);
        barrier_stores();
        slot->has_key = 1;
    }

    if (!slot->known) {
        *now = *row;
        barrier_stores();
        slot->known = 1;
        return;
    }

    if (row->epoch > now->epoch) {

        /*
         * accept() need not have known of our leases, and how far it skipped
         * cannot be seen any more: others have been granted since.
         */

        slot->burned += leases_drop(&slot->leases);

        *now = *row;
        return;
    }

    now->serial = ngx_max(now->serial, row->serial);
    now->reserved = ngx_max(now->reserved, row->reserved);
    now->timeline = ngx_max(now->timeline, row->timeline);
    now->holder_serial = ngx_max(now->holder_serial, row->holder_serial);
}
