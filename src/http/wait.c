
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

#include "conf/conf.h"
#include "event/timer.h"
#include "http/answer.h"
#include "http/client.h"
#include "http/context.h"
#include "http/wait.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/choice.h"


/* when to ask another range beside the one that does not answer */
#define NGX_UR_PATIENCE  250

/* how often to see whether other workers have brought some, or put back */
#define NGX_UR_POLL      20


struct ngx_ur_wait_s {
    ngx_queue_t  waiters;               /* of ngx_ur_ctx_t */

    /* when they asked last, and how many asks had ended by then */
    ngx_msec_t   asked_at;
    ngx_uint_t   ended;
};


static ngx_int_t ngx_ur_wait_watch(ngx_http_request_t *r);
static void ngx_ur_wait_read(ngx_http_request_t *r);
static void ngx_ur_wait_wake(ngx_event_t *ev);
static void ngx_ur_wait_leave(ngx_ur_ctx_t *ctx);
static void ngx_ur_wait_cleanup(void *data);
static void ngx_ur_wait_remove(ngx_ur_ctx_t *ctx);
static ngx_ur_ctx_t *ngx_ur_wait_first(ngx_ur_pool_t *pool);
static void ngx_ur_wait_serve(ngx_ur_pool_t *pool);
static void ngx_ur_wait_refuse(ngx_ur_pool_t *pool, ngx_msec_t wait,
    ngx_ur_status_e status);
static ngx_msec_t ngx_ur_wait_ask(ngx_ur_pool_t *pool,
    ngx_ur_status_e *status);
static ngx_msec_t ngx_ur_wait_left(ngx_ur_ctx_t *ctx);


#define ngx_ur_wait_head(pool)                                                \
    ngx_queue_data(ngx_queue_head(&(pool)->wait->waiters), ngx_ur_ctx_t,      \
                   queue)


ngx_int_t
ngx_ur_wait_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_wait_t  *wait;

    wait = ngx_pcalloc(cf->pool, sizeof(ngx_ur_wait_t));
    if (wait == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&wait->waiters);

    /* nothing is awaited: as if the last ask had been too long ago */

    wait->asked_at = ngx_current_msec - NGX_UR_PATIENCE;

    pool->wait = wait;

    pool->wake.handler = ngx_ur_wait_wake;
    pool->wake.data = pool;
    pool->wake.log = &cf->cycle->new_log;

    return NGX_OK;
}


ngx_int_t
ngx_ur_wait(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t       *pool;
    ngx_http_request_t  *r;
    ngx_http_cleanup_t  *cln;

    r = ctx->request;
    pool = ctx->pool;

    if (pool->nwaiters >= pool->queue) {
        ctx->status = NGX_UR_UNAVAILABLE;

        /* those who wait ask; with "queue 0" there are none */

        if (pool->nwaiters == 0) {
            (void) ngx_ur_wait_ask(pool, &ctx->status);
        }

        return NGX_DECLINED;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_ur_wait_cleanup;
    cln->data = ctx;

    if (ngx_ur_wait_watch(r) != NGX_OK) {
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

    ctx->start = ngx_current_msec;
    ctx->waiting = 1;

    ngx_queue_insert_tail(&pool->wait->waiters, &ctx->queue);
    pool->nwaiters++;

    /* those that come in the same round of events share a reservation */

    ngx_post_event(&pool->wake, &ngx_posted_events);

    r->main->count++;

    return NGX_DONE;
}


/*
 * Has it noticed when the client leaves.  A post_action may begin after that,
 * and goes on without a client, as one that is proxied does.
 */

static ngx_int_t
ngx_ur_wait_watch(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    r->write_event_handler = ngx_http_request_empty_handler;

    if (r->post_action) {
        r->read_event_handler = ngx_http_block_reading;
        return NGX_OK;
    }

    r->read_event_handler = ngx_ur_wait_read;

    rev = r->connection->read;

    /* a client that has left already makes no event of its own */

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return NGX_OK;
    }

    return ngx_handle_read_event(rev, 0);
}


/*
 * What ngx_http_test_reading() does, but the queue is left before the request
 * goes on: post_action redirects it, with its cleanups not run.
 */

static void
ngx_ur_wait_read(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    ngx_event_t       *rev;
    ngx_ur_ctx_t      *ctx;
    ngx_connection_t  *c;

    c = r->connection;
    rev = c->read;

    if (ngx_ur_client_gone(r)) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "client prematurely closed connection");

        rev->eof = 1;
        c->error = 1;

#if (NGX_HTTP_SSL)
        if (c->ssl) {
            c->ssl->no_send_shutdown = 1;
        }
#endif

        rc = NGX_HTTP_CLIENT_CLOSED_REQUEST;

    } else if ((ngx_event_flags & NGX_USE_LEVEL_EVENT) && rev->active
               && ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK)
    {
        rc = NGX_ERROR;

    } else {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    /* one that is answered, and waits for its place in a page, has left */

    if (ctx && ctx->waiting) {
        ngx_ur_wait_leave(ctx);
    }

    ngx_http_finalize_request(r, rc);
}


static void
ngx_ur_wait_wake(ngx_event_t *ev)
{
    ngx_msec_t        wait, left;
    ngx_ur_pool_t    *pool;
    ngx_ur_status_e   status;

    pool = ev->data;

    ngx_ur_wait_serve(pool);

    if (pool->nwaiters == 0) {
        if (pool->wake.timer_set) {
            ngx_del_timer(&pool->wake);
        }

        return;
    }

    wait = ngx_ur_wait_ask(pool, &status);

    /* the first to come is the first whose time is up */

    ngx_ur_wait_refuse(pool, 0, NGX_UR_UNAVAILABLE);

    if (pool->nwaiters) {
        left = ngx_ur_wait_left(ngx_ur_wait_head(pool));

        ngx_ur_timer_set(&pool->wake, ngx_max(ngx_min(wait, left), 1));
    }
}


/* the request goes on without its client; of its body, no more will come */

static void
ngx_ur_wait_leave(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    ngx_ur_wait_remove(ctx);

    if (ctx->discard_body) {
        r = ctx->request;

        r->headers_in.content_length_n = -1;
        r->headers_in.chunked = 0;
        r->lingering_close = 0;

        /* discarding it had a count of its own */
        r->count--;
    }
}


/* the request has ended otherwise */

static void
ngx_ur_wait_cleanup(void *data)
{
    ngx_ur_ctx_t *ctx = data;

    if (ctx->waiting) {
        ngx_ur_wait_remove(ctx);
    }
}


static void
ngx_ur_wait_remove(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    ctx->waiting = 0;

    ngx_queue_remove(&ctx->queue);

    if (--pool->nwaiters == 0 && pool->wake.timer_set) {
        ngx_del_timer(&pool->wake);
    }
}


/*
 * The first one that is still to be answered.  Who was redirected by somebody
 * else has another context and an owner, and is forgotten.  A subrequest may
 * be the last to hear that its client has left.
 */

static ngx_ur_ctx_t *
ngx_ur_wait_first(ngx_ur_pool_t *pool)
{
    ngx_ur_ctx_t        *ctx;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    while (pool->nwaiters) {
        ctx = ngx_ur_wait_head(pool);
        r = ctx->request;

        if (ngx_http_get_module_ctx(r, ngx_http_unique_random_module) != ctx) {
            ngx_ur_wait_remove(ctx);
            continue;
        }

        c = r->connection;

        if (!c->error || r->post_action) {
            return ctx;
        }

        ngx_http_set_log_request(c->log, r);

        ngx_ur_wait_leave(ctx);

        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);

        ngx_http_run_posted_requests(c);
    }

    return NULL;
}


static void
ngx_ur_wait_serve(ngx_ur_pool_t *pool)
{
    ngx_ur_ctx_t   *ctx;
    ngx_ur_draw_t   draw;

    while ((ctx = ngx_ur_wait_first(pool)) != NULL) {

        if (ctx->ready
            ? !ngx_ur_choice_ready(pool)
            : ngx_ur_choice_draw(pool, &draw) != NGX_OK)
        {
            return;
        }

        ngx_ur_wait_remove(ctx);

        ngx_ur_answer_waited(ctx, NGX_UR_WAITED, ctx->ready ? NULL : &draw);
    }
}


/* refuses those that have less than "wait" left */

static void
ngx_ur_wait_refuse(ngx_ur_pool_t *pool, ngx_msec_t wait,
    ngx_ur_status_e status)
{
    ngx_ur_ctx_t  *ctx;

    while ((ctx = ngx_ur_wait_first(pool)) != NULL) {

        if (ngx_ur_wait_left(ctx) > wait) {
            return;
        }

        ngx_ur_wait_remove(ctx);

        ngx_ur_answer_waited(ctx, status, NULL);
    }
}


/*
 * Asks ranges if it is time to, or refuses whom no range can be asked for in
 * time, and says as what.  Returns when to come again if nothing happens
 * before.
 */

static ngx_msec_t
ngx_ur_wait_ask(ngx_ur_pool_t *pool, ngx_ur_status_e *status)
{
    ngx_msec_t         patience;
    ngx_ur_wait_t     *wait;
    ngx_ur_outlook_t   outlook;

    *status = NGX_UR_UNAVAILABLE;

    wait = pool->wait;

    /* what still does not answer once another has is no reason for patience */

    if (pool->nasked && wait->ended == pool->nended) {
        patience = ngx_current_msec - wait->asked_at;

        if (patience < NGX_UR_PATIENCE) {
            return NGX_UR_PATIENCE - patience;
        }
    }

    ngx_ur_choice_outlook(pool, &outlook);

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
        return outlook.wait;
    }

    if (outlook.exhausted) {
        *status = NGX_UR_EXHAUSTED;
        outlook.wait = NGX_TIMER_INFINITE;
    }

    ngx_ur_wait_refuse(pool, outlook.wait, *status);

    return outlook.wait;
}


static ngx_msec_t
ngx_ur_wait_left(ngx_ur_ctx_t *ctx)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - ctx->start;

    return (passed < ctx->pool->wait_timeout) ? ctx->pool->wait_timeout - passed
                                              : 0;
}
