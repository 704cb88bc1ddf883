
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The content handlers: draw a number and answer, or have the request wait.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "http/answer.h"
#include "http/bulk.h"
#include "http/context.h"
#include "http/handler.h"
#include "http/take.h"
#include "http/wait.h"
#include "pool.h"
#include "zone/account.h"


static ngx_int_t ngx_ur_handler_bulk(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_handler_go_on(ngx_ur_ctx_t *ctx, ngx_int_t rc);


ngx_int_t
ngx_ur_handler(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    ngx_ur_ctx_t  *ctx;

    rc = ngx_ur_handler_start(r, NGX_HTTP_GET|NGX_HTTP_POST,
                              "GET, POST", NULL, &ctx);
    if (ctx == NULL) {
        return rc;
    }

    if (r->args.len) {
        rc = ngx_ur_handler_bulk(ctx);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    ctx->take = ngx_ur_take;
    ctx->answer = ngx_ur_answer;

    /* those who wait have been here before */

    rc = ctx->pool->nwaiters ? NGX_DECLINED : ngx_ur_take(ctx);

    return ngx_ur_handler_go_on(ctx, rc);
}


static ngx_int_t
ngx_ur_handler_bulk(ngx_ur_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_ur_loc_conf_t  *urlcf;

    urlcf = ngx_http_get_module_loc_conf(ctx->request,
                                         ngx_http_unique_random_module);

    /* a text of the location is of one number */

    rc = ngx_ur_bulk(ctx, urlcf->body ? 0 : urlcf->max_count);

    if (ctx->bulk == NULL) {
        return rc;
    }

    /* those who wait are first; with "queue 0" nobody can wait behind them */

    rc = (ctx->pool->queue && (ctx->pool->nwaiters || ctx->pool->nbulk))
         ? NGX_DECLINED : ctx->take(ctx);

    return ngx_ur_handler_go_on(ctx, rc);
}


/* waits as if for a number, and leaves it to others */

ngx_int_t
ngx_ur_handler_ready(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    ngx_ur_ctx_t  *ctx;

    rc = ngx_ur_handler_start(r, NGX_HTTP_GET|NGX_HTTP_HEAD,
                              "GET, HEAD", NULL, &ctx);
    if (ctx == NULL) {
        return rc;
    }

    ctx->ready = 1;
    ctx->take = ngx_ur_take_ready;
    ctx->answer = ngx_ur_answer_ready;

    return ngx_ur_handler_go_on(ctx, ngx_ur_take_ready(ctx));
}


ngx_int_t
ngx_ur_handler_start(ngx_http_request_t *r, ngx_uint_t methods,
    const char *allow, const char *code, ngx_ur_ctx_t **ctx)
{
    ngx_int_t           rc;
    ngx_ur_ctx_t       *c;
    ngx_ur_loc_conf_t  *urlcf;

    *ctx = NULL;

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    /* of two "if", the last one counts, and the handler may be of the first */

    if (urlcf->use == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    c = ngx_pcalloc(r->pool, sizeof(ngx_ur_ctx_t));
    if (c == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    c->request = r;
    c->pool = urlcf->use->pool;

    if (!(r->method & methods)) {
        return ngx_ur_answer_not_allowed(c, allow, code);
    }

    ngx_http_set_ctx(r, c, ngx_http_unique_random_module);

    *ctx = c;

    return NGX_OK;
}


/* answers, or has the request wait, by what came of the first try */

static ngx_int_t
ngx_ur_handler_go_on(ngx_ur_ctx_t *ctx, ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
        ctx->status = NGX_UR_LEASED;

        return ctx->answer(ctx);

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->done = ngx_ur_answer_waited;

    switch (ngx_ur_wait(ctx)) {

    case NGX_OK:
        ctx->request->main->count++;

        return NGX_DONE;

    case NGX_DECLINED:
        return ctx->answer(ctx);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}
