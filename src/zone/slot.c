
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Who draws from a range, and what it is asked for.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/domain.h"
#include "zone/slot.h"
#include "zone/zone.h"


static uint64_t ngx_ur_slot_want(ngx_ur_slot_t *slot, lease_policy_t *policy,
    uint64_t waiting);
static ngx_uint_t ngx_ur_slot_look(ngx_ur_slot_t *slot,
    statement_ask_t *ask);


ngx_ur_slot_t *
ngx_ur_slot(ngx_ur_range_t *range)
{
    return (range->slot->id == range->slot_id) ? range->slot : NULL;
}


ngx_ur_slot_t *
ngx_ur_slot_find(ngx_ur_shctx_t *sh, uint64_t first, uint64_t last)
{
    ngx_uint_t      i;
    ngx_ur_slot_t  *slot;

    for (i = 0; i < sh->places; i++) {
        slot = &sh->slots[i];

        if (slot->id && slot->first == first && slot->last == last) {
            return slot;
        }
    }

    return NULL;
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

    return ngx_ur_slot_fits(range);
}


ngx_uint_t
ngx_ur_slot_used_up(ngx_ur_range_t *range)
{
    return range->slot->outcome == RESERVATION_EXHAUSTED
           && !(range->shard->down && leases_left(&range->slot->leases));
}


ngx_uint_t
ngx_ur_slot_fits(ngx_ur_range_t *range)
{
    ngx_ur_slot_t  *slot;

    slot = range->slot;

    if (slot->adopted != range->adopted) {
        return 0;
    }

    ngx_memory_barrier();

    if (range->adopted && !ngx_ur_domain_is(range, slot->domain)) {
        return 0;
    }

    return slot->id == range->slot_id;
}


ngx_int_t
ngx_ur_slot_key(ngx_ur_range_t *range, u_char *key)
{
    ngx_int_t       rc;
    ngx_ur_slot_t  *slot;

    rc = NGX_DECLINED;

    ngx_ur_zone_lock(range->shard->pool);

    slot = ngx_ur_slot(range);

    if (slot
        && slot->has_key
        && slot->adopted == range->adopted
        && (!range->adopted || ngx_ur_domain_is(range, slot->domain)))
    {
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
ngx_ur_slot_ask(ngx_ur_range_t *range, ngx_uint_t look, uint64_t waiting,
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
        ask->size = ngx_ur_domain_size(range);
        ask->adopted = range->adopted;

        if (ask->adopted) {
            ngx_memcpy(ask->domain, ngx_ur_domain_sha256(range),
                       STATEMENT_SHA256_LEN);
        }

        ask->memory = *memory_now(&slot->memory);
        ask->with_key = !slot->has_key;

        look |= ngx_ur_slot_look(slot, ask);

        ask->want = look ? 0 : ngx_ur_slot_want(slot, &pool->lease, waiting);

        /* others may be asking, too */

        places = leases_places(&slot->leases) / 2;
        places = ngx_min(places, RESERVATION_PLACES);

        ask->places = ngx_max(places, 1);
    }

    ngx_ur_zone_unlock(pool);

    return slot ? NGX_OK : NGX_DECLINED;
}


/* whether nothing may be reserved yet */

static ngx_uint_t
ngx_ur_slot_look(ngx_ur_slot_t *slot, statement_ask_t *ask)
{
    /* a real reservation could lift a fence by itself */

    if (slot->outcome == RESERVATION_FENCED) {
        return 1;
    }

    /* nor be issued, where the range was adopted and is not so configured */

    return slot->has_key ? (slot->adopted != ask->adopted) : ask->adopted;
}


static uint64_t
ngx_ur_slot_want(ngx_ur_slot_t *slot, lease_policy_t *policy,
    uint64_t waiting)
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
        slot->account->granted += want;
        slot->account->burned[NGX_UR_BURNED_LOST] += want;
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

        slot->account->burned[NGX_UR_BURNED_LIFE] += leases_drop(&slot->leases);
    }

    memory_publish(&slot->memory, &memory);

    return rc;
}
