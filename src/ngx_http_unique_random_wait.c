
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Serves those who wait, and sees to it that something is under way for them:
 * one reservation at a time, for all that have gathered, and after a while
 * without a reply one of another range, too.  Who cannot be helped in time is
 * told so at once.  With nobody waiting nothing is armed.
 */


#include "ngx_http_unique_random_reserve.h"
#include "ngx_http_unique_random_wait.h"


/* when to ask another range beside the one that does not answer */
#define NGX_HTTP_UNIQUE_RANDOM_PATIENCE  250

/* how often to look whether other workers have brought some, or put back */
#define NGX_HTTP_UNIQUE_RANDOM_LOOK      20


static void ngx_http_unique_random_wait_cleanup(void *data);
static void ngx_http_unique_random_wait_remove(
    ngx_http_unique_random_ctx_t *ctx);
static void ngx_http_unique_random_wait_serve(
    ngx_http_unique_random_pool_t *pool);
static void ngx_http_unique_random_wait_refuse(
    ngx_http_unique_random_pool_t *pool, ngx_msec_t wait,
    ngx_http_unique_random_status_e status);
static ngx_msec_t ngx_http_unique_random_wait_ask(
    ngx_http_unique_random_pool_t *pool);
static void ngx_http_unique_random_wait_meet(
    ngx_http_unique_random_pool_t *pool);
static ngx_msec_t ngx_http_unique_random_wait_left(
    ngx_http_unique_random_ctx_t *ctx);


#define ngx_http_unique_random_wait_head(pool)                                \
    ngx_queue_data(ngx_queue_head(&(pool)->waiters),                          \
                   ngx_http_unique_random_ctx_t, queue)


ngx_int_t
ngx_http_unique_random_wait(ngx_http_unique_random_ctx_t *ctx)
{
    ngx_http_request_t                *r;
    ngx_http_cleanup_t                *cln;
    ngx_http_unique_random_pool_t     *pool;
    ngx_http_unique_random_outlook_t   outlook;

    r = ctx->request;
    pool = ctx->pool;

    if (pool->nwaiters >= pool->queue) {

        /* the one who waits asks; with "queue 0", nobody does */

        if (pool->nasked == 0) {
            ngx_http_unique_random_zone_outlook(pool, &outlook);

            if (outlook.range) {
                ngx_http_unique_random_reserve(outlook.range);
            }
        }

        return NGX_DECLINED;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_unique_random_wait_cleanup;
    cln->data = ctx;

    /* a client that has left already makes no event of its own */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /*
     * While a body is being discarded, nginx gives a request that does not
     * answer no longer than lingering_timeout: so that has to wait, too.
     */

    if (r == r->main && r->discard_body) {
        ctx->discard_body = 1;
        r->discard_body = 0;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ctx->start = ngx_current_msec;
    ctx->waiting = 1;

    ngx_queue_insert_tail(&pool->waiters, &ctx->queue);
    pool->nwaiters++;

    /* those that come in the same round of events share a reservation */

    ngx_post_event(&pool->wake, &ngx_posted_events);

    r->main->count++;

    return NGX_DONE;
}


void
ngx_http_unique_random_wake(ngx_event_t *ev)
{
    ngx_msec_t                      wait, left;
    ngx_http_unique_random_pool_t  *pool;

    pool = ev->data;

    ngx_http_unique_random_wait_serve(pool);

    if (pool->nwaiters == 0) {
        if (pool->wake.timer_set) {
            ngx_del_timer(&pool->wake);
        }

        return;
    }

    wait = ngx_http_unique_random_wait_ask(pool);

    /* the first to come is the first whose time is up */

    ngx_http_unique_random_wait_refuse(pool, 0,
                                       NGX_HTTP_UNIQUE_RANDOM_UNAVAILABLE);

    if (pool->nwaiters) {
        left = ngx_http_unique_random_wait_left(
                                      ngx_http_unique_random_wait_head(pool));

        ngx_add_timer(&pool->wake, ngx_max(ngx_min(wait, left), 1));
    }
}


/* the client has gone, or the request has ended otherwise */

static void
ngx_http_unique_random_wait_cleanup(void *data)
{
    ngx_http_unique_random_ctx_t *ctx = data;

    if (ctx->waiting) {
        ngx_http_unique_random_wait_remove(ctx);
    }
}


static void
ngx_http_unique_random_wait_remove(ngx_http_unique_random_ctx_t *ctx)
{
    ngx_http_unique_random_pool_t  *pool;

    pool = ctx->pool;

    ctx->waiting = 0;

    ngx_queue_remove(&ctx->queue);

    if (--pool->nwaiters == 0 && pool->wake.timer_set) {
        ngx_del_timer(&pool->wake);
    }
}


static void
ngx_http_unique_random_wait_serve(ngx_http_unique_random_pool_t *pool)
{
    ngx_http_unique_random_ctx_t   *ctx;
    ngx_http_unique_random_draw_t   draw;

    while (pool->nwaiters) {
        ctx = ngx_http_unique_random_wait_head(pool);

        if (ctx->ready
            ? !ngx_http_unique_random_zone_ready(pool)
            : ngx_http_unique_random_zone_draw(pool, &draw) != NGX_OK)
        {
            return;
        }

        ngx_http_unique_random_wait_remove(ctx);

        ngx_http_unique_random_finish(ctx, NGX_HTTP_UNIQUE_RANDOM_WAITED,
                                      ctx->ready ? NULL : &draw);
    }
}


/* refuses those that have less than "wait" left */

static void
ngx_http_unique_random_wait_refuse(ngx_http_unique_random_pool_t *pool,
    ngx_msec_t wait, ngx_http_unique_random_status_e status)
{
    ngx_http_unique_random_ctx_t  *ctx;

    while (pool->nwaiters) {
        ctx = ngx_http_unique_random_wait_head(pool);

        if (ngx_http_unique_random_wait_left(ctx) > wait) {
            return;
        }

        ngx_http_unique_random_wait_remove(ctx);

        ngx_http_unique_random_finish(ctx, status, NULL);
    }
}


/*
 * Asks a range if it is time to, or refuses whom no range can be asked for in
 * time.  Returns when to come again if nothing happens before.
 */

static ngx_msec_t
ngx_http_unique_random_wait_ask(ngx_http_unique_random_pool_t *pool)
{
    ngx_msec_t                         patience;
    ngx_http_unique_random_outlook_t   outlook;

    if (pool->nasked && pool->patient) {
        patience = ngx_current_msec - pool->asked_at;

        if (patience < NGX_HTTP_UNIQUE_RANDOM_PATIENCE) {
            return NGX_HTTP_UNIQUE_RANDOM_PATIENCE - patience;
        }
    }

    ngx_http_unique_random_zone_outlook(pool, &outlook);

    if (outlook.range) {
        pool->asked_at = ngx_current_msec;
        pool->patient = 1;

        ngx_http_unique_random_reserve(outlook.range);
        ngx_http_unique_random_wait_meet(pool);

        return NGX_HTTP_UNIQUE_RANDOM_PATIENCE;
    }

    if (outlook.held || (outlook.in_flight && pool->nasked == 0)) {
        return NGX_HTTP_UNIQUE_RANDOM_LOOK;
    }

    if (pool->nasked) {
        return outlook.wait;
    }

    if (outlook.exhausted) {
        ngx_http_unique_random_wait_refuse(pool, NGX_TIMER_INFINITE,
                                           NGX_HTTP_UNIQUE_RANDOM_EXHAUSTED);
    } else {
        ngx_http_unique_random_wait_refuse(pool, outlook.wait,
                                           NGX_HTTP_UNIQUE_RANDOM_UNAVAILABLE);
    }

    return outlook.wait;
}


/*
 * At a cold start the first to answer serves those who wait, and the numbers
 * that follow are of all ranges.
 */

static void
ngx_http_unique_random_wait_meet(ngx_http_unique_random_pool_t *pool)
{
    ngx_uint_t                        i;
    ngx_http_unique_random_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (ngx_http_unique_random_zone_fetch_first(ranges[i])) {
            ngx_http_unique_random_reserve(ranges[i]);
        }
    }
}


static ngx_msec_t
ngx_http_unique_random_wait_left(ngx_http_unique_random_ctx_t *ctx)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - ctx->start;

    return (passed < ctx->pool->wait_timeout) ? ctx->pool->wait_timeout - passed
                                              : 0;
}
