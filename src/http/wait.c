
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Serves those who wait, and sees to it that something is under way for them:
 * one reservation at a time, for all that have gathered, and after a while
 * without a reply one of another range, too.  Who cannot be helped in time is
 * told so at once.  With nobody waiting nothing is armed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "event/timer.h"
#include "http/bulk.h"
#include "http/context.h"
#include "http/queue.h"
#include "http/wait.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/account.h"
#include "zone/choice.h"
#include "zone/outlook.h"


/* when to ask another range beside the one that does not answer */
#define NGX_UR_PATIENCE  250

/* how often to see whether other workers have brought some, or put back */
#define NGX_UR_POLL      20


struct ngx_ur_wait_s {
    /* when they asked last, and how many asks had ended by then */
    ngx_msec_t   asked_at;
    ngx_uint_t   ended;
};


static void ngx_ur_wait_wake(ngx_event_t *ev);
static ngx_msec_t ngx_ur_wait_turn(ngx_ur_pool_t *pool, ngx_ur_queue_e kind);
static ngx_int_t ngx_ur_wait_serve(ngx_ur_pool_t *pool, ngx_ur_queue_e kind);
static void ngx_ur_wait_refuse(ngx_ur_pool_t *pool, ngx_ur_queue_e kind,
    ngx_msec_t wait, ngx_ur_status_e status);
static void ngx_ur_wait_give_up(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first,
    ngx_msec_t wait, ngx_ur_status_e status);
static void ngx_ur_wait_done(ngx_ur_ctx_t *ctx, ngx_ur_status_e status,
    ngx_int_t rc);
static ngx_msec_t ngx_ur_wait_ask(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first,
    ngx_ur_status_e *status);
static void ngx_ur_wait_outlook(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first,
    ngx_ur_outlook_t *outlook);


ngx_int_t
ngx_ur_wait_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_wait_t  *wait;

    wait = ngx_palloc(cf->pool, sizeof(ngx_ur_wait_t));
    if (wait == NULL) {
        return NGX_ERROR;
    }

    /* nothing is awaited: as if the last ask had been too long ago */

    wait->asked_at = ngx_current_msec - NGX_UR_PATIENCE;
    wait->ended = 0;

    pool->wait = wait;

    pool->wake.handler = ngx_ur_wait_wake;
    pool->wake.data = pool;
    pool->wake.log = &cf->cycle->new_log;

    return NGX_OK;
}


ngx_int_t
ngx_ur_wait(ngx_ur_ctx_t *ctx)
{
    ngx_int_t       rc;
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    rc = ngx_ur_queue_enter(ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx->status = NGX_UR_UNAVAILABLE;

    /*
     * Those who wait ask; with "queue 0" there are none.  Where something is
     * leased yet, all that was drawn was excluded, and nothing is to be asked.
     */

    if (ngx_ur_queue_empty(pool)
        && (ctx->bulk || !ngx_ur_choice_ready(pool)))
    {
        (void) ngx_ur_wait_ask(pool, ctx, &ctx->status);
    }

    return NGX_DECLINED;
}


static void
ngx_ur_wait_wake(ngx_event_t *ev)
{
    ngx_msec_t      one, many;
    ngx_ur_pool_t  *pool;

    pool = ev->data;

    one = ngx_ur_wait_turn(pool, NGX_UR_QUEUE_ONE);
    many = ngx_ur_wait_turn(pool, NGX_UR_QUEUE_BULK);

    if (!ngx_ur_queue_empty(pool)) {
        ngx_ur_timer_set(ev, ngx_max(ngx_min(one, many), 1));
    }
}


/* returns when to come again if nothing happens before */

static ngx_msec_t
ngx_ur_wait_turn(ngx_ur_pool_t *pool, ngx_ur_queue_e kind)
{
    ngx_int_t         rc;
    ngx_msec_t        wait;
    ngx_ur_ctx_t     *first;
    ngx_ur_status_e   status;

    wait = NGX_TIMER_INFINITE;

    rc = ngx_ur_wait_serve(pool, kind);

    first = ngx_ur_queue_first(pool, kind);

    if (rc == NGX_AGAIN) {
        ngx_post_event(&pool->wake, &ngx_posted_next_events);

    } else if (first) {
        wait = ngx_ur_wait_ask(pool, first, &status);
    }

    /* the first to come is the first whose time is up */

    if (first && first == ngx_ur_queue_first(pool, kind)) {
        ngx_ur_wait_give_up(pool, first, 0, NGX_UR_UNAVAILABLE);
    }

    first = ngx_ur_queue_first(pool, kind);

    return first ? ngx_min(wait, ngx_ur_queue_left(first))
                 : NGX_TIMER_INFINITE;
}


/* NGX_AGAIN if there is more to do for them in a later round of events */

static ngx_int_t
ngx_ur_wait_serve(ngx_ur_pool_t *pool, ngx_ur_queue_e kind)
{
    ngx_int_t      rc;
    ngx_ur_ctx_t  *ctx;

    while ((ctx = ngx_ur_queue_first(pool, kind)) != NULL) {

        rc = ctx->take(ctx);

        if (rc == NGX_DECLINED || rc == NGX_AGAIN) {
            return rc;
        }

        ngx_ur_wait_done(ctx, NGX_UR_WAITED, rc);
    }

    return NGX_OK;
}


/* refuses those that have less than "wait" left */

static void
ngx_ur_wait_refuse(ngx_ur_pool_t *pool, ngx_ur_queue_e kind, ngx_msec_t wait,
    ngx_ur_status_e status)
{
    ngx_ur_ctx_t  *ctx;

    while ((ctx = ngx_ur_queue_first(pool, kind)) != NULL) {

        if (ngx_ur_queue_left(ctx) > wait) {
            return;
        }

        ngx_ur_wait_done(ctx, status, NGX_OK);
    }
}


/* those who want many are given up one by one: others may want less */

static void
ngx_ur_wait_give_up(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first, ngx_msec_t wait,
    ngx_ur_status_e status)
{
    if (first->bulk == NULL) {
        ngx_ur_wait_refuse(pool, NGX_UR_QUEUE_ONE, wait, status);
        return;
    }

    if (first->waiting && ngx_ur_queue_left(first) <= wait) {
        ngx_ur_wait_done(first, status, NGX_OK);

        ngx_post_event(&pool->wake, &ngx_posted_events);
    }
}


static void
ngx_ur_wait_done(ngx_ur_ctx_t *ctx, ngx_ur_status_e status, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    ngx_ur_queue_leave(ctx);

    ngx_http_set_log_request(c->log, ctx->request);

    ctx->status = status;
    ctx->wait = ngx_current_msec - ctx->start;

    if (!ctx->ready) {
        ngx_ur_account_waited(ctx->pool, ctx->wait);
    }

    ctx->done(ctx, rc);

    ngx_http_run_posted_requests(c);
}


/*
 * Asks ranges for the first of those who wait if it is time to, or refuses whom
 * no range can be asked for in time, and says as what.
 */

static ngx_msec_t
ngx_ur_wait_ask(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first,
    ngx_ur_status_e *status)
{
    ngx_msec_t         patience;
    ngx_ur_wait_t     *wait;
    ngx_ur_outlook_t   outlook;

    *status = NGX_UR_UNAVAILABLE;

    wait = pool->wait;

    /* what still does not answer once another has is no reason for patience */

    if (pool->nasked && wait->ended == pool->nended && first->bulk == NULL) {
        patience = ngx_current_msec - wait->asked_at;

        if (patience < NGX_UR_PATIENCE) {
            return NGX_UR_PATIENCE - patience;
        }
    }

    ngx_ur_wait_outlook(pool, first, &outlook);

    if (outlook.ask) {
        wait->asked_at = ngx_current_msec;
        wait->ended = pool->nended;

        ngx_ur_reserve(pool, &outlook.cause);

        /* another worker may just have begun to ask what was to be looked at */

        return pool->nasked ? NGX_UR_PATIENCE : NGX_UR_POLL;
    }

    if (outlook.batched || (outlook.asking && pool->nasked == 0)) {
        return NGX_UR_POLL;
    }

    if (pool->nasked) {
        patience = first->bulk ? ngx_ur_bulk_patience(first) : 0;

        return patience ? ngx_min(outlook.wait, patience) : outlook.wait;
    }

    if (outlook.exhausted) {
        *status = NGX_UR_EXHAUSTED;
        outlook.wait = NGX_TIMER_INFINITE;
    }

    ngx_ur_wait_give_up(pool, first, outlook.wait, *status);

    return outlook.wait;
}


static void
ngx_ur_wait_outlook(ngx_ur_pool_t *pool, ngx_ur_ctx_t *first,
    ngx_ur_outlook_t *outlook)
{
    if (first->bulk == NULL) {
        ngx_ur_choice_outlook(pool, outlook);
        return;
    }

    ngx_ur_outlook(pool, ngx_ur_bulk_wanted(first->bulk),
                   first->bulk->hold->left, ngx_ur_bulk_patience(first) != 0,
                   outlook);
}
