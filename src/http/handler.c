
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The way of a request.  All answers are sent from here, with their bodies,
 * so that error_page has no part in them; none may be cached or conditional,
 * since a number that is sent twice is a repeated number.
 */


#include "http/handler.h"
#include "http/wait.h"
#include "conf/conf.h"
#include "postgres/reserve.h"
#include "zone/batch.h"


static ngx_int_t ngx_ur_start(ngx_http_request_t *r, ngx_uint_t methods,
    ngx_str_t *allow, ngx_ur_ctx_t **ctx);
static ngx_int_t ngx_ur_join(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_number(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw);
static ngx_int_t ngx_ur_answer(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_answer_ready(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_send(ngx_ur_ctx_t *ctx, ngx_uint_t status,
    ngx_str_t *text, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_ur_add_header(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *value);


static ngx_str_t  ngx_ur_json =
    ngx_string("application/json");

static ngx_str_t  ngx_ur_cache_control =
    ngx_string("Cache-Control");
static ngx_str_t  ngx_ur_no_store = ngx_string("no-store");

static ngx_str_t  ngx_ur_allow = ngx_string("Allow");
static ngx_str_t  ngx_ur_methods = ngx_string("GET, POST");
static ngx_str_t  ngx_ur_ready_methods =
    ngx_string("GET, HEAD");

static ngx_str_t  ngx_ur_retry_after =
    ngx_string("Retry-After");
static ngx_str_t  ngx_ur_one_second = ngx_string("1");

static ngx_str_t  ngx_ur_not_allowed =
    ngx_string("{\"detail\":\"Method Not Allowed\"}");
static ngx_str_t  ngx_ur_used_up =
    ngx_string("{\"detail\":\"All available numbers have been used.\"}");
static ngx_str_t  ngx_ur_not_in_time =
    ngx_string("{\"detail\":\"No number could be reserved in time.\"}");

static ngx_str_t  ngx_ur_is_ready =
    ngx_string("{\"status\":\"ready\"}");
static ngx_str_t  ngx_ur_not_ready_used_up =
    ngx_string("{\"status\":\"unavailable\",\"detail\":"
               "\"All available numbers have been used.\"}");
static ngx_str_t  ngx_ur_not_ready_in_time =
    ngx_string("{\"status\":\"unavailable\",\"detail\":"
               "\"No number could be reserved in time.\"}");


ngx_int_t
ngx_ur_handler(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_ur_ctx_t   *ctx;
    ngx_ur_draw_t   draw;

    rc = ngx_ur_start(r, NGX_HTTP_GET|NGX_HTTP_POST, &ngx_ur_methods, &ctx);
    if (ctx == NULL) {
        return rc;
    }

    /* those who wait have been here before */

    if (ctx->pool->nwaiters == 0
        && ngx_ur_choice_draw(ctx->pool, &draw) == NGX_OK)
    {
        ctx->status = NGX_UR_LEASED;

        if (ngx_ur_number(ctx, &draw) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_ur_answer(ctx);
    }

    return ngx_ur_join(ctx);
}


/* waits as if for a number, and leaves it to others */

ngx_int_t
ngx_ur_ready_handler(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    ngx_ur_ctx_t  *ctx;

    rc = ngx_ur_start(r, NGX_HTTP_GET|NGX_HTTP_HEAD, &ngx_ur_ready_methods,
                      &ctx);
    if (ctx == NULL) {
        return rc;
    }

    ctx->ready = 1;

    if (ngx_ur_choice_ready(ctx->pool)) {
        ctx->status = NGX_UR_LEASED;
        return ngx_ur_answer(ctx);
    }

    return ngx_ur_join(ctx);
}


/* without a context, the request is answered, or has failed */

static ngx_int_t
ngx_ur_start(ngx_http_request_t *r, ngx_uint_t methods, ngx_str_t *allow,
    ngx_ur_ctx_t **ctx)
{
    ngx_int_t           rc;
    ngx_ur_ctx_t       *c;
    ngx_ur_loc_conf_t  *urlcf;

    *ctx = NULL;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    c = ngx_pcalloc(r->pool, sizeof(ngx_ur_ctx_t));
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c->request = r;

    if (!(r->method & methods)) {
        return ngx_ur_send(c, NGX_HTTP_NOT_ALLOWED, &ngx_ur_not_allowed,
                           &ngx_ur_allow, allow);
    }

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    c->pool = urlcf->use->pool;

    ngx_http_set_ctx(r, c, ngx_http_unique_random_module);

    *ctx = c;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_join(ngx_ur_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_ur_wait(ctx);

    if (rc == NGX_DECLINED) {
        return ngx_ur_answer(ctx);
    }

    return rc;
}


void
ngx_ur_finish(ngx_ur_ctx_t *ctx, ngx_ur_status_e status, ngx_ur_draw_t *draw)
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

    if (draw && ngx_ur_number(ctx, draw) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        rc = ngx_ur_answer(ctx);
    }

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


/* the position is taken, so whatever fails from here on burns it */

static ngx_int_t
ngx_ur_number(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw)
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


static ngx_int_t
ngx_ur_answer(ngx_ur_ctx_t *ctx)
{
    if (ctx->ready) {
        return ngx_ur_answer_ready(ctx);
    }

    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        return ngx_ur_send(ctx, NGX_HTTP_CONFLICT, &ngx_ur_used_up, NULL,
                           NULL);

    case NGX_UR_UNAVAILABLE:
        return ngx_ur_send(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                           &ngx_ur_not_in_time, &ngx_ur_retry_after,
                           &ngx_ur_one_second);

    default:
        return ngx_ur_send(ctx, NGX_HTTP_OK, NULL, NULL, NULL);
    }
}


static ngx_int_t
ngx_ur_answer_ready(ngx_ur_ctx_t *ctx)
{
    ngx_str_t  *text;

    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        text = &ngx_ur_not_ready_used_up;
        break;

    case NGX_UR_UNAVAILABLE:
        text = &ngx_ur_not_ready_in_time;
        break;

    default:
        return ngx_ur_send(ctx, NGX_HTTP_OK, &ngx_ur_is_ready, NULL, NULL);
    }

    return ngx_ur_send(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, text,
                       &ngx_ur_retry_after, &ngx_ur_one_second);
}


/* without text, the number is the body */

static ngx_int_t
ngx_ur_send(ngx_ur_ctx_t *ctx, ngx_uint_t status, ngx_str_t *text,
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
        b->last = ctx->json + sizeof(ctx->json);
        *(b->last - 1) = '}';

        b->pos = number_print(b->last - 1, ctx->number);

        b->pos -= sizeof(NGX_UR_JSON) - 1;
        ngx_memcpy(b->pos, NGX_UR_JSON, sizeof(NGX_UR_JSON) - 1);
    }

    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    ctx->out.buf = b;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    r->headers_out.content_type = ngx_ur_json;
    r->headers_out.content_type_len = ngx_ur_json.len;
    r->headers_out.content_type_lowcase = NULL;

    r->disable_not_modified = 1;

    if (ngx_ur_add_header(r,
                                          &ngx_ur_cache_control,
                                          &ngx_ur_no_store)
        != NGX_OK
        || (key && ngx_ur_add_header(r, key, value) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &ctx->out);
}


/*
 * Cache-Control is not set in headers_out.cache_control, where "expires" would
 * replace it.
 */

static ngx_int_t
ngx_ur_add_header(ngx_http_request_t *r, ngx_str_t *key, ngx_str_t *value)
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
