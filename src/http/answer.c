
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

#include "conf/conf.h"
#include "core/format.h"
#include "http/answer.h"
#include "http/body.h"
#include "http/context.h"
#include "http/header.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/stock.h"


static ngx_int_t ngx_ur_answer_given(ngx_ur_ctx_t *ctx);
static u_char *ngx_ur_answer_line(ngx_ur_ctx_t *ctx, u_char *p);
static u_char *ngx_ur_answer_number(ngx_ur_ctx_t *ctx, u_char *p);
static ngx_int_t ngx_ur_answer_unavailable(ngx_ur_ctx_t *ctx, ngx_str_t *text);
static ngx_int_t ngx_ur_answer_send(ngx_ur_ctx_t *ctx, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *text, const char *key, const char *value);
static ngx_int_t ngx_ur_answer_remaining(ngx_ur_ctx_t *ctx);


#define NGX_UR_ERROR_LEN  256


ngx_str_t  ngx_ur_answer_json = ngx_string("application/json");
ngx_str_t  ngx_ur_answer_plain = ngx_string("text/plain");


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


ngx_int_t
ngx_ur_answer(ngx_ur_ctx_t *ctx)
{
    ngx_ur_account_answer(ctx->pool, ctx->status);

    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        return ngx_ur_answer_send(ctx, NGX_HTTP_CONFLICT, &ngx_ur_answer_json,
                                  &ngx_ur_answer_used_up, NULL, NULL);

    case NGX_UR_UNAVAILABLE:
        return ngx_ur_answer_unavailable(ctx, &ngx_ur_answer_not_in_time);

    default:
        return ngx_ur_answer_given(ctx);
    }
}


/* the number, in the words of the location if it has some */

static ngx_int_t
ngx_ur_answer_given(ngx_ur_ctx_t *ctx)
{
    ngx_str_t           *type, text;
    ngx_ur_loc_conf_t   *urlcf;
    ngx_http_request_t  *r;

    r = ctx->request;

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    text.data = ctx->body;

    if (urlcf->body) {
        type = &urlcf->body->type;

        if (ngx_http_complex_value(r, &urlcf->body->text, &text) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (ngx_ur_header_wants_text(r)) {
        type = &ngx_ur_answer_plain;

        text.len = ngx_ur_answer_line(ctx, text.data) - text.data;

    } else {
        type = &ngx_ur_answer_json;

        text.len = ngx_ur_answer_number(ctx, text.data) - text.data;
    }

    return ngx_ur_answer_send(ctx, NGX_HTTP_OK, type, &text, NULL, NULL);
}


static u_char *
ngx_ur_answer_line(ngx_ur_ctx_t *ctx, u_char *p)
{
    p = format_print(ctx->pool->format, ctx->number, p);
    *p++ = '\n';

    return p;
}


/* with a format, it is a string */

static u_char *
ngx_ur_answer_number(ngx_ur_ctx_t *ctx, u_char *p)
{
    p = ngx_cpymem(p, NGX_UR_JSON, sizeof(NGX_UR_JSON) - 1);

    if (ctx->pool->format) {
        *p++ = '"';
    }

    p = format_print(ctx->pool->format, ctx->number, p);

    if (ctx->pool->format) {
        *p++ = '"';
    }

    *p++ = '}';

    return p;
}


ngx_int_t
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
        return ngx_ur_answer_send(ctx, NGX_HTTP_OK, &ngx_ur_answer_json,
                                  &ngx_ur_answer_ready_yes, NULL, NULL);
    }
}


ngx_int_t
ngx_ur_answer_error(ngx_ur_ctx_t *ctx, ngx_uint_t status, const char *code,
    const char *fmt, ...)
{
    u_char     *p, *last;
    va_list     args;
    ngx_str_t   text;

    text.data = ngx_pnalloc(ctx->request->pool, NGX_UR_ERROR_LEN);
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = text.data + NGX_UR_ERROR_LEN;

    p = ngx_slprintf(text.data, last, "{\"detail\":\"");

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    p = ngx_slprintf(p, last, "\",\"code\":\"%s\"}", code);

    text.len = p - text.data;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return ngx_ur_answer_unavailable(ctx, &text);
    }

    return ngx_ur_answer_body(ctx, status, &text);
}


static ngx_int_t
ngx_ur_answer_unavailable(ngx_ur_ctx_t *ctx, ngx_str_t *text)
{
    return ngx_ur_answer_send(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                              &ngx_ur_answer_json, text, "Retry-After", "1");
}


ngx_int_t
ngx_ur_answer_not_allowed(ngx_ur_ctx_t *ctx, const char *allow,
    const char *code)
{
    if (code == NULL) {
        return ngx_ur_answer_send(ctx, NGX_HTTP_NOT_ALLOWED,
                                  &ngx_ur_answer_json,
                                  &ngx_ur_answer_not_allowed_text,
                                  "Allow", allow);
    }

    if (ngx_ur_header_add(ctx->request, "Allow", allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_ur_answer_error(ctx, NGX_HTTP_NOT_ALLOWED, code,
                               "Method Not Allowed");
}


ngx_int_t
ngx_ur_answer_body(ngx_ur_ctx_t *ctx, ngx_uint_t status, ngx_str_t *json)
{
    return ngx_ur_answer_send(ctx, status, &ngx_ur_answer_json, json, NULL,
                              NULL);
}


void
ngx_ur_answer_waited(ngx_ur_ctx_t *ctx, ngx_int_t rc)
{
    ngx_ur_body_go_on(ctx);

    if (rc == NGX_OK) {
        rc = ctx->answer(ctx);

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_finalize_request(ctx->request, rc);
}


static ngx_int_t
ngx_ur_answer_send(ngx_ur_ctx_t *ctx, ngx_uint_t status, ngx_str_t *type,
    ngx_str_t *text, const char *key, const char *value)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_http_request_t  *r;

    r = ctx->request;
    b = &ctx->buf;

    b->pos = text->data;
    b->last = text->data + text->len;

    /* nginx takes an empty one in memory for a mistake */

    b->memory = (b->pos != b->last) ? 1 : 0;
    b->sync = b->memory ? 0 : 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    ctx->out.buf = b;

    r->headers_out.status = status;
    r->headers_out.content_length_n = text->len;

    if (ngx_ur_answer_header(ctx, type) != NGX_OK
        || (key && ngx_ur_header_add(r, key, value) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &ctx->out);
}


ngx_int_t
ngx_ur_answer_header(ngx_ur_ctx_t *ctx, ngx_str_t *type)
{
    ngx_ur_loc_conf_t   *urlcf;
    ngx_http_request_t  *r;

    r = ctx->request;

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    r->disable_not_modified = 1;

    /* of "unique_random_set", before error_page led here */

    if (r->internal) {
        ngx_ur_header_remove(r, "Retry-After");
    }

    if (ngx_ur_header_add(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_ERROR;
    }

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    return urlcf->remaining_header ? ngx_ur_answer_remaining(ctx) : NGX_OK;
}


static ngx_int_t
ngx_ur_answer_remaining(ngx_ur_ctx_t *ctx)
{
    u_char  *value;

    value = ngx_pnalloc(ctx->request->pool, NGX_INT64_LEN + 1);
    if (value == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(value, "%uL%Z", ngx_ur_stock(ctx->pool));

    return ngx_ur_header_add(ctx->request, "X-Unique-Random-Remaining",
                             (char *) value);
}
