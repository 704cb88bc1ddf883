
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/number.h"
#include "core/query.h"
#include "http/answer.h"
#include "http/bulk.h"
#include "http/context.h"
#include "http/stream.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/account.h"
#include "zone/hold.h"
#include "zone/issue.h"
#include "zone/need.h"


/* how long to wait for ranges that would make for a better choice */
#define NGX_UR_BULK_PATIENCE  250


static ngx_int_t ngx_ur_bulk_start(ngx_ur_ctx_t *ctx, uint64_t count);
static ngx_int_t ngx_ur_bulk_take(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_bulk_check(ngx_ur_bulk_t *bulk, ngx_uint_t *checked);
static ngx_int_t ngx_ur_bulk_answer(ngx_ur_ctx_t *ctx);
static void ngx_ur_bulk_cleanup(void *data);


ngx_int_t
ngx_ur_bulk(ngx_ur_ctx_t *ctx, ngx_uint_t max)
{
    uint64_t             count;
    query_value_t        value;
    query_found_e        found;
    ngx_http_request_t  *r;

    r = ctx->request;

    found = query_find(r->args.data, r->args.len, "count", &value);

    if (found == QUERY_NONE) {
        return NGX_DECLINED;
    }

    if (max == 0) {
        return ngx_ur_answer_error(ctx, NGX_HTTP_BAD_REQUEST, "count",
                                   "count is not allowed here.");
    }

    if (found == QUERY_MANY
        || number_parse((char *) value.data, value.len, &count) != 0
        || count == 0
        || count > max)
    {
        return ngx_ur_answer_error(ctx, NGX_HTTP_BAD_REQUEST, "count",
                                   "count must be one number from 1 to %uL.",
                                   (uint64_t) max);
    }

    return ngx_ur_bulk_start(ctx, count);
}


static ngx_int_t
ngx_ur_bulk_start(ngx_ur_ctx_t *ctx, uint64_t count)
{
    ngx_ur_bulk_t       *bulk;
    ngx_http_cleanup_t  *cln;

    bulk = ngx_palloc(ctx->request->pool, sizeof(ngx_ur_bulk_t));
    cln = ngx_http_cleanup_add(ctx->request, 0);

    if (bulk == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    bulk->count = count;
    bulk->hold = ngx_ur_hold_start(ctx->pool);

    if (bulk->hold == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_ur_bulk_cleanup;
    cln->data = bulk;

    ctx->bulk = bulk;
    ctx->take = ngx_ur_bulk_take;
    ctx->answer = ngx_ur_bulk_answer;

    return NGX_OK;
}


ngx_msec_t
ngx_ur_bulk_patience(ngx_ur_ctx_t *ctx)
{
    ngx_msec_t  passed;

    if (ctx->pool->queue == 0) {
        return 0;
    }

    passed = ctx->waiting ? ngx_current_msec - ctx->start : 0;

    return (passed < NGX_UR_BULK_PATIENCE) ? NGX_UR_BULK_PATIENCE - passed : 0;
}


static ngx_int_t
ngx_ur_bulk_take(ngx_ur_ctx_t *ctx)
{
    ngx_int_t       rc;
    ngx_uint_t      low, checked;
    ngx_ur_bulk_t  *bulk;
    ngx_ur_cause_t  cause;

    bulk = ctx->bulk;
    checked = 0;

    for ( ;; ) {
        rc = ngx_ur_bulk_check(bulk, &checked);

        if (rc != NGX_OK || ngx_ur_bulk_wanted(bulk) == 0) {
            return rc;
        }

        rc = ngx_ur_hold_take(bulk->hold, ngx_ur_bulk_wanted(bulk),
                              ngx_ur_bulk_patience(ctx) != 0, &low);

        if (low) {
            ngx_memzero(&cause, sizeof(ngx_ur_cause_t));

            cause.shared = 1;

            ngx_ur_reserve(ctx->pool, &cause);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_ur_bulk_check(ngx_ur_bulk_t *bulk, ngx_uint_t *checked)
{
    ngx_int_t  rc;

    rc = ngx_ur_issue_check(bulk->hold, checked);

    if (rc == NGX_AGAIN || (rc == NGX_OK && ngx_ur_bulk_wanted(bulk))) {
        return rc;
    }

    if (!ngx_ur_issue_allowed(bulk->hold)) {

        /* a range was fenced: there may be others */

        rc = NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_ur_hold_return(bulk->hold);
    }

    return rc;
}


static ngx_int_t
ngx_ur_bulk_answer(ngx_ur_ctx_t *ctx)
{
    ngx_ur_account_answer(ctx->pool, ctx->status);

    if (ctx->status == NGX_UR_EXHAUSTED || ctx->status == NGX_UR_UNAVAILABLE) {
        ngx_ur_hold_return(ctx->bulk->hold);
    }

    switch (ctx->status) {

    case NGX_UR_EXHAUSTED:
        return ngx_ur_answer_error(ctx, NGX_HTTP_CONFLICT, "exhausted",
                                   "Fewer than %uL numbers are left.",
                                   ctx->bulk->count);

    case NGX_UR_UNAVAILABLE:
        return ngx_ur_answer_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                   "unavailable", "%uL numbers could not be "
                                   "reserved in time.", ctx->bulk->count);

    default:
        return ngx_ur_stream(ctx, ctx->bulk->hold);
    }
}


/* the request is over, or has been redirected */

static void
ngx_ur_bulk_cleanup(void *data)
{
    ngx_ur_bulk_t *bulk = data;

    ngx_ur_hold_end(bulk->hold);
}
