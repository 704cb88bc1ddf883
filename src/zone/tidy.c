
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The timer is not armed without batches and holds, so that idle means idle.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "pool.h"
#include "zone/batch.h"
#include "zone/hold.h"
#include "zone/tidy.h"
#include "zone/workers.h"
#include "zone/zone.h"


static void ngx_ur_tidy(ngx_event_t *ev);


void
ngx_ur_tidy_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    pool->tidy.handler = ngx_ur_tidy;
    pool->tidy.data = pool;
    pool->tidy.log = &cf->cycle->new_log;
    pool->tidy.cancelable = 1;
}


static void
ngx_ur_tidy(ngx_event_t *ev)
{
    ngx_msec_t      next;
    ngx_ur_pool_t  *pool;

    pool = ev->data;

    ngx_ur_zone_lock(pool);

    next = ngx_ur_batch_tidy(pool);

    ngx_ur_hold_tidy(pool);

    if (pool->nheld) {
        next = ngx_min(next, NGX_UR_TIDY);

        ngx_ur_workers_batch(pool, 3 * NGX_UR_TIDY);
    }

    if (next == NGX_TIMER_INFINITE) {
        ngx_ur_workers_batch(pool, 0);
    }

    ngx_ur_zone_unlock(pool);

    if (next != NGX_TIMER_INFINITE) {
        ngx_add_timer(ev, next);
    }
}
