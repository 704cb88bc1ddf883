
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A zone when a configuration is read: made anew, or found.  Keeps I5: leases
 * never come along into another zone.
 */


#include "zone/memory.h"
#include "zone/places.h"
#include "zone/random.h"


/* how often to try before others may run */
#define NGX_UR_SPINS   512

/* and how often they may, before it is somebody who stands still */
#define NGX_UR_YIELDS  64


static ngx_int_t ngx_ur_zone_create(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_ur_zone_layout(ngx_ur_pool_t *pool);
static void ngx_ur_zone_left_behind(ngx_ur_pool_t *pool, ngx_log_t *log);


ngx_int_t
ngx_ur_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_ur_pool_t  *old = data;

    ngx_int_t                       rc;
    ngx_log_t                      *log;
    ngx_ur_pool_t  *pool;

    log = shm_zone->shm.log;

    pool = shm_zone->data;
    pool->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        pool->sh = old->sh;

    } else if (shm_zone->shm.exists) {
        pool->sh = pool->shpool->data;

    } else {
        if (ngx_ur_zone_create(pool, log) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_ur_zone_left_behind(pool, log);
    }

    if (pool->state && !ngx_test_config
        && ngx_ur_memory_load(pool, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_ur_places_plan(pool, log);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "zone of unique_random_pool \"%V\" is too small, "
                      "%uz bytes do not hold its %ui ranges%s in %s:%ui",
                      &pool->name, shm_zone->shm.size, pool->ranges.nelts,
                      (pool->ranges.nelts > pool->sh->places) ? ""
                      : " beside those that older workers still use or that "
                        "are not on disk",
                      pool->file, pool->line);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    pool->generation = ++pool->sh->generations;

    return ngx_test_config ? NGX_OK
                           : ngx_ur_memory_recall(pool, log);
}


/*
 * nginx frees the locks of a worker that died, but only those in zones of the
 * configuration that is running: a worker that leaves with an older zone would
 * wait for ever.
 */

void
ngx_ur_zone_lock(ngx_ur_pool_t *pool)
{
    ngx_pid_t     pid;
    ngx_uint_t    n;
    ngx_shmtx_t  *mtx;

    mtx = &pool->shpool->mutex;

    for (n = 1; !ngx_shmtx_trylock(mtx); n++) {

        if (n % NGX_UR_SPINS) {
            ngx_cpu_pause();
            continue;
        }

        pid = (ngx_pid_t) *mtx->lock;

        if (pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
            (void) ngx_shmtx_force_unlock(mtx, pid);
            continue;
        }

        if (n < NGX_UR_SPINS * NGX_UR_YIELDS) {
            ngx_sched_yield();

        } else {
            ngx_msleep(1);
        }
    }
}


void
ngx_ur_zone_unlock(ngx_ur_pool_t *pool)
{
    ngx_shmtx_unlock(&pool->shpool->mutex);
}


/* nobody else knows this memory yet, so its slab pool may be asked */

static ngx_int_t
ngx_ur_zone_create(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    size_t  len;

    pool->sh = ngx_slab_calloc(pool->shpool, sizeof(ngx_ur_shctx_t));
    if (pool->sh == NULL) {
        return NGX_ERROR;
    }

    pool->shpool->data = pool->sh;

    if (ngx_ur_uuid(pool->sh->holder) != NGX_OK) {
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

    return ngx_ur_zone_layout(pool);
}


/* all that is left becomes places, as many for shards as for ranges */

static ngx_int_t
ngx_ur_zone_layout(ngx_ur_pool_t *pool)
{
    size_t           size;
    u_char          *p;
    ngx_ur_shctx_t  *sh;

    sh = pool->sh;

    size = pool->shpool->pfree * ngx_pagesize;

    sh->places = size / (sizeof(ngx_ur_slot_t) + sizeof(ngx_ur_health_t));

    p = ngx_slab_calloc(pool->shpool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sh->slots = (ngx_ur_slot_t *) p;
    sh->shards = (ngx_ur_health_t *) (sh->slots + sh->places);

    return NGX_OK;
}


static void
ngx_ur_zone_left_behind(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    uint64_t        left;
    ngx_uint_t      i;
    ngx_ur_pool_t  *old;

    old = ngx_ur_zone_running(pool);

    if (old == NULL) {
        return;
    }

    left = 0;

    for (i = 0; i < old->sh->places; i++) {
        left += leases_left(&old->sh->slots[i].leases);
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "the zone of unique_random_pool \"%V\" has another size: "
                  "%uL leased positions are left to the old workers",
                  &pool->name, left);
}


ngx_ur_pool_t *
ngx_ur_zone_running(ngx_ur_pool_t *pool)
{
    ngx_str_t        *name;
    ngx_uint_t        i;
    ngx_ur_pool_t    *old;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

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
