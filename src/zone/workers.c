
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A worker that was killed stays in the table until a new one takes its entry,
 * and is known by its pid.  If somebody else has that pid now, deadlines still
 * end what it had under way.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "event/timer.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


static ngx_int_t ngx_ur_workers_find_entry(ngx_ur_pool_t *pool);
static void ngx_ur_workers_extend(ngx_msec_t *until, ngx_msec_t time);
static ngx_uint_t ngx_ur_workers_alive(ngx_pid_t pid);
static ngx_uint_t ngx_ur_workers_until(ngx_ur_worker_t *w, ngx_msec_t until);


ngx_int_t
ngx_ur_workers_enter(ngx_ur_pool_t *pool, ngx_cycle_t *cycle)
{
    ngx_int_t  rc;

    ngx_ur_zone_lock(pool);

    rc = ngx_ur_workers_find_entry(pool);

    if (rc != NGX_OK) {
        pool->zone->sh->workers->crowded++;
        pool->zone->crowded = 1;
    }

    ngx_ur_zone_unlock(pool);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "more than %d workers, those of older configurations "
                  "included, use unique_random_pool \"%V\": it is not said "
                  "to be used up, nor are leases given back",
                  NGX_UR_WORKERS, &pool->name);

    return ngx_ur_account_alone(pool, cycle->pool);
}


ngx_uint_t
ngx_ur_workers_leave(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i, last;
    ngx_ur_shctx_t   *sh;
    ngx_ur_worker_t  *w;

    sh = pool->zone->sh;

    ngx_ur_zone_lock(pool);

    if (pool->zone->worker == NULL) {

        if (pool->zone->crowded) {
            sh->workers->crowded--;
            pool->zone->crowded = 0;

            ngx_ur_account_leave(pool);
        }

        ngx_ur_zone_unlock(pool);
        return 0;
    }

    last = (sh->workers->crowded == 0);

    pool->zone->worker->pid = 0;
    pool->zone->worker = NULL;

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &sh->workers->entries[i];

        if (w->pid
            && w->generation == pool->zone->generation
            && ngx_ur_workers_alive(w->pid))
        {
            last = 0;
        }
    }

    ngx_ur_zone_unlock(pool);

    return last;
}


ngx_uint_t
ngx_ur_workers_use(ngx_ur_shctx_t *sh, ngx_ur_generations_t *had_by)
{
    ngx_uint_t        i;
    ngx_ur_worker_t  *w;

    if (had_by->last == 0) {
        return 0;
    }

    if (had_by->last == sh->generation || sh->workers->crowded) {
        return 1;
    }

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &sh->workers->entries[i];

        if (w->pid
            && w->generation >= had_by->first
            && w->generation <= had_by->last
            && ngx_ur_workers_alive(w->pid))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_ur_workers_ask(ngx_ur_pool_t *pool, ngx_msec_t time)
{
    /* one that found no entry may find one now */

    if (pool->zone->crowded && ngx_ur_workers_find_entry(pool) == NGX_OK) {
        pool->zone->sh->workers->crowded--;
        pool->zone->crowded = 0;
    }

    if (pool->zone->worker) {
        ngx_ur_workers_extend(&pool->zone->worker->asking_until, time);
    }
}


void
ngx_ur_workers_batch(ngx_ur_pool_t *pool, ngx_msec_t time)
{
    if (pool->zone->worker) {
        ngx_ur_workers_extend(&pool->zone->worker->batches_until, time);
        pool->zone->worker->held = pool->nheld;
    }
}


/* the last of what is under way counts */

static void
ngx_ur_workers_extend(ngx_msec_t *until, ngx_msec_t time)
{
    if (time == 0) {
        *until = 0;
        return;
    }

    time += ngx_current_msec;

    if (*until == 0 || (ngx_msec_int_t) (time - *until) > 0) {
        *until = time;
    }
}


ngx_uint_t
ngx_ur_workers_asking(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_worker_t  *w;

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &pool->zone->sh->workers->entries[i];

        if (w != pool->zone->worker
            && ngx_ur_workers_until(w, w->asking_until))
        {
            return 1;
        }
    }

    return pool->zone->sh->workers->crowded != 0;
}


ngx_uint_t
ngx_ur_workers_batched(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_worker_t  *w;

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &pool->zone->sh->workers->entries[i];

        if (ngx_ur_workers_until(w, w->batches_until)) {
            return 1;
        }
    }

    return 0;
}


uint64_t
ngx_ur_workers_held(ngx_ur_pool_t *pool, ngx_uint_t size)
{
    uint64_t          n;
    ngx_uint_t        i;
    ngx_ur_worker_t  *w;

    n = 0;

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &pool->zone->sh->workers->entries[i];

        if (w != pool->zone->worker
            && ngx_ur_workers_until(w, w->batches_until))
        {
            n += w->held + size * pool->ranges.nelts;
        }
    }

    return n;
}


void
ngx_ur_workers_claim(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot)
{
    if (pool->zone->worker) {
        slot->asker_entry = (uint32_t) (pool->zone->worker
                                        - pool->zone->sh->workers->entries);
        slot->asker = ngx_pid;
    }
}


void
ngx_ur_workers_unclaim(ngx_ur_slot_t *slot)
{
    if (slot->asker == ngx_pid) {
        slot->asker = 0;
    }
}


ngx_uint_t
ngx_ur_workers_claimed(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot)
{
    ngx_ur_worker_t  *w;

    if (slot->asker == 0 || slot->asker == ngx_pid) {
        return 0;
    }

    w = &pool->zone->sh->workers->entries[slot->asker_entry];

    return w->pid == slot->asker
           && ngx_ur_workers_until(w, w->asking_until);
}


ngx_uint_t
ngx_ur_workers_lives(ngx_ur_worker_t *w)
{
    return w->pid && ngx_ur_workers_alive(w->pid);
}


static ngx_int_t
ngx_ur_workers_find_entry(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_shctx_t   *sh;
    ngx_ur_worker_t  *w;

    sh = pool->zone->sh;
    pool->zone->worker = NULL;

    for (i = 0; i < NGX_UR_WORKERS; i++) {
        w = &sh->workers->entries[i];

        if (w->pid == 0
            || w->pid == ngx_pid
            || !ngx_ur_workers_alive(w->pid))
        {
            w->asking_until = 0;
            w->batches_until = 0;
            w->generation = pool->zone->generation;

            /* the master reads it without the mutex */

            ngx_memory_barrier();

            w->pid = ngx_pid;

            pool->zone->worker = w;

            ngx_ur_account_enter(pool, i);

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_ur_workers_until(ngx_ur_worker_t *w, ngx_msec_t until)
{
    return w->pid
           && until
           && !ngx_ur_timer_past(until)
           && ngx_ur_workers_alive(w->pid);
}


static ngx_uint_t
ngx_ur_workers_alive(ngx_pid_t pid)
{
    return kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH;
}
