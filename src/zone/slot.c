
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Keeps I5: leases come from replies alone; I6: a slot keeps its key; and I8:
 * a reply that contradicts what is remembered grants nothing.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/barrier.h"
#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "zone/slot.h"
#include "zone/zone.h"


/*
 * Whether the database has nothing against the range.  One that is deferred is
 * judged as one that grants, for it lifts a fence and its leases go on.
 */
#define ngx_ur_slot_in_order(reply)                                           \
    ((reply)->outcome == RESERVATION_GRANTED                                  \
     || (reply)->outcome == RESERVATION_EXHAUSTED                             \
     || (reply)->outcome == RESERVATION_DEFERRED)


static uint64_t ngx_ur_slot_want(ngx_ur_slot_t *slot, lease_policy_t *policy,
    ngx_uint_t waiting);
static ngx_int_t ngx_ur_slot_take_in(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply);
static ngx_uint_t ngx_ur_slot_overtaken(ngx_ur_slot_t *slot,
    statement_ask_t *ask, reservation_t *reply);
static ngx_int_t ngx_ur_slot_conclude(ngx_ur_slot_t *slot,
    reservation_t *reply);
static void ngx_ur_slot_grant(ngx_ur_slot_t *slot, reservation_t *reply);
static char *ngx_ur_slot_contradiction(ngx_ur_slot_t *slot, memory_t *then,
    reservation_t *reply);
static void ngx_ur_slot_remember(ngx_ur_slot_t *slot, reservation_t *reply);


ngx_ur_slot_t *
ngx_ur_slot(ngx_ur_range_t *range)
{
    return (range->slot->id == range->slot_id) ? range->slot : NULL;
}


/*
 * Without the mutex, things are read in the order in which they would have to
 * change together: a fence is lifted after a new life has begun, and a slot
 * is cleared after it has lost its id.
 */

ngx_uint_t
ngx_ur_slot_issues(ngx_ur_range_t *range)
{
    if (range->shard->down || range->slot->outcome == RESERVATION_FENCED) {
        return 0;
    }

    ngx_memory_barrier();

    return range->slot->id == range->slot_id;
}


ngx_int_t
ngx_ur_slot_key(ngx_ur_range_t *range, u_char *key)
{
    ngx_int_t       rc;
    ngx_ur_slot_t  *slot;

    rc = NGX_DECLINED;

    ngx_ur_zone_lock(range->shard->pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        ngx_memcpy(key, slot->key, RESERVATION_KEY_LEN);
        rc = NGX_OK;
    }

    ngx_ur_zone_unlock(range->shard->pool);

    return rc;
}


ngx_uint_t
ngx_ur_slot_known(ngx_ur_range_t *range)
{
    ngx_uint_t      known;
    ngx_ur_slot_t  *slot;

    ngx_ur_zone_lock(range->shard->pool);

    slot = ngx_ur_slot(range);

    known = (slot == NULL || slot->memory.version != 0);

    ngx_ur_zone_unlock(range->shard->pool);

    return known;
}


ngx_int_t
ngx_ur_slot_ask(ngx_ur_range_t *range, ngx_uint_t look, ngx_uint_t waiting,
    statement_ask_t *ask)
{
    uint64_t        places;
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        ask->first = range->first;
        ask->last = range->last;
        ask->memory = *memory_now(&slot->memory);
        ask->with_key = !slot->has_key;

        /* a real reservation could lift a fence by itself */

        look |= (slot->outcome == RESERVATION_FENCED);

        ask->want = look ? 0 : ngx_ur_slot_want(slot, &pool->lease, waiting);

        /* others may be asking, too */

        places = leases_places(&slot->leases) / 2;
        places = ngx_min(places, RESERVATION_PLACES);

        ask->places = ngx_max(places, 1);
    }

    ngx_ur_zone_unlock(pool);

    return slot ? NGX_OK : NGX_DECLINED;
}


static uint64_t
ngx_ur_slot_want(ngx_ur_slot_t *slot, lease_policy_t *policy,
    ngx_uint_t waiting)
{
    uint64_t  want;

    want = ngx_max(waiting, 1);

    if (policy->max) {
        want = ngx_max(want, lease_size(policy, &slot->rate, slot->remaining));
        want = ngx_min(want, policy->max);
    }

    if (slot->cautious) {
        want = ngx_min(want, ngx_max(policy->min, 1));
    }

    return want;
}


ngx_int_t
ngx_ur_slot_reply(ngx_ur_range_t *range, statement_ask_t *ask,
    reservation_t *reply, uint64_t *known)
{
    ngx_int_t       rc;
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;
    rc = NGX_DECLINED;
    *known = reply->memory.reserved;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        rc = ngx_ur_slot_take_in(slot, ask, reply);

        *known = ngx_max(*known, memory_now(&slot->memory)->reserved);
    }

    ngx_ur_zone_unlock(pool);

    return rc;
}


static ngx_int_t
ngx_ur_slot_take_in(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply)
{
    char  *reason;

    if (ngx_ur_slot_overtaken(slot, ask, reply)) {
        slot->burned += reply->count;
        return NGX_DECLINED;
    }

    slot->answered_at = ngx_current_msec;

    if (slot->outcome == RESERVATION_FENCED && ask->want) {

        /* asked for before the fence: only a look can lift it */

        slot->burned += reply->count;
        return NGX_DECLINED;
    }

    reason = ngx_ur_slot_contradiction(slot, &ask->memory, reply);

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

    if (ngx_ur_slot_in_order(reply)) {
        ngx_ur_slot_remember(slot, reply);
    }

    if (reply->count) {
        ngx_ur_slot_grant(slot, reply);
    }

    if (reply->outcome == RESERVATION_GRANTED && reply->remaining == 0) {
        reply->outcome = RESERVATION_EXHAUSTED;
    }

    return ngx_ur_slot_conclude(slot, reply);
}


/* whether it was asked for before a life that others have seen meanwhile */

static ngx_uint_t
ngx_ur_slot_overtaken(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply)
{
    uint64_t  epoch;

    epoch = memory_epoch(&slot->memory);

    return reply->memory.epoch
           && reply->memory.epoch < epoch
           && ask->memory.epoch < epoch;
}


/* NGX_OK if it is another outcome than before, or another reason */

static ngx_int_t
ngx_ur_slot_conclude(ngx_ur_slot_t *slot, reservation_t *reply)
{
    uint32_t   detail;
    ngx_int_t  rc;

    detail = ngx_crc32_short((u_char *) reply->detail,
                             ngx_strlen(reply->detail));

    rc = (slot->outcome == reply->outcome && slot->detail == detail)
         ? NGX_DECLINED : NGX_OK;

    /* whoever sees that a fence is lifted sees the new life, too */

    ngx_memory_barrier();

    slot->outcome = reply->outcome;
    slot->detail = detail;

    return rc;
}


static void
ngx_ur_slot_grant(ngx_ur_slot_t *slot, reservation_t *reply)
{
    size_t                   i;
    reservation_interval_t  *interval;

    for (i = 0; i < reply->nintervals; i++) {
        interval = &reply->intervals[i];

        if (leases_put(&slot->leases, interval->start, interval->end) != 0) {
            slot->burned += interval->end - interval->start;
        }
    }

    slot->granted = reply->count;
    slot->cautious = 0;

    lease_rate_start(&slot->rate);
}


void
ngx_ur_slot_lost(ngx_ur_range_t *range, uint64_t want)
{
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    if (want == 0) {
        return;
    }

    pool = range->shard->pool;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        slot->burned += want;
        slot->cautious = 1;
    }

    ngx_ur_zone_unlock(pool);
}


ngx_int_t
ngx_ur_slot_leave(ngx_ur_range_t *range, statement_ask_t *ask,
    leases_t *leases, uint64_t *left)
{
    ngx_int_t       rc;
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;

    *left = 0;
    rc = NGX_DECLINED;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        *left = leases_left(&slot->leases);

        leases_move(leases, &slot->leases);

        ask->first = range->first;
        ask->last = range->last;
        ask->memory = *memory_now(&slot->memory);

        if (*left
            && !range->shard->down
            && slot->outcome != RESERVATION_FENCED)
        {
            rc = NGX_OK;
        }
    }

    ngx_ur_zone_unlock(pool);

    return rc;
}


/*
 * A reply is held against what was remembered when it was asked for, since
 * replies to several workers may be taken in out of order; and its epoch
 * against what is remembered now.
 */

static char *
ngx_ur_slot_contradiction(ngx_ur_slot_t *slot, memory_t *then,
    reservation_t *reply)
{
    memory_t  *now, *row;

    now = memory_now(&slot->memory);
    row = &reply->memory;

    if (now->epoch == 0) {
        return NULL;
    }

    if (reply->outcome == RESERVATION_MISSING
        || reply->outcome == RESERVATION_MISMATCH)
    {
        return RESERVATION_GONE;
    }

    if (!ngx_ur_slot_in_order(reply)) {
        return NULL;
    }

    if (ngx_strcmp(row->digest, now->digest) != 0) {
        return RESERVATION_KEY;
    }

    if (row->epoch < now->epoch
        || (row->epoch == now->epoch
            && ngx_strcmp(row->incarnation, now->incarnation) != 0))
    {
        reply->outcome = RESERVATION_STALE;
        return RESERVATION_LATER_LIFE;
    }

    if (row->reserved < then->reserved) {
        return "fewer positions are reserved than were known to be";
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
ngx_ur_slot_remember(ngx_ur_slot_t *slot, reservation_t *reply)
{
    slot->remaining = reply->remaining;

    if (reply->has_key) {
        ngx_memcpy(slot->key, reply->key, RESERVATION_KEY_LEN);
        barrier_stores();
        slot->has_key = 1;
    }

    (void) ngx_ur_slot_learn(slot, &reply->memory);
}


memory_merge_e
ngx_ur_slot_learn(ngx_ur_slot_t *slot, const memory_t *other)
{
    memory_t        memory;
    memory_merge_e  rc;

    memory = *memory_now(&slot->memory);

    rc = memory_merge(&memory, other);

    if (rc != MEMORY_CHANGED) {
        return rc;
    }

    if (memory.epoch != memory_epoch(&slot->memory)) {

        /*
         * accept() need not have known of our leases, and how far it skipped
         * cannot be seen any more: others have been granted since.
         */

        slot->burned += leases_drop(&slot->leases);
    }

    memory_publish(&slot->memory, &memory);

    return rc;
}
