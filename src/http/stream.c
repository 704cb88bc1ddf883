
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * One buffer is filled in each round of events, so that other requests of the
 * worker have their turn.  If a range is fenced meanwhile, the connection is
 * closed: the status has been sent, and must not be believed.
 *
 * Only a subrequest whose response is not for the client is filled at once: one
 * in the background has neither a turn nor events.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "core/format.h"
#include "core/number.h"
#include "http/answer.h"
#include "http/body.h"
#include "http/context.h"
#include "http/header.h"
#include "http/stream.h"
#include "pool.h"
#include "zone/hold.h"
#include "zone/issue.h"


#define NGX_UR_STREAM_BUFFER   16384
#define NGX_UR_STREAM_BUFFERS  2

#define NGX_UR_STREAM_HEAD     "{\"numbers\":["
#define NGX_UR_STREAM_TAIL     "]}"

/* of a number: its quotes, and a comma or a line feed */
#define NGX_UR_STREAM_MARKS    3


struct ngx_ur_stream_s {
    ngx_ur_hold_t  *hold;
    ngx_chain_t    *free;
    ngx_chain_t    *busy;
    ngx_uint_t      buffers;

    unsigned        text:1;
    unsigned        begun:1;
    unsigned        any:1;              /* a number has been written */
    unsigned        ended:1;
};


static ngx_int_t ngx_ur_stream_header(ngx_ur_ctx_t *ctx);
static void ngx_ur_stream_handler(ngx_http_request_t *r);
static ngx_int_t ngx_ur_stream_at_once(ngx_http_request_t *r);
static ngx_int_t ngx_ur_stream_go_on(ngx_http_request_t *r);
static ngx_int_t ngx_ur_stream_cut(ngx_http_request_t *r);
static ngx_int_t ngx_ur_stream_wait(ngx_http_request_t *r);
static void ngx_ur_stream_timer(ngx_http_request_t *r);
static ngx_int_t ngx_ur_stream_buffer(ngx_ur_ctx_t *ctx, ngx_chain_t **out);
static ngx_int_t ngx_ur_stream_fill(ngx_ur_ctx_t *ctx, ngx_buf_t *b);
static ngx_int_t ngx_ur_stream_numbers(ngx_ur_ctx_t *ctx, ngx_buf_t *b);
static u_char *ngx_ur_stream_print(ngx_ur_ctx_t *ctx, uint64_t number,
    u_char *p);


ngx_int_t
ngx_ur_stream(ngx_ur_ctx_t *ctx, ngx_ur_hold_t *hold)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->stream = ngx_pcalloc(r->pool, sizeof(ngx_ur_stream_t));
    if (ctx->stream == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->stream->hold = hold;

    rc = ngx_ur_stream_header(ctx);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {

        /* a subrequest may have ended long before its request has */

        ngx_ur_hold_return(hold);
        return rc;
    }

    rc = (r->background || r->subrequest_in_memory) ? ngx_ur_stream_at_once(r)
                                                    : ngx_ur_stream_go_on(r);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    ngx_ur_body_pause(ctx);

    r->read_event_handler = ctx->discard_body ? ngx_http_block_reading
                                              : ngx_http_test_reading;
    r->write_event_handler = ngx_ur_stream_handler;

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_ur_stream_header(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->stream->text = ngx_ur_header_wants_text(r);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = -1;

    if (ngx_ur_answer_header(ctx, ctx->stream->text ? &ngx_ur_answer_plain
                                                    : &ngx_ur_answer_json)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_header(r);
}


static void
ngx_ur_stream_handler(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;

    if (c->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        (void) ngx_ur_stream_cut(r);

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    ngx_ur_body_go_on(ngx_http_get_module_ctx(r,
                                              ngx_http_unique_random_module));

    if (c->write->delayed || r->aio) {
        rc = ngx_ur_stream_wait(r);

    } else {
        rc = ngx_ur_stream_go_on(r);
    }

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }
}


/* who takes what is sent does so at once, or never */

static ngx_int_t
ngx_ur_stream_at_once(ngx_http_request_t *r)
{
    ngx_chain_t      *out;
    ngx_ur_ctx_t     *ctx;
    ngx_ur_stream_t  *stream;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);
    stream = ctx->stream;

    do {
        if (ngx_ur_stream_buffer(ctx, &out) != NGX_OK
            || (out == NULL && stream->free == NULL)
            || ngx_http_output_filter(r, out) == NGX_ERROR)
        {
            return ngx_ur_stream_cut(r);
        }

        ngx_chain_update_chains(r->pool, &stream->free, &stream->busy, &out,
                                (ngx_buf_tag_t) &ngx_http_unique_random_module);

    } while (!stream->ended);

    return NGX_OK;
}


/* NGX_AGAIN: the handler will be called again */

static ngx_int_t
ngx_ur_stream_go_on(ngx_http_request_t *r)
{
    ngx_chain_t      *out;
    ngx_ur_ctx_t     *ctx;
    ngx_event_t      *wev;
    ngx_ur_stream_t  *stream;

    wev = r->connection->write;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);
    stream = ctx->stream;

    /* what is sent before its turn would be kept in memory */

    if (r != r->connection->data) {
        return NGX_AGAIN;
    }

    if (ngx_ur_stream_buffer(ctx, &out) != NGX_OK
        || ngx_http_output_filter(r, out) == NGX_ERROR)
    {
        return ngx_ur_stream_cut(r);
    }

    if (stream->ended) {

        /* what is not sent yet nginx sends when the request is finalized */

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        return NGX_OK;
    }

    ngx_chain_update_chains(r->pool, &stream->free, &stream->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_unique_random_module);

    if (stream->free == NULL && stream->buffers == NGX_UR_STREAM_BUFFERS) {
        return ngx_ur_stream_wait(r);
    }

    ngx_ur_stream_timer(r);

    ngx_post_event(wev, &ngx_posted_next_events);

    return NGX_AGAIN;
}


/* with post_action, the connection would go on behind a part of an answer */

static ngx_int_t
ngx_ur_stream_cut(ngx_http_request_t *r)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    ngx_ur_hold_return(ctx->stream->hold);

    r->main->keepalive = 0;

    return NGX_ERROR;
}


/* for the client to read */

static ngx_int_t
ngx_ur_stream_wait(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_ur_stream_timer(r);

    return (ngx_handle_write_event(r->connection->write, clcf->send_lowat)
            == NGX_OK)
           ? NGX_AGAIN : NGX_ERROR;
}


/* also where there is nothing to wait for: a worker exits without a timer */

static void
ngx_ur_stream_timer(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }
}


/* "out" is NULL without a buffer that is free, or a number for it yet */

static ngx_int_t
ngx_ur_stream_buffer(ngx_ur_ctx_t *ctx, ngx_chain_t **out)
{
    ngx_buf_t        *b;
    ngx_chain_t      *cl;
    ngx_ur_stream_t  *stream;

    stream = ctx->stream;

    *out = NULL;

    if (stream->free == NULL && stream->buffers == NGX_UR_STREAM_BUFFERS) {
        return NGX_OK;
    }

    cl = ngx_chain_get_free_buf(ctx->request->pool, &stream->free);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;

    if (b->start == NULL) {
        b->start = ngx_palloc(ctx->request->pool, NGX_UR_STREAM_BUFFER);
        if (b->start == NULL) {
            return NGX_ERROR;
        }

        b->end = b->start + NGX_UR_STREAM_BUFFER;
        b->temporary = 1;
        b->recycled = 1;
        b->tag = (ngx_buf_tag_t) &ngx_http_unique_random_module;

        stream->buffers++;
    }

    b->pos = b->start;
    b->last = b->start;

    if (ngx_ur_stream_fill(ctx, b) != NGX_OK) {
        return NGX_ERROR;
    }

    if (b->pos == b->last && !stream->ended) {
        cl->next = stream->free;
        stream->free = cl;

        return NGX_OK;
    }

    *out = cl;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_stream_fill(ngx_ur_ctx_t *ctx, ngx_buf_t *b)
{
    ngx_ur_stream_t  *stream;

    stream = ctx->stream;

    if (!stream->begun && !stream->text) {
        stream->begun = 1;

        b->last = ngx_cpymem(b->last, NGX_UR_STREAM_HEAD,
                             sizeof(NGX_UR_STREAM_HEAD) - 1);
    }

    if (ngx_ur_stream_numbers(ctx, b) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "a range of unique_random_pool \"%V\" was fenced, or "
                      "began a new life, while its numbers were sent: the "
                      "response is cut off", &ctx->pool->name);
        return NGX_ERROR;
    }

    if (stream->hold->left) {
        return NGX_OK;
    }

    stream->ended = 1;

    if (!stream->text) {
        b->last = ngx_cpymem(b->last, NGX_UR_STREAM_TAIL,
                             sizeof(NGX_UR_STREAM_TAIL) - 1);
    }

    /* without numbers, for those that were left are excluded */

    if (b->pos == b->last) {
        b->temporary = 0;
        b->sync = 1;
    }

    b->last_buf = (ctx->request == ctx->request->main) ? 1 : 0;
    b->last_in_chain = 1;

    return NGX_OK;
}


/*
 * As many as there is room for, and the tail.  Where some are excluded, each
 * has to be matched again: others have their turn in between.
 */

static ngx_int_t
ngx_ur_stream_numbers(ngx_ur_ctx_t *ctx, ngx_buf_t *b)
{
    size_t          len, room;
    uint64_t        numbers[NGX_UR_ISSUE_MAX];
    ngx_int_t       i, n;
    ngx_ur_hold_t  *hold;

    hold = ctx->stream->hold;

    len = (ctx->pool->format ? ctx->pool->format->len : NUMBER_LEN)
          + NGX_UR_STREAM_MARKS;

    while (hold->left) {
        room = b->end - b->last - (sizeof(NGX_UR_STREAM_TAIL) - 1);

        if (room < len) {
            return NGX_OK;
        }

        n = ngx_ur_issue(hold, numbers, room / len);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        for (i = 0; i < n; i++) {
            b->last = ngx_ur_stream_print(ctx, numbers[i], b->last);
        }

        if (ctx->pool->excludes) {
            return NGX_OK;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_ur_stream_print(ngx_ur_ctx_t *ctx, uint64_t number, u_char *p)
{
    ngx_uint_t        quoted;
    ngx_ur_stream_t  *stream;

    stream = ctx->stream;

    if (stream->text) {
        p = format_print(ctx->pool->format, number, p);
        *p++ = '\n';

        return p;
    }

    quoted = (ctx->pool->format != NULL);

    if (stream->any) {
        *p++ = ',';
    }

    stream->any = 1;

    if (quoted) {
        *p++ = '"';
    }

    p = format_print(ctx->pool->format, number, p);

    if (quoted) {
        *p++ = '"';
    }

    return p;
}
