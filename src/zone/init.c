
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A zone when a configuration is read: made anew, or found.  Keeps I5: leases
 * never come along into another zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "pool.h"
#include "zone/health.h"
#include "zone/init.h"
#include "zone/places.h"
#include "zone/random.h"
#include "zone/recall.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


static ngx_int_t ngx_ur_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_ur_init_create(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_ur_init_layout(ngx_ur_zone_t *zone);
static void ngx_ur_init_left_behind(ngx_ur_pool_t *pool, ngx_log_t *log);


ngx_int_t
ngx_ur_init_add(ngx_conf_t *cf, ngx_ur_pool_t *pool, void *tag)
{
    ngx_str_t       name;
    ngx_ur_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_ur_zone_t));
    if (zone == NULL) {
        return NGX_ERROR;
    }

    /* the prefix keeps it apart from the zones of other modules */

    name.len = sizeof("unique_random:") - 1 + pool->name.len;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name.data, "unique_random:%V", &pool->name);

    zone->shm_zone = ngx_shared_memory_add(cf, &name, pool->zone_size, tag);
    if (zone->shm_zone == NULL) {
        return NGX_ERROR;
    }

    zone->shm_zone->init = ngx_ur_init_zone;
    zone->shm_zone->data = pool;

    pool->zone = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_ur_pool_t *old = data;

    ngx_int_t       rc;
    ngx_log_t      *log;
    ngx_ur_pool_t  *pool;
    ngx_ur_zone_t  *zone;

    log = shm_zone->shm.log;

    pool = shm_zone->data;
    zone = pool->zone;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        zone->sh = old->zone->sh;

    } else if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

    } else {
        if (ngx_ur_init_create(pool, log) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_ur_init_left_behind(pool, log);
    }

    if (pool->state && !ngx_test_config
        && ngx_ur_recall_load(pool, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_ur_places_plan(pool, log);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "zone of unique_random_pool \"%V\" is too small, "
                      "%uz bytes do not hold its %ui ranges%s in %s:%ui",
                      &pool->name, shm_zone->shm.size, pool->ranges.nelts,
                      (pool->ranges.nelts > zone->sh->places) ? ""
                      : " beside those that older workers still use or that "
                        "are not on disk",
                      pool->file, pool->line);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    zone->generation = ++zone->sh->generations;

    return ngx_test_config ? NGX_OK : ngx_ur_recall(pool, log);
}


/* nobody else knows this memory yet, so its slab pool may be asked */

static ngx_int_t
ngx_ur_init_create(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    size_t            len;
    ngx_ur_zone_t    *zone;
    ngx_slab_pool_t  *shpool;

    zone = pool->zone;
    shpool = zone->shpool;

    zone->sh = ngx_slab_calloc(shpool, sizeof(ngx_ur_shctx_t)
                                       + sizeof(ngx_ur_workers_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->sh->workers = (ngx_ur_workers_t *) (zone->sh + 1);

    shpool->data = zone->sh;

    if (ngx_ur_random_uuid(zone->sh->holder) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    len = sizeof(" in unique_random_pool \"\"") + pool->name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in unique_random_pool \"%V\"%Z",
                &pool->name);

    return ngx_ur_init_layout(zone);
}


/* all that is left becomes places, as many for shards as for ranges */

static ngx_int_t
ngx_ur_init_layout(ngx_ur_zone_t *zone)
{
    size_t           size;
    u_char          *p;
    ngx_ur_shctx_t  *sh;

    sh = zone->sh;

    size = zone->shpool->pfree * ngx_pagesize;

    sh->places = size / (sizeof(ngx_ur_slot_t) + sizeof(ngx_ur_health_t));

    p = ngx_slab_calloc(zone->shpool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sh->slots = (ngx_ur_slot_t *) p;
    sh->shards = (ngx_ur_health_t *) (sh->slots + sh->places);

    return NGX_OK;
}


static void
ngx_ur_init_left_behind(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    uint64_t        left;
    ngx_uint_t      i;
    ngx_ur_pool_t  *old;

    old = ngx_ur_zone_running(pool);

    if (old == NULL) {
        return;
    }

    left = 0;

    for (i = 0; i < old->zone->sh->places; i++) {
        left += leases_left(&old->zone->sh->slots[i].leases);
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "the zone of unique_random_pool \"%V\" has another size: "
                  "%uL leased positions are left to the old workers",
                  &pool->name, left);
}
