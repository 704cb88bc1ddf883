
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Of a request that has asked for no number, variables are not found.  Of one
 * that is answered with a number, they are of that; of others, of what was
 * drawn for them last.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "core/format.h"
#include "core/version.h"
#include "http/context.h"
#include "http/kept.h"
#include "http/variable.h"
#include "pool.h"
#include "zone/stock.h"


static ngx_ur_ctx_t *ngx_ur_variable_ctx(ngx_http_request_t *r);
static ngx_ur_pool_t *ngx_ur_variable_pool(ngx_http_request_t *r);
static ngx_int_t ngx_ur_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *s);


static ngx_str_t  ngx_ur_variable_statuses[] = {
    ngx_null_string,
    ngx_string("LEASED"),
    ngx_string("WAITED"),
    ngx_string("EXHAUSTED"),
    ngx_string("UNAVAILABLE")
};


ngx_int_t
ngx_ur_variable_number(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t      s;
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_ur_variable_ctx(r);

    if (ctx == NULL || ctx->shard == NULL) {
        return ngx_ur_variable_set(v, NULL);
    }

    s.data = ngx_pnalloc(r->pool, FORMAT_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = format_print(ctx->pool->format, ctx->number, s.data) - s.data;

    return ngx_ur_variable_set(v, &s);
}


ngx_int_t
ngx_ur_variable_remaining(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t       s;
    ngx_ur_pool_t  *pool;

    pool = ngx_ur_variable_pool(r);

    if (pool == NULL) {
        return ngx_ur_variable_set(v, NULL);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%uL", ngx_ur_stock(pool))
            - s.data;

    return ngx_ur_variable_set(v, &s);
}


ngx_int_t
ngx_ur_variable_version(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    static ngx_str_t  version = ngx_string(NGX_UR_VERSION);

    return ngx_ur_variable_set(v, &version);
}


ngx_int_t
ngx_ur_variable_shard(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_ur_variable_ctx(r);

    return ngx_ur_variable_set(v, ctx ? ctx->shard : NULL);
}


ngx_int_t
ngx_ur_variable_status(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_ur_variable_ctx(r);

    if (ctx == NULL || ctx->ready || ctx->status == NGX_UR_NONE) {
        return ngx_ur_variable_set(v, NULL);
    }

    return ngx_ur_variable_set(v, &ngx_ur_variable_statuses[ctx->status]);
}


ngx_int_t
ngx_ur_variable_wait(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t      s;
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_ur_variable_ctx(r);

    if (ctx == NULL || ctx->ready || ctx->status == NGX_UR_NONE) {
        return ngx_ur_variable_set(v, NULL);
    }

    s.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + sizeof(".000") - 1);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%T.%03M", (time_t) (ctx->wait / 1000),
                        ctx->wait % 1000)
            - s.data;

    return ngx_ur_variable_set(v, &s);
}


/* of "unique_random_set", where the draw has not set it */

ngx_int_t
ngx_ur_variable_kept(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_ur_kept_t  *kept;

    kept = ngx_ur_kept_find(r, data);

    return ngx_ur_variable_set(v, kept ? &kept->text : NULL);
}


static ngx_ur_ctx_t *
ngx_ur_variable_ctx(ngx_http_request_t *r)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    return ctx ? ctx : ngx_ur_kept_last(r);
}


/* of the request, or of the location that it is in */

static ngx_ur_pool_t *
ngx_ur_variable_pool(ngx_http_request_t *r)
{
    ngx_ur_ctx_t       *ctx;
    ngx_ur_loc_conf_t  *urlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);
    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    if (ctx == NULL && urlcf->use) {
        return urlcf->use->pool;
    }

    ctx = ngx_ur_variable_ctx(r);

    return ctx ? ctx->pool : NULL;
}


/* NULL: no number was asked for, or there was none */

static ngx_int_t
ngx_ur_variable_set(ngx_http_variable_value_t *v, ngx_str_t *s)
{
    if (s == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s->data;
    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
