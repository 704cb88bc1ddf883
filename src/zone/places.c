
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * On a reload workers are drawing from the zone, one of them may be killed
 * with the mutex, and the new configuration may still be rejected.  So the
 * master takes no lock, and gives away only places that nobody uses: neither
 * the running configuration, nor any worker of an older one that still lives;
 * and only those whose memory is on disk, or that have none (I8).
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/health.h"
#include "zone/memory.h"
#include "zone/places.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"

#include <ngx_md5.h>


/* which places the new configuration has */

typedef struct {
    ngx_ur_pool_t   *pool;
    ngx_ur_shctx_t  *sh;
    ngx_log_t       *log;
    u_char          *slots;
    u_char          *shards;
} ngx_ur_plan_t;


static void ngx_ur_places_keep(ngx_ur_generations_t *had_by,
    uint32_t generation);
static ngx_int_t ngx_ur_places_ranges(ngx_ur_plan_t *plan);
static ngx_int_t ngx_ur_places_shards(ngx_ur_plan_t *plan);
static ngx_int_t ngx_ur_places_remembered(ngx_ur_plan_t *plan);
static ngx_ur_slot_t *ngx_ur_places_find(ngx_ur_plan_t *plan, uint64_t first,
    uint64_t last);
static ngx_ur_slot_t *ngx_ur_places_add(ngx_ur_plan_t *plan, uint64_t first,
    uint64_t last);
static ngx_ur_slot_t *ngx_ur_places_free(ngx_ur_plan_t *plan);
static ngx_uint_t ngx_ur_places_saved(ngx_ur_plan_t *plan,
    ngx_ur_slot_t *slot);
static ngx_ur_health_t *ngx_ur_places_find_shard(ngx_ur_plan_t *plan,
    ngx_str_t *name);
static ngx_ur_health_t *ngx_ur_places_add_shard(ngx_ur_plan_t *plan,
    ngx_str_t *name);
static void ngx_ur_places_shard_id(ngx_str_t *name, u_char *id);


ngx_int_t
ngx_ur_places_plan(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t      rc;
    ngx_ur_plan_t  plan;

    plan.pool = pool;
    plan.sh = pool->zone->sh;
    plan.log = log;

    plan.slots = ngx_calloc(2 * plan.sh->places + 1, log);
    if (plan.slots == NULL) {
        return NGX_ERROR;
    }

    plan.shards = plan.slots + plan.sh->places;

    rc = ngx_ur_places_ranges(&plan);

    if (rc == NGX_OK) {
        rc = ngx_ur_places_shards(&plan);
    }

    if (rc == NGX_OK) {
        rc = ngx_ur_places_remembered(&plan);
    }

    ngx_free(plan.slots);

    return rc;
}


void
ngx_ur_places_accept(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    ranges = pool->ranges.elts;
    shards = pool->shards.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ngx_ur_places_keep(&ranges[i]->slot->had_by, pool->zone->generation);
    }

    for (i = 0; i < pool->shards.nelts; i++) {
        ngx_ur_places_keep(&shards[i]->health->had_by, pool->zone->generation);
    }

    pool->zone->sh->generation = pool->zone->generation;
}


static void
ngx_ur_places_keep(ngx_ur_generations_t *had_by, uint32_t generation)
{
    if (had_by->last == 0) {
        had_by->first = generation;
    }

    had_by->last = generation;
}


/* those that are there come first, so that none of them is given away */

static ngx_int_t
ngx_ur_places_ranges(ngx_ur_plan_t *plan)
{
    ngx_uint_t       i;
    ngx_ur_range_t  *range, **ranges;

    ranges = plan->pool->ranges.elts;

    for (i = 0; i < plan->pool->ranges.nelts; i++) {
        range = ranges[i];
        range->slot = ngx_ur_places_find(plan, range->first, range->last);
    }

    for (i = 0; i < plan->pool->ranges.nelts; i++) {
        range = ranges[i];

        if (range->slot == NULL) {
            range->slot = ngx_ur_places_add(plan, range->first, range->last);
            if (range->slot == NULL) {
                return NGX_DECLINED;
            }
        }

        range->slot_id = range->slot->id;
        range->place = range->slot - plan->sh->slots;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_places_shards(ngx_ur_plan_t *plan)
{
    ngx_uint_t       i;
    ngx_ur_shard_t  *shard, **shards;

    shards = plan->pool->shards.elts;

    for (i = 0; i < plan->pool->shards.nelts; i++) {
        shard = shards[i];
        shard->health = ngx_ur_places_find_shard(plan, &shard->name);
    }

    for (i = 0; i < plan->pool->shards.nelts; i++) {
        shard = shards[i];

        if (shard->health == NULL) {
            shard->health = ngx_ur_places_add_shard(plan, &shard->name);
            if (shard->health == NULL) {
                return NGX_DECLINED;
            }
        }

        shard->place = shard->health - plan->sh->shards;
    }

    return NGX_OK;
}


/*
 * A zone of another size is another zone: what the one that is running
 * remembers of other ranges needs a place in this one, unless it is on disk.
 */

static ngx_int_t
ngx_ur_places_remembered(ngx_ur_plan_t *plan)
{
    ngx_uint_t      i;
    ngx_ur_slot_t  *slot;
    ngx_ur_pool_t  *old;

    old = ngx_ur_zone_running(plan->pool);

    if (old == NULL || old->zone->sh == plan->sh) {
        return NGX_OK;
    }

    for (i = 0; i < old->zone->sh->places; i++) {
        slot = &old->zone->sh->slots[i];

        if (ngx_ur_places_saved(plan, slot)
            || ngx_ur_places_find(plan, slot->first, slot->last))
        {
            continue;
        }

        if (ngx_ur_places_add(plan, slot->first, slot->last) == NULL) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_ur_slot_t *
ngx_ur_places_find(ngx_ur_plan_t *plan, uint64_t first, uint64_t last)
{
    ngx_ur_slot_t  *slot;

    slot = ngx_ur_slot_find(plan->sh, first, last);

    if (slot) {
        plan->slots[slot - plan->sh->slots] = 1;
    }

    return slot;
}


static ngx_ur_slot_t *
ngx_ur_places_add(ngx_ur_plan_t *plan, uint64_t first, uint64_t last)
{
    ngx_ur_slot_t  *slot;

    slot = ngx_ur_places_free(plan);

    if (slot == NULL) {
        return NULL;
    }

    if (slot->id) {
        ngx_log_error(NGX_LOG_NOTICE, plan->log, 0,
                      "range %uL-%uL is forgotten, %uL leased positions are "
                      "burned in unique_random_pool \"%V\"",
                      slot->first, slot->last, leases_left(&slot->leases),
                      &plan->pool->name);
    }

    /* to whoever looks through all places, it is of no range meanwhile */

    slot->id = 0;

    ngx_memory_barrier();

    ngx_memzero(slot, sizeof(ngx_ur_slot_t));

    slot->first = first;
    slot->last = last;
    slot->remaining = last - first + 1;

    leases_init(&slot->leases);

    slot->account = ngx_ur_account_clear(plan->sh, slot - plan->sh->slots);

    ngx_memory_barrier();

    slot->id = ++plan->sh->last_id;

    plan->slots[slot - plan->sh->slots] = 1;

    return slot;
}


/* one of no range, or that of one without a configuration for the longest */

static ngx_ur_slot_t *
ngx_ur_places_free(ngx_ur_plan_t *plan)
{
    ngx_uint_t      i;
    ngx_ur_slot_t  *slot, *unused;

    unused = NULL;

    for (i = 0; i < plan->sh->places; i++) {
        slot = &plan->sh->slots[i];

        if (slot->id == 0) {
            return slot;
        }

        if (!plan->slots[i]
            && (unused == NULL || slot->had_by.last < unused->had_by.last)
            && ngx_ur_places_saved(plan, slot)
            && !ngx_ur_workers_use(plan->sh, &slot->had_by))
        {
            unused = slot;
        }
    }

    return unused;
}


/* whether nothing is lost with it where this configuration saves */

static ngx_uint_t
ngx_ur_places_saved(ngx_ur_plan_t *plan, ngx_ur_slot_t *slot)
{
    if (plan->pool->memory->elsewhere) {
        return slot->memory.version == 0;
    }

    return ngx_ur_memory_saved(slot);
}


static ngx_ur_health_t *
ngx_ur_places_find_shard(ngx_ur_plan_t *plan, ngx_str_t *name)
{
    u_char            id[16];
    ngx_uint_t        i;
    ngx_ur_health_t  *health;

    ngx_ur_places_shard_id(name, id);

    for (i = 0; i < plan->sh->places; i++) {
        health = &plan->sh->shards[i];

        if (health->used && ngx_memcmp(health->id, id, sizeof(id)) == 0) {
            plan->shards[i] = 1;
            return health;
        }
    }

    return NULL;
}


static ngx_ur_health_t *
ngx_ur_places_add_shard(ngx_ur_plan_t *plan, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_ur_health_t  *health;

    for (i = 0; i < plan->sh->places; i++) {
        health = &plan->sh->shards[i];

        if (health->used
            && (plan->shards[i]
                || ngx_ur_workers_use(plan->sh, &health->had_by)))
        {
            continue;
        }

        ngx_memzero(health, sizeof(ngx_ur_health_t));

        ngx_ur_places_shard_id(name, health->id);

        ngx_ur_account_clear_shard(plan->sh, i);

        health->used = 1;
        plan->shards[i] = 1;

        return health;
    }

    return NULL;
}


static void
ngx_ur_places_shard_id(ngx_str_t *name, u_char *id)
{
    ngx_md5_t  md5;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, name->data, name->len);
    ngx_md5_final(id, &md5);
}
