
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * All answers are sent from here, with their bodies, so that error_page has no
 * part in them; none may be cached or conditional, since a number that is sent
 * twice is a repeated number.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/number.h"
#include "http/answer.h"
#include "http/context.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/batch.h"
#include "zone/choice.h"


static ngx_int_t ngx_ur_answer_ready(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_answer_unavailable(ngx_ur_ctx_t *ctx, ngx_str_t *text);
static ngx_int_t ngx_ur_answer_send(ngx_ur_ctx_t *ctx, ngx_uint_t status,
    ngx_str_t *text, ngx_str_t *key, ngx_str_t *value);
static void ngx_ur_answer_number(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_answer_add_header(ngx_http_request_t *r,
    ngx_str_t *key, ngx_str_t *value);


static ngx_str_t  ngx_ur_answer_json = ngx_string("application/json");

static ngx_str_t  ngx_ur_answer_cache_control = ngx_string("Cache-Control");
static ngx_str_t  ngx_ur_answer_no_store = ngx_string("no-store");

static ngx_str_t  ngx_ur_answer_allow = ngx_string("Allow");

static ngx_str_t  ngx_ur_answer_retry_after = ngx_string("Retry-After");
static ngx_str_t  ngx_ur_answer_one_second = ngx_string("1");

static ngx_str_t  ngx_ur_answer_not_allowed_text =
    ngx_string("{\"detail\":\"Method Not Allowed\"}");
static ngx_str_t  ngx_ur_answer_used_up =
    ngx_string("{\"detail\":\"All available numbers have been used.\"}");
static ngx_str_t  ngx_ur_answer_not_in_time =
    ngx_string("{\"detail\":\"No number could be reserved in time.\"}");

static ngx_str_t  ngx_ur_answer_ready_yes =
    ngx_string("{\"status\":\"ready\"}");
static ngx_str_t  ngx_ur_answer_not_ready_used_up =
    ngx_string("{\"status\":\"unavailable\",\"detail\":"
               "\"All available numbers have been used.\"}");
static ngx_str_t  ngx_ur_answer_not_ready_in_time =
    ngx_string("{\"status\":\"unavailable\",\"detail\":"
               "\"No number could be reserved in time.\"}");


/* the position is taken, so whatever fails from here on burns it */

ngx_int_t
ngx_ur_answer_take(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw)
{
    uint64_t         position, value;
    ngx_int_t        rc;
    ngx_ur_range_t  *range;

    range = draw->range;

    rc = ngx_ur_batch_issue(range, &position, &value);

    if (draw->ask) {
        ngx_ur_reserve(ctx->pool, &draw->cause);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "no permutation of range %uL-%uL, position %uL is "
                      "burned", range->first, range->last, position);
        return NGX_ERROR;
    }

    ctx->number = range->first + value;
    ctx->shard = &range->shard->name;

    return NGX_OK;
}


ngx_int_t
ngx_ur_answer(ngx_ur_ctx_t *ctx)
{
    if (ctx->ready) {
        return ngx_ur_answer_ready(ctx);
    }

    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        return ngx_ur_answer_send(ctx, NGX_HTTP_CONFLICT,
                                  &ngx_ur_answer_used_up, NULL, NULL);

    case NGX_UR_UNAVAILABLE:
        return ngx_ur_answer_unavailable(ctx, &ngx_ur_answer_not_in_time);

    default:
        return ngx_ur_answer_send(ctx, NGX_HTTP_OK, NULL, NULL, NULL);
    }
}


static ngx_int_t
ngx_ur_answer_ready(ngx_ur_ctx_t *ctx)
{
    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        return ngx_ur_answer_unavailable(ctx,
                                         &ngx_ur_answer_not_ready_used_up);

    case NGX_UR_UNAVAILABLE:
        return ngx_ur_answer_unavailable(ctx,
                                         &ngx_ur_answer_not_ready_in_time);

    default:
        return ngx_ur_answer_send(ctx, NGX_HTTP_OK, &ngx_ur_answer_ready_yes,
                                  NULL, NULL);
    }
}


static ngx_int_t
ngx_ur_answer_unavailable(ngx_ur_ctx_t *ctx, ngx_str_t *text)
{
    return ngx_ur_answer_send(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, text,
                              &ngx_ur_answer_retry_after,
                              &ngx_ur_answer_one_second);
}


ngx_int_t
ngx_ur_answer_not_allowed(ngx_ur_ctx_t *ctx, ngx_str_t *allow)
{
    return ngx_ur_answer_send(ctx, NGX_HTTP_NOT_ALLOWED,
                              &ngx_ur_answer_not_allowed_text,
                              &ngx_ur_answer_allow, allow);
}


void
ngx_ur_answer_waited(ngx_ur_ctx_t *ctx, ngx_ur_status_e status,
    ngx_ur_draw_t *draw)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->status = status;
    ctx->wait = ngx_current_msec - ctx->start;

    if (ctx->discard_body) {
        r->discard_body = 1;
        r->read_event_handler = ngx_http_discarded_request_body_handler;

        /* what has arrived meanwhile makes no event of its own */
        ngx_post_event(c->read, &ngx_posted_events);
    }

    if (draw && ngx_ur_answer_take(ctx, draw) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_ur_answer(ctx);
    }

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


/* without text, the number is the body */

static ngx_int_t
ngx_ur_answer_send(ngx_ur_ctx_t *ctx, ngx_uint_t status, ngx_str_t *text,
    ngx_str_t *key, ngx_str_t *value)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_http_request_t  *r;

    r = ctx->request;
    b = &ctx->buf;

    if (text) {
        b->pos = text->data;
        b->last = text->data + text->len;

    } else {
        ngx_ur_answer_number(ctx);
    }

    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    ctx->out.buf = b;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    r->headers_out.content_type = ngx_ur_answer_json;
    r->headers_out.content_type_len = ngx_ur_answer_json.len;
    r->headers_out.content_type_lowcase = NULL;

    r->disable_not_modified = 1;

    if (ngx_ur_answer_add_header(r, &ngx_ur_answer_cache_control,
                                 &ngx_ur_answer_no_store)
        != NGX_OK
        || (key && ngx_ur_answer_add_header(r, key, value) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &ctx->out);
}


static void
ngx_ur_answer_number(ngx_ur_ctx_t *ctx)
{
    ngx_buf_t  *b;

    b = &ctx->buf;

    b->last = ctx->json + sizeof(ctx->json);
    *(b->last - 1) = '}';

    b->pos = number_print(b->last - 1, ctx->number);

    b->pos -= sizeof(NGX_UR_JSON) - 1;
    ngx_memcpy(b->pos, NGX_UR_JSON, sizeof(NGX_UR_JSON) - 1);
}


/*
 * Cache-Control is not set in headers_out.cache_control, where "expires" would
 * replace it.
 */

static ngx_int_t
ngx_ur_answer_add_header(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *key;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}
