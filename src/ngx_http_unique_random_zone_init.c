
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Gives each range its slot when a configuration is read.  On a reload the
 * old workers are drawing from the zone meanwhile, and the new configuration
 * may still be rejected: so slots are found, and added, and only one that
 * the running configuration does not use is given to another range.
 */


#include "ngx_http_unique_random_pool.h"
#include "ngx_http_unique_random_random.h"
#include "ngx_http_unique_random_state.h"

#include <ngx_md5.h>


static ngx_int_t ngx_http_unique_random_zone_create(
    ngx_http_unique_random_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_http_unique_random_zone_attach(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_pool_t *old,
    ngx_log_t *log);
static ngx_http_unique_random_slot_t *ngx_http_unique_random_zone_slot(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_pool_t *old,
    ngx_http_unique_random_range_t *range, ngx_log_t *log);
static ngx_http_unique_random_slot_t *ngx_http_unique_random_zone_reclaim(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_pool_t *old,
    ngx_log_t *log);
static ngx_uint_t ngx_http_unique_random_zone_uses(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_slot_t *slot);
static ngx_http_unique_random_health_t *ngx_http_unique_random_zone_shard(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_pool_t *old,
    ngx_str_t *name);
static ngx_uint_t ngx_http_unique_random_zone_watches(
    ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_health_t *health);
static void ngx_http_unique_random_zone_inherit(
    ngx_http_unique_random_pool_t *pool, ngx_log_t *log);
static ngx_http_unique_random_pool_t *ngx_http_unique_random_zone_running(
    ngx_http_unique_random_pool_t *pool);


ngx_int_t
ngx_http_unique_random_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_unique_random_pool_t  *old = data;

    ngx_http_unique_random_pool_t  *pool;

    pool = shm_zone->data;
    pool->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        pool->sh = old->sh;

    } else if (shm_zone->shm.exists) {
        pool->sh = pool->shpool->data;

    } else {
        if (ngx_http_unique_random_zone_create(pool, shm_zone->shm.log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_http_unique_random_zone_attach(pool, old, shm_zone->shm.log)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone of unique_random_pool \"%V\" is too small, "
                      "%uz bytes do not hold its %ui ranges in %s:%ui",
                      &pool->name, shm_zone->shm.size, pool->ranges.nelts,
                      pool->file, pool->line);
        return NGX_ERROR;
    }

    pool->generation = ++pool->sh->generations;

    if (old || shm_zone->shm.exists) {
        return NGX_OK;
    }

    ngx_http_unique_random_zone_inherit(pool, shm_zone->shm.log);

    if (pool->state && !ngx_test_config) {
        return ngx_http_unique_random_state_load(pool, shm_zone->shm.log);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_unique_random_zone_create(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log)
{
    size_t  len;

    pool->sh = ngx_slab_calloc(pool->shpool,
                               sizeof(ngx_http_unique_random_shctx_t));
    if (pool->sh == NULL) {
        return NGX_ERROR;
    }

    pool->shpool->data = pool->sh;

    ngx_queue_init(&pool->sh->slots);
    ngx_queue_init(&pool->sh->shards);

    if (ngx_http_unique_random_uuid(pool->sh->holder) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    len = sizeof(" in unique_random_pool \"\"") + pool->name.len;

    pool->shpool->log_ctx = ngx_slab_alloc(pool->shpool, len);
    if (pool->shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(pool->shpool->log_ctx, " in unique_random_pool \"%V\"%Z",
                &pool->name);

    /* a full zone is reported by those who ask for room */

    pool->shpool->log_nomem = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_unique_random_zone_attach(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_pool_t *old, ngx_log_t *log)
{
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t  **ranges;
    ngx_http_unique_random_shard_t  **shards;

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        shards[i]->health = ngx_http_unique_random_zone_shard(pool, old,
                                                          &shards[i]->name);
        if (shards[i]->health == NULL) {
            return NGX_ERROR;
        }
    }

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ranges[i]->slot = ngx_http_unique_random_zone_slot(pool, old,
                                                           ranges[i], log);
        if (ranges[i]->slot == NULL) {
            return NGX_ERROR;
        }

        ranges[i]->slot_id = ranges[i]->slot->id;
    }

    return NGX_OK;
}


static ngx_http_unique_random_slot_t *
ngx_http_unique_random_zone_slot(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_pool_t *old, ngx_http_unique_random_range_t *range,
    ngx_log_t *log)
{
    ngx_queue_t                    *q;
    ngx_http_unique_random_slot_t  *slot;

    for (q = ngx_queue_head(&pool->sh->slots);
         q != ngx_queue_sentinel(&pool->sh->slots);
         q = ngx_queue_next(q))
    {
        slot = ngx_queue_data(q, ngx_http_unique_random_slot_t, queue);

        if (slot->first == range->first && slot->last == range->last) {
            return slot;
        }
    }

    slot = ngx_slab_calloc(pool->shpool,
                           sizeof(ngx_http_unique_random_slot_t));

    if (slot == NULL) {
        slot = ngx_http_unique_random_zone_reclaim(pool, old, log);

        if (slot == NULL) {
            return NULL;
        }
    }

    slot->first = range->first;
    slot->last = range->last;
    slot->remaining = range->last - range->first + 1;
    slot->id = ++pool->sh->last_id;

    leases_init(&slot->leases);

    ngx_queue_insert_tail(&pool->sh->slots, &slot->queue);

    return slot;
}


/*
 * The slot that has been without a configuration for the longest time.  Old
 * workers that still know it see another id.
 */

static ngx_http_unique_random_slot_t *
ngx_http_unique_random_zone_reclaim(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_pool_t *old, ngx_log_t *log)
{
    uint64_t                        first, last, left;
    ngx_queue_t                    *q;
    ngx_http_unique_random_slot_t  *slot;

    for (q = ngx_queue_head(&pool->sh->slots);
         q != ngx_queue_sentinel(&pool->sh->slots);
         q = ngx_queue_next(q))
    {
        slot = ngx_queue_data(q, ngx_http_unique_random_slot_t, queue);

        if (ngx_http_unique_random_zone_uses(pool, slot)
            || (old && ngx_http_unique_random_zone_uses(old, slot)))
        {
            continue;
        }

        ngx_queue_remove(&slot->queue);

        ngx_shmtx_lock(&pool->shpool->mutex);

        first = slot->first;
        last = slot->last;
        left = leases_left(&slot->leases);

        slot->id = 0;

        ngx_memory_barrier();

        ngx_memzero(slot, sizeof(ngx_http_unique_random_slot_t));

        ngx_shmtx_unlock(&pool->shpool->mutex);

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "range %uL-%uL is forgotten, %uL leased positions are "
                      "burned in unique_random_pool \"%V\"",
                      first, last, left, &pool->name);

        return slot;
    }

    return NULL;
}


static ngx_uint_t
ngx_http_unique_random_zone_uses(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_slot_t *slot)
{
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (ranges[i]->first == slot->first && ranges[i]->last == slot->last) {
            return 1;
        }
    }

    return 0;
}


static ngx_http_unique_random_health_t *
ngx_http_unique_random_zone_shard(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_pool_t *old, ngx_str_t *name)
{
    u_char                            id[16];
    ngx_md5_t                         md5;
    ngx_queue_t                      *q;
    ngx_http_unique_random_health_t  *health, *unused;

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, name->data, name->len);
    ngx_md5_final(id, &md5);

    unused = NULL;

    for (q = ngx_queue_head(&pool->sh->shards);
         q != ngx_queue_sentinel(&pool->sh->shards);
         q = ngx_queue_next(q))
    {
        health = ngx_queue_data(q, ngx_http_unique_random_health_t, queue);

        if (ngx_memcmp(health->id, id, sizeof(id)) == 0) {
            return health;
        }

        if (unused == NULL
            && !ngx_http_unique_random_zone_watches(pool, health)
            && (old == NULL
                || !ngx_http_unique_random_zone_watches(old, health)))
        {
            unused = health;
        }
    }

    health = ngx_slab_calloc(pool->shpool,
                             sizeof(ngx_http_unique_random_health_t));

    if (health == NULL) {
        health = unused;

        if (health == NULL) {
            return NULL;
        }

        ngx_queue_remove(&health->queue);
        health->fails = 0;
        health->addr[0] = '\0';
    }

    ngx_memcpy(health->id, id, sizeof(id));

    ngx_queue_insert_tail(&pool->sh->shards, &health->queue);

    return health;
}


static ngx_uint_t
ngx_http_unique_random_zone_watches(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_health_t *health)
{
    ngx_uint_t                        i;
    ngx_http_unique_random_shard_t  **shards;

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        if (shards[i]->health == health) {
            return 1;
        }
    }

    return 0;
}


/*
 * A zone of another size is another zone.  What is remembered of the ranges
 * (I8) comes along, leases never do (I5): the old workers go on with them.
 */

static void
ngx_http_unique_random_zone_inherit(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log)
{
    uint64_t                          left;
    ngx_uint_t                        i;
    ngx_queue_t                      *q;
    ngx_http_unique_random_pool_t    *old;
    ngx_http_unique_random_slot_t    *slot, *from;
    ngx_http_unique_random_range_t  **ranges;

    old = ngx_http_unique_random_zone_running(pool);

    if (old == NULL) {
        return;
    }

    left = 0;
    ranges = pool->ranges.elts;

    ngx_shmtx_lock(&old->shpool->mutex);

    for (q = ngx_queue_head(&old->sh->slots);
         q != ngx_queue_sentinel(&old->sh->slots);
         q = ngx_queue_next(q))
    {
        from = ngx_queue_data(q, ngx_http_unique_random_slot_t, queue);

        left += leases_left(&from->leases);

        for (i = 0; i < pool->ranges.nelts; i++) {
            slot = ranges[i]->slot;

            if (slot->first != from->first || slot->last != from->last) {
                continue;
            }

            slot->memory = from->memory;
            slot->memory.holder_serial = 0;
            ngx_memcpy(slot->key, from->key, RESERVATION_KEY_LEN);
            slot->known = from->known;
            slot->has_key = from->has_key;
            slot->outcome = from->outcome;
            slot->remaining = from->remaining;
            slot->answered_at = from->answered_at;
        }
    }

    ngx_shmtx_unlock(&old->shpool->mutex);

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "the zone of unique_random_pool \"%V\" has another size: "
                  "%uL leased positions are left to the old workers",
                  &pool->name, left);
}


/* the pool of the same name in the configuration that is running, or NULL */

static ngx_http_unique_random_pool_t *
ngx_http_unique_random_zone_running(ngx_http_unique_random_pool_t *pool)
{
    ngx_str_t                      *name;
    ngx_uint_t                      i;
    ngx_shm_zone_t                 *zone;
    ngx_list_part_t                *part;
    ngx_http_unique_random_pool_t  *old;

    name = &pool->shm_zone->shm.name;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (zone[i].tag == pool->shm_zone->tag
                && zone[i].shm.name.len == name->len
                && ngx_strncmp(zone[i].shm.name.data, name->data, name->len)
                   == 0)
            {
                old = zone[i].data;
                return old->sh ? old : NULL;
            }
        }
    }

    return NULL;
}
