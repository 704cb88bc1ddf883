
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * nginx frees the locks of a worker that died, but only those in zones of the
 * configuration that is running: a worker that leaves with an older zone would
 * wait for ever.  So the lock looks at its holder.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/zone.h"


/* how often to try before others may run */
#define NGX_UR_SPINS   512

/* and how often they may, before it is somebody who stands still */
#define NGX_UR_YIELDS  64


void
ngx_ur_zone_lock(ngx_ur_pool_t *pool)
{
    ngx_uint_t    n;
    ngx_shmtx_t  *mtx;

    mtx = &pool->zone->shpool->mutex;

    for (n = 1; !ngx_shmtx_trylock(mtx); n++) {

        if (n % NGX_UR_SPINS) {
            ngx_cpu_pause();
            continue;
        }

        ngx_ur_zone_unlock_dead(mtx);

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
    ngx_shmtx_unlock(&pool->zone->shpool->mutex);
}


void
ngx_ur_zone_unlock_dead(ngx_shmtx_t *mtx)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) *mtx->lock;

    if (pid && kill(pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
        (void) ngx_shmtx_force_unlock(mtx, pid);
    }
}


ngx_ur_pool_t *
ngx_ur_zone_running(ngx_ur_pool_t *pool)
{
    ngx_str_t        *name;
    ngx_uint_t        i;
    ngx_ur_pool_t    *old;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    name = &pool->zone->shm_zone->shm.name;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (zone[i].tag == pool->zone->shm_zone->tag
                && zone[i].shm.name.len == name->len
                && ngx_strncmp(zone[i].shm.name.data, name->data, name->len)
                   == 0)
            {
                old = zone[i].data;
                return old->zone->sh ? old : NULL;
            }
        }
    }

    return NULL;
}
