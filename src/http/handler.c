
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
#include "http/context.h"
#include "http/handler.h"
#include "http/wait.h"
#include "pool.h"
#include "zone/choice.h"


static ngx_int_t ngx_ur_handler_start(ngx_http_request_t *r,
    ngx_uint_t methods, ngx_str_t *allow, ngx_ur_ctx_t **ctx);
static ngx_int_t ngx_ur_handler_wait(ngx_ur_ctx_t *ctx);


static ngx_str_t  ngx_ur_handler_methods = ngx_string("GET, POST");
static ngx_str_t  ngx_ur_handler_ready_methods = ngx_string("GET, HEAD");


ngx_int_t
ngx_ur_handler(ngx_http_request_t *r)
{
    ngx_int_t       rc;
    ngx_ur_ctx_t   *ctx;
    ngx_ur_draw_t   draw;

    rc = ngx_ur_handler_start(r, NGX_HTTP_GET|NGX_HTTP_POST,
                              &ngx_ur_handler_methods, &ctx);
    if (ctx == NULL) {
        return rc;
    }

    /* those who wait have been here before */

    if (ctx->pool->nwaiters == 0
        && ngx_ur_choice_draw(ctx->pool, &draw) == NGX_OK)
    {
        ctx->status = NGX_UR_LEASED;

        if (ngx_ur_answer_take(ctx, &draw) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_ur_answer(ctx);
    }

    return ngx_ur_handler_wait(ctx);
}


/* waits as if for a number, and leaves it to others */

ngx_int_t
ngx_ur_handler_ready(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    ngx_ur_ctx_t  *ctx;

    rc = ngx_ur_handler_start(r, NGX_HTTP_GET|NGX_HTTP_HEAD,
                              &ngx_ur_handler_ready_methods, &ctx);
    if (ctx == NULL) {
        return rc;
    }

    ctx->ready = 1;

    if (ngx_ur_choice_ready(ctx->pool)) {
        ctx->status = NGX_UR_LEASED;
        return ngx_ur_answer(ctx);
    }

    return ngx_ur_handler_wait(ctx);
}


/* without a context, the request is answered, or has failed */

static ngx_int_t
ngx_ur_handler_start(ngx_http_request_t *r, ngx_uint_t methods,
    ngx_str_t *allow, ngx_ur_ctx_t **ctx)
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
        return ngx_ur_answer_not_allowed(c, allow);
    }

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    c->pool = urlcf->use->pool;

    ngx_http_set_ctx(r, c, ngx_http_unique_random_module);

    *ctx = c;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_handler_wait(ngx_ur_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_ur_wait(ctx);

    if (rc == NGX_DECLINED) {
        return ngx_ur_answer(ctx);
    }

    return rc;
}
