
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Nothing of nginx takes a request out of a queue: a redirect clears contexts
 * and runs no cleanup.  docs/internals.md has the table of who does.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "http/body.h"
#include "http/bulk.h"
#include "http/client.h"
#include "http/context.h"
#include "http/queue.h"
#include "pool.h"
#include "zone/account.h"


struct ngx_ur_queue_s {
    ngx_queue_t  lists[NGX_UR_QUEUES];  /* of ngx_ur_ctx_t */
};


static ngx_ur_queue_e ngx_ur_queue_kind(ngx_ur_ctx_t *ctx);
static ngx_uint_t *ngx_ur_queue_count(ngx_ur_ctx_t *ctx);
static ngx_uint_t ngx_ur_queue_full(ngx_ur_ctx_t *ctx);
static ngx_uint_t ngx_ur_queue_is_served(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_queue_watch(ngx_http_request_t *r);
static void ngx_ur_queue_read(ngx_http_request_t *r);
static void ngx_ur_queue_abandon(ngx_ur_ctx_t *ctx);
static void ngx_ur_queue_cleanup(void *data);
static void ngx_ur_queue_show(ngx_ur_pool_t *pool);


#define ngx_ur_queue_head(q)                                                  \
    (ngx_queue_data(ngx_queue_head(q), ngx_ur_ctx_t, queue))


ngx_int_t
ngx_ur_queue_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t       i;
    ngx_ur_queue_t  *queue;

    queue = ngx_palloc(cf->pool, sizeof(ngx_ur_queue_t));
    if (queue == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_UR_QUEUES; i++) {
        ngx_queue_init(&queue->lists[i]);
    }

    pool->waiters = queue;

    return NGX_OK;
}


ngx_int_t
ngx_ur_queue_enter(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t       *pool;
    ngx_http_request_t  *r;
    ngx_http_cleanup_t  *cln;

    r = ctx->request;
    pool = ctx->pool;

    if (ngx_ur_queue_full(ctx) && !ngx_ur_queue_is_served(ctx)) {
        return NGX_DECLINED;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ur_queue_cleanup;
    cln->data = ctx;

    if (ngx_ur_queue_watch(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_ur_body_pause(ctx);

    ctx->start = ngx_current_msec;
    ctx->waiting = 1;

    ngx_queue_insert_tail(&pool->waiters->lists[ngx_ur_queue_kind(ctx)],
                          &ctx->queue);

    (*ngx_ur_queue_count(ctx))++;

    ngx_ur_queue_show(pool);

    /* those that come in the same round of events share a reservation */

    ngx_post_event(ctx->look ? &pool->look : &pool->wake, &ngx_posted_events);

    return NGX_OK;
}


static ngx_ur_queue_e
ngx_ur_queue_kind(ngx_ur_ctx_t *ctx)
{
    return ctx->look ? NGX_UR_QUEUE_LOOK
                     : ctx->bulk ? NGX_UR_QUEUE_BULK : NGX_UR_QUEUE_ONE;
}


static ngx_uint_t *
ngx_ur_queue_count(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    switch (ngx_ur_queue_kind(ctx)) {

    case NGX_UR_QUEUE_LOOK:
        return &pool->nlooks;

    case NGX_UR_QUEUE_BULK:
        return &pool->nbulk;

    default: /* NGX_UR_QUEUE_ONE */
        return &pool->nwaiters;
    }
}


/* those for a look keep nobody from waiting for numbers */

static ngx_uint_t
ngx_ur_queue_full(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    return (ctx->look ? pool->nlooks : pool->nwaiters + pool->nbulk)
           >= pool->queue;
}


/* it has its numbers, which are being checked: it waits for its turn only */

static ngx_uint_t
ngx_ur_queue_is_served(ngx_ur_ctx_t *ctx)
{
    return ctx->bulk && ctx->bulk->hold->left;
}


/*
 * Has it noticed when the client leaves.  A post_action may begin after that,
 * and goes on without a client, as one that is proxied does.
 */

static ngx_int_t
ngx_ur_queue_watch(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    r->write_event_handler = ngx_http_request_empty_handler;

    if (r->post_action) {
        r->read_event_handler = ngx_http_block_reading;
        return NGX_OK;
    }

    r->read_event_handler = ngx_ur_queue_read;

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
ngx_ur_queue_read(ngx_http_request_t *r)
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
        ngx_ur_queue_abandon(ctx);
    }

    ngx_http_finalize_request(r, rc);
}


/* the request goes on without its client; of its body, no more will come */

static void
ngx_ur_queue_abandon(ngx_ur_ctx_t *ctx)
{
    ngx_ur_queue_leave(ctx);

    ngx_ur_body_forget(ctx);
}


/* the request has ended otherwise */

static void
ngx_ur_queue_cleanup(void *data)
{
    ngx_ur_ctx_t *ctx = data;

    if (ctx->waiting) {
        ngx_ur_queue_leave(ctx);
    }
}


void
ngx_ur_queue_leave(ngx_ur_ctx_t *ctx)
{
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    ctx->waiting = 0;

    ngx_queue_remove(&ctx->queue);

    (*ngx_ur_queue_count(ctx))--;

    if (ngx_ur_queue_empty(pool) && pool->wake.timer_set) {
        ngx_del_timer(&pool->wake);
    }

    if (pool->nlooks == 0 && pool->look.timer_set) {
        ngx_del_timer(&pool->look);
    }

    ngx_ur_queue_show(pool);
}


void
ngx_ur_queue_rotate(ngx_ur_ctx_t *ctx)
{
    ngx_queue_remove(&ctx->queue);

    ngx_queue_insert_tail(&ctx->pool->waiters->lists[ngx_ur_queue_kind(ctx)],
                          &ctx->queue);
}


static void
ngx_ur_queue_show(ngx_ur_pool_t *pool)
{
    ngx_msec_t    oldest;
    ngx_queue_t  *waiters, *bulk;

    waiters = &pool->waiters->lists[NGX_UR_QUEUE_ONE];
    bulk = &pool->waiters->lists[NGX_UR_QUEUE_BULK];

    oldest = 0;

    if (pool->nwaiters) {
        oldest = ngx_ur_queue_head(waiters)->start;
    }

    if (pool->nbulk
        && (oldest == 0
            || (ngx_msec_int_t) (ngx_ur_queue_head(bulk)->start - oldest) < 0))
    {
        oldest = ngx_ur_queue_head(bulk)->start;
    }

    ngx_ur_account_waiting(pool, pool->nwaiters + pool->nbulk, oldest);
}


/*
 * Who was redirected by somebody else has another context and an owner, and is
 * forgotten.  A subrequest may be the last to hear that its client has left.
 */

ngx_ur_ctx_t *
ngx_ur_queue_first(ngx_ur_pool_t *pool, ngx_ur_queue_e kind)
{
    ngx_queue_t         *queue;
    ngx_ur_ctx_t        *ctx;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    queue = &pool->waiters->lists[kind];

    while (!ngx_queue_empty(queue)) {
        ctx = ngx_ur_queue_head(queue);
        r = ctx->request;

        if (ngx_http_get_module_ctx(r, ngx_http_unique_random_module) != ctx) {
            ngx_ur_queue_leave(ctx);
            continue;
        }

        c = r->connection;

        if (!c->error || r->post_action) {
            return ctx;
        }

        ngx_http_set_log_request(c->log, r);

        ngx_ur_queue_abandon(ctx);

        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);

        ngx_http_run_posted_requests(c);
    }

    return NULL;
}


ngx_msec_t
ngx_ur_queue_left(ngx_ur_ctx_t *ctx)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - ctx->start;

    return (passed < ctx->pool->wait_timeout) ? ctx->pool->wait_timeout - passed
                                              : 0;
}
