
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * All who wait are seen to each time: their ranges differ, so the first one
 * is not the first that goes on.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "event/timer.h"
#include "http/context.h"
#include "http/look.h"
#include "http/queue.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/known.h"
#include "zone/need.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* how old an answer may be */
#define NGX_UR_LOOK_AGE   1000

/* how often to see whether another worker has got one, or got none */
#define NGX_UR_LOOK_POLL  20


static void ngx_ur_look_wake(ngx_event_t *ev);
static ngx_int_t ngx_ur_look_try(ngx_ur_ctx_t *ctx, ngx_msec_t *wait);
static ngx_uint_t ngx_ur_look_fresh(ngx_ur_ctx_t *ctx);
static ngx_msec_t ngx_ur_look_ask(ngx_ur_range_t *range);
static void ngx_ur_look_done(ngx_ur_ctx_t *ctx);


ngx_int_t
ngx_ur_look_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    pool->look.handler = ngx_ur_look_wake;
    pool->look.data = pool;
    pool->look.log = &cf->cycle->new_log;

    return NGX_OK;
}


ngx_int_t
ngx_ur_look(ngx_ur_ctx_t *ctx)
{
    ctx->start = ngx_current_msec;

    if (ngx_ur_look_fresh(ctx)) {
        return NGX_DECLINED;
    }

    ctx->look = 1;

    return ngx_ur_queue_enter(ctx);
}


static void
ngx_ur_look_wake(ngx_event_t *ev)
{
    ngx_uint_t      n;
    ngx_msec_t      wait;
    ngx_ur_ctx_t   *ctx;
    ngx_ur_pool_t  *pool;

    pool = ev->data;

    wait = NGX_TIMER_INFINITE;

    for (n = pool->nlooks; n; n--) {

        ctx = ngx_ur_queue_first(pool, NGX_UR_QUEUE_LOOK);

        if (ctx == NULL) {
            return;
        }

        if (ngx_ur_look_try(ctx, &wait) == NGX_AGAIN) {
            ngx_ur_queue_rotate(ctx);

        } else {
            ngx_ur_look_done(ctx);
        }
    }

    if (pool->nlooks) {
        ngx_ur_timer_set(ev, ngx_max(wait, 1));
    }
}


/* NGX_AGAIN: wait on, for no longer than "wait" */

static ngx_int_t
ngx_ur_look_try(ngx_ur_ctx_t *ctx, ngx_msec_t *wait)
{
    ngx_msec_t  due, left;

    if (ngx_ur_look_fresh(ctx)) {
        return NGX_OK;
    }

    due = ngx_ur_look_ask(ctx->range);
    left = ngx_ur_queue_left(ctx);

    if (left <= due) {
        return NGX_OK;
    }

    if (due == 0) {
        due = ngx_min(NGX_UR_LOOK_POLL, left);
    }

    *wait = ngx_min(*wait, due);

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_ur_look_fresh(ngx_ur_ctx_t *ctx)
{
    ngx_msec_t  age;

    if (ngx_ur_known_answered(ctx->range, ctx->start)) {
        return 1;
    }

    return ngx_ur_known_age(ctx->range, &age) == NGX_OK
           && age < NGX_UR_LOOK_AGE;
}


/*
 * Asks the range if it is time to.  In how many milliseconds it can be asked: 0
 * if some worker has.
 */

static ngx_msec_t
ngx_ur_look_ask(ngx_ur_range_t *range)
{
    ngx_msec_t       due;
    ngx_uint_t       claimed;
    ngx_ur_pool_t   *pool;
    ngx_ur_slot_t   *slot;
    ngx_ur_cause_t   cause;

    if (range->ask->asked) {
        return 0;
    }

    pool = range->shard->pool;

    ngx_memzero(&cause, sizeof(ngx_ur_cause_t));

    cause.range = range;
    cause.news = 1;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    claimed = slot && ngx_ur_workers_claimed(pool, slot);

    (void) ngx_ur_need(range, &cause, &due);

    ngx_ur_zone_unlock(pool);

    if (claimed) {
        return 0;
    }

    if (due == 0) {
        ngx_ur_reserve(pool, &cause);
    }

    return due;
}


static void
ngx_ur_look_done(ngx_ur_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    ngx_ur_queue_leave(ctx);

    ngx_http_set_log_request(c->log, ctx->request);

    ctx->done(ctx, NGX_OK);

    ngx_http_run_posted_requests(c);
}
