
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A zone when a configuration is read: made anew, or found.  Keeps I5: leases
 * never come along into another zone.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/health.h"
#include "zone/init.h"
#include "zone/places.h"
#include "zone/random.h"
#include "zone/recall.h"
#include "zone/save.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


#define ngx_ur_init_places(size)                                              \
    ((size) / (sizeof(ngx_ur_slot_t) + sizeof(ngx_ur_health_t)))


static size_t ngx_ur_init_extra(ngx_ur_pool_t *pool);
static ngx_int_t ngx_ur_init_zone(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_ur_init_create(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_ur_init_layout(ngx_ur_pool_t *pool);
static void ngx_ur_init_left_behind(ngx_ur_pool_t *pool, ngx_log_t *log);
static void ngx_ur_init_fences(ngx_ur_pool_t *pool);
static void ngx_ur_init_fence(ngx_ur_slot_t *slot, ngx_ur_slot_t *old);


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

    zone->shm_zone = ngx_shared_memory_add(cf, &name,
                                           pool->zone_size
                                           + ngx_ur_init_extra(pool), tag);
    if (zone->shm_zone == NULL) {
        return NGX_ERROR;
    }

    zone->shm_zone->init = ngx_ur_init_zone;
    zone->shm_zone->data = pool;

    pool->zone = zone;

    return NGX_OK;
}


/*
 * Accounts have memory of their own, beside that of the places which the size
 * of the zone says; most of it is never touched, and so not there.  With what
 * the slab pool needs for itself, for each page.
 */

static size_t
ngx_ur_init_extra(ngx_ur_pool_t *pool)
{
    size_t  size;

    size = ngx_ur_account_size(ngx_ur_init_places(pool->zone_size));

    return ngx_align(size + size / 64, ngx_pagesize);
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

    if (ngx_ur_save_init(pool, log) != NGX_OK
        || (pool->state.len && !ngx_test_config
            && ngx_ur_recall_load(pool, log) != NGX_OK))
    {
        return NGX_ERROR;
    }

    rc = ngx_ur_places_plan(pool, log);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "zone of unique_random_pool \"%V\" is too small, "
                      "%uz bytes do not hold its %ui ranges%s in %s:%ui",
                      &pool->name, pool->zone_size, pool->ranges.nelts,
                      (pool->ranges.nelts > zone->sh->places) ? ""
                      : " beside those that older workers still use or that "
                        "are not on disk",
                      pool->file, pool->line);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    zone->generation = ++zone->sh->generations;
    ngx_ur_init_fences(pool);

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
                                       + sizeof(ngx_ur_workers_t)
                                       + sizeof(ngx_ur_accounts_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->sh->workers = (ngx_ur_workers_t *) (zone->sh + 1);
    zone->sh->accounts = (ngx_ur_accounts_t *) (zone->sh->workers + 1);

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

    return ngx_ur_init_layout(pool);
}


/* all that is left becomes places, as many for shards as for ranges */

static ngx_int_t
ngx_ur_init_layout(ngx_ur_pool_t *pool)
{
    size_t            size, accounts;
    u_char           *p;
    ngx_uint_t        most;
    ngx_ur_shctx_t   *sh;
    ngx_slab_pool_t  *shpool;

    sh = pool->zone->sh;
    shpool = pool->zone->shpool;

    most = ngx_ur_init_places(pool->zone_size);

    accounts = ngx_ur_account_size(most);
    size = shpool->pfree * ngx_pagesize - accounts;

    /* what the slab pool has left over has no accounts */

    sh->places = ngx_min(ngx_ur_init_places(size), most);

    p = ngx_slab_alloc(shpool, size + accounts);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(p, size);

    sh->slots = (ngx_ur_slot_t *) p;
    sh->shards = (ngx_ur_health_t *) (sh->slots + sh->places);

    ngx_ur_account_layout(sh, p + size);

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


/*
 * What is fenced in the zone that is running is so in another one, too, where
 * it might not be asked for long.  The first look at the range lifts the fence,
 * as it would there.
 */

static void
ngx_ur_init_fences(ngx_ur_pool_t *pool)
{
    ngx_uint_t       i;
    ngx_ur_pool_t   *old;
    ngx_ur_slot_t   *slot, *fenced;
    ngx_ur_shctx_t  *sh;

    sh = pool->zone->sh;
    old = ngx_ur_zone_running(pool);

    if (old == NULL || old->zone->sh == sh) {
        return;
    }

    for (i = 0; i < old->zone->sh->places; i++) {
        fenced = &old->zone->sh->slots[i];

        if (fenced->id == 0 || fenced->outcome != RESERVATION_FENCED) {
            continue;
        }

        slot = ngx_ur_slot_find(sh, fenced->first, fenced->last);

        if (slot) {
            ngx_ur_init_fence(slot, fenced);
        }
    }
}


/* a worker may change the texts meanwhile, but none has an end beyond them */

static void
ngx_ur_init_fence(ngx_ur_slot_t *slot, ngx_ur_slot_t *old)
{
    ngx_ur_account_t  *to, *from;

    to = slot->account;
    from = old->account;

    slot->outcome = RESERVATION_FENCED;
    slot->detail = old->detail;

    to->since = from->since;
    to->stale = from->stale;

    ngx_memcpy(to->reason, from->reason, NGX_UR_ACCOUNT_TEXT - 1);
    ngx_memcpy(to->sql, from->sql, NGX_UR_ACCOUNT_TEXT - 1);
}
