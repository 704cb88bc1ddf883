
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "core/format.h"
#include "core/query.h"
#include "http/answer.h"
#include "http/context.h"
#include "http/handler.h"
#include "http/look.h"
#include "http/lookup.h"
#include "pool.h"
#include "zone/find.h"
#include "zone/known.h"


/* of an answer, with up to three numbers */
#define NGX_UR_LOOKUP_BODY  (3 * FORMAT_LEN + 256)


static ngx_int_t ngx_ur_lookup_argument(ngx_ur_ctx_t *ctx,
    query_value_t *value);
static ngx_int_t ngx_ur_lookup_parse(ngx_ur_ctx_t *ctx, query_value_t *value,
    ngx_uint_t lenient);
static ngx_int_t ngx_ur_lookup_malformed(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_lookup_invalid(ngx_ur_ctx_t *ctx, ngx_str_t *json);
static ngx_int_t ngx_ur_lookup_no_range(ngx_ur_ctx_t *ctx, ngx_uint_t large);
static ngx_int_t ngx_ur_lookup_wait(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_lookup_answer(ngx_ur_ctx_t *ctx);
static u_char *ngx_ur_lookup_number(u_char *p, ngx_ur_pool_t *pool,
    uint64_t number);


static ngx_str_t  ngx_ur_lookup_plain =
    ngx_string("{\"number\":null,\"status\":\"invalid\",\"code\":\"malformed\","
               "\"detail\":\"A number has digits only, and no zeros before "
               "them.\"}");
static ngx_str_t  ngx_ur_lookup_check =
    ngx_string("{\"number\":null,\"status\":\"invalid\",\"code\":\"check\","
               "\"detail\":\"The check symbols must be those of the "
               "number.\"}");


/* in the order of ngx_ur_known_e */

static ngx_str_t  ngx_ur_lookup_statuses[] = {
    ngx_string("\"unknown\""),
    ngx_string("\"reserved\""),
    ngx_string("\"unreserved\""),
    ngx_string("\"reserved\",\"adopted\":true"),
    ngx_string("\"excluded\"")
};


ngx_int_t
ngx_ur_lookup_handler(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_ur_ctx_t       *ctx;
    ngx_ur_use_t       *use;
    query_value_t       value;
    ngx_ur_loc_conf_t  *urlcf;

    rc = ngx_ur_handler_start(r, NGX_HTTP_GET|NGX_HTTP_HEAD,
                              "GET, HEAD", "method", &ctx);
    if (ctx == NULL) {
        return rc;
    }

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);
    use = urlcf->use;

    rc = ngx_ur_lookup_argument(ctx, &value);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_ur_lookup_parse(ctx, &value, use->lenient);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx->range = ngx_ur_find(ctx->pool, ctx->number);

    if (ctx->range == NULL) {
        return ngx_ur_lookup_no_range(ctx, 0);
    }

    return use->fresh ? ngx_ur_lookup_wait(ctx) : ngx_ur_lookup_answer(ctx);
}


/* NGX_DECLINED if it is there: else, that was answered */

static ngx_int_t
ngx_ur_lookup_argument(ngx_ur_ctx_t *ctx, query_value_t *value)
{
    ngx_str_t  *args;

    args = &ctx->request->args;

    switch (query_find(args->data, args->len, "number", value)) {

    case QUERY_NONE:
        return ngx_ur_answer_error(ctx, NGX_HTTP_BAD_REQUEST, "missing",
                                   "number must be given.");

    case QUERY_MANY:
        return ngx_ur_answer_error(ctx, NGX_HTTP_BAD_REQUEST, "repeated",
                                   "number must be given once.");

    default:
        return value->len ? NGX_DECLINED
                          : ngx_ur_answer_error(ctx, NGX_HTTP_BAD_REQUEST,
                                                "empty",
                                                "number must not be empty.");
    }
}


/* likewise, if it is a number */

static ngx_int_t
ngx_ur_lookup_parse(ngx_ur_ctx_t *ctx, query_value_t *value,
    ngx_uint_t lenient)
{
    size_t   len;
    u_char  *text;

    /* digits and separators may be as many as somebody likes */

    text = ngx_pnalloc(ctx->request->pool, value->len);
    if (text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (query_decode(value, text, value->len, &len) != 0) {
        return ngx_ur_lookup_malformed(ctx);
    }

    switch (format_parse(ctx->pool->format, text, len, lenient, &ctx->number)) {

    case FORMAT_OK:
        return NGX_DECLINED;

    case FORMAT_CHECK:
        return ngx_ur_lookup_invalid(ctx, &ngx_ur_lookup_check);

    case FORMAT_LARGE:
        return ngx_ur_lookup_no_range(ctx, 1);

    default:
        return ngx_ur_lookup_malformed(ctx);
    }
}


static ngx_int_t
ngx_ur_lookup_malformed(ngx_ur_ctx_t *ctx)
{
    u_char         *p;
    ngx_str_t       json;
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    if (pool->format == NULL || pool->format->plain) {
        return ngx_ur_lookup_invalid(ctx, &ngx_ur_lookup_plain);
    }

    json.data = ngx_pnalloc(ctx->request->pool, NGX_UR_LOOKUP_BODY);
    if (json.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nothing in the text of a number is to be escaped */

    p = ngx_sprintf(json.data, "{\"number\":null,\"status\":\"invalid\","
                    "\"code\":\"malformed\",\"detail\":"
                    "\"A number is written as in \\\"");
    p = format_print(pool->format, ngx_ur_find_first(pool), p);
    p = ngx_sprintf(p, "\\\".\"}");

    json.len = p - json.data;

    return ngx_ur_lookup_invalid(ctx, &json);
}


/* nginx has no line for this status */

static ngx_int_t
ngx_ur_lookup_invalid(ngx_ur_ctx_t *ctx, ngx_str_t *json)
{
    ngx_str_set(&ctx->request->headers_out.status_line,
                "422 Unprocessable Content");

    return ngx_ur_answer_body(ctx, 422, json);
}


/* "large": it is not in ctx->number, which cannot have it */

static ngx_int_t
ngx_ur_lookup_no_range(ngx_ur_ctx_t *ctx, ngx_uint_t large)
{
    u_char         *p;
    ngx_str_t       json;
    ngx_ur_pool_t  *pool;

    pool = ctx->pool;

    json.data = ngx_pnalloc(ctx->request->pool, NGX_UR_LOOKUP_BODY);
    if (json.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(json.data, "{\"number\":");

    p = large ? ngx_cpymem(p, "null", sizeof("null") - 1)
              : ngx_ur_lookup_number(p, pool, ctx->number);

    p = ngx_sprintf(p, ",\"status\":\"invalid\",\"code\":\"no_range\","
                    "\"detail\":\"No range has this number; the pool has some "
                    "from ");
    p = format_print(pool->format, ngx_ur_find_first(pool), p);
    p = ngx_sprintf(p, " to ");
    p = format_print(pool->format, ngx_ur_find_last(pool), p);
    p = ngx_sprintf(p, ".\"}");

    json.len = p - json.data;

    return ngx_ur_answer_body(ctx, NGX_HTTP_NOT_FOUND, &json);
}


static ngx_int_t
ngx_ur_lookup_wait(ngx_ur_ctx_t *ctx)
{
    ctx->answer = ngx_ur_lookup_answer;
    ctx->done = ngx_ur_answer_waited;

    switch (ngx_ur_look(ctx)) {

    case NGX_OK:
        ctx->request->main->count++;

        return NGX_DONE;

    case NGX_DECLINED:
        return ngx_ur_lookup_answer(ctx);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_ur_lookup_answer(ngx_ur_ctx_t *ctx)
{
    u_char          *p;
    ngx_int_t        rc;
    ngx_str_t        json;
    ngx_msec_t       age;
    ngx_ur_known_e   known;
    ngx_ur_range_t  *range;

    range = ctx->range;

    json.data = ngx_pnalloc(ctx->request->pool, NGX_UR_LOOKUP_BODY);
    if (json.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* first: another worker may hear of it meanwhile */

    rc = ngx_ur_known_age(range, &age);
    known = ngx_ur_known(range, ctx->number);

    p = ngx_sprintf(json.data, "{\"number\":");
    p = ngx_ur_lookup_number(p, ctx->pool, ctx->number);
    p = ngx_sprintf(p, ",\"status\":%V,\"range\":[%uL,%uL],\"age\":",
                    &ngx_ur_lookup_statuses[known], range->first, range->last);

    p = (rc == NGX_OK) ? ngx_sprintf(p, "%T.%03M}", (time_t) (age / 1000),
                                     age % 1000)
                       : ngx_cpymem(p, "null}", sizeof("null}") - 1);

    json.len = p - json.data;

    return ngx_ur_answer_body(ctx, NGX_HTTP_OK, &json);
}


/* as "unique_random" answers with it: a string, if the pool has a format */

static u_char *
ngx_ur_lookup_number(u_char *p, ngx_ur_pool_t *pool, uint64_t number)
{
    if (pool->format == NULL) {
        return format_print(NULL, number, p);
    }

    *p++ = '"';
    p = format_print(pool->format, number, p);
    *p++ = '"';

    return p;
}
