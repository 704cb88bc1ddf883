
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The handler may be called again and again: it goes on with what is still to
 * be drawn.  While it waits, the context of the request is that of the draw, by
 * which the queue knows it; afterwards there is none, and a content handler of
 * ours may have one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "http/body.h"
#include "http/context.h"
#include "http/header.h"
#include "http/kept.h"
#include "http/phase.h"
#include "http/take.h"
#include "http/wait.h"
#include "pool.h"
#include "zone/account.h"


static ngx_int_t ngx_ur_phase_handler(ngx_http_request_t *r);
static ngx_int_t ngx_ur_phase_draw(ngx_http_request_t *r, ngx_ur_set_t *set);
static ngx_int_t ngx_ur_phase_wait(ngx_ur_kept_t *kept);
static ngx_int_t ngx_ur_phase_take(ngx_ur_ctx_t *ctx);
static void ngx_ur_phase_done(ngx_ur_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_ur_phase_read(ngx_ur_ctx_t *ctx);
static ngx_int_t ngx_ur_phase_end(ngx_ur_kept_t *kept);


/*
 * Handlers of a phase run in the reverse order of their registration, and those
 * of nginx's own modules are registered before.
 */

ngx_int_t
ngx_ur_phase_register(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_ur_main_conf_t         *umcf;
    ngx_http_core_main_conf_t  *cmcf;

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    if (umcf->sets.nelts == 0) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_ur_phase_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_phase_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_ur_set_t       **sets;
    ngx_ur_loc_conf_t   *urlcf;

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    if (urlcf->sets == NULL) {
        return NGX_DECLINED;
    }

    sets = urlcf->sets->elts;

    for (i = 0; i < urlcf->sets->nelts; i++) {

        /*
         * Whom the same directive has refused is on its way to an error page
         * that inherits it, or needs no number.
         */

        if (ngx_ur_kept_find(r, sets[i]->index)
            || ngx_ur_kept_refused(r, sets[i]))
        {
            continue;
        }

        rc = ngx_ur_phase_draw(r, sets[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


/* NGX_OK, or what a handler of the phase returns */

static ngx_int_t
ngx_ur_phase_draw(ngx_http_request_t *r, ngx_ur_set_t *set)
{
    ngx_int_t       rc;
    ngx_ur_kept_t  *kept;
    ngx_ur_pool_t  *pool;

    kept = ngx_pcalloc(r->pool, sizeof(ngx_ur_kept_t));
    if (kept == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    pool = set->use->pool;

    kept->set = set;
    kept->ctx.request = r;
    kept->ctx.pool = pool;

    /* those who wait have been here before */

    rc = pool->nwaiters ? NGX_DECLINED : ngx_ur_take(&kept->ctx);

    switch (rc) {

    case NGX_OK:
        kept->ctx.status = NGX_UR_LEASED;

        return ngx_ur_phase_end(kept);

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        return ngx_ur_phase_wait(kept);
    }
}


static ngx_int_t
ngx_ur_phase_wait(ngx_ur_kept_t *kept)
{
    kept->ctx.take = ngx_ur_phase_take;
    kept->ctx.done = ngx_ur_phase_done;

    switch (ngx_ur_wait(&kept->ctx)) {

    case NGX_OK:
        ngx_http_set_ctx(kept->ctx.request, &kept->ctx,
                         ngx_http_unique_random_module);

        return NGX_AGAIN;

    case NGX_DECLINED:
        return ngx_ur_phase_end(kept);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/* of the subrequests that wait for one and the same number, one takes it */

static ngx_int_t
ngx_ur_phase_take(ngx_ur_ctx_t *ctx)
{
    ngx_ur_kept_t  *kept;

    kept = (ngx_ur_kept_t *) ctx;

    if (ngx_ur_kept_find(ctx->request, kept->set->index)) {
        return NGX_OK;
    }

    return ngx_ur_take(ctx);
}


static void
ngx_ur_phase_done(ngx_ur_ctx_t *ctx, ngx_int_t rc)
{
    ngx_ur_kept_t       *kept;
    ngx_http_request_t  *r;

    kept = (ngx_ur_kept_t *) ctx;
    r = ctx->request;

    ngx_http_set_ctx(r, NULL, ngx_http_unique_random_module);

    if (ngx_ur_phase_read(ctx) != NGX_OK || rc != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (!ngx_ur_kept_find(r, kept->set->index)) {
        rc = ngx_ur_phase_end(kept);

        if (rc != NGX_OK) {
            ngx_http_finalize_request(r, rc);
            return;
        }
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/* what comes from the client is somebody else's again, its body above all */

static ngx_int_t
ngx_ur_phase_read(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->discard_body) {
        ngx_ur_body_go_on(ctx);
        return NGX_OK;
    }

    r->read_event_handler = ngx_http_block_reading;

    return ngx_handle_read_event(r->connection->read, 0);
}


/* NGX_OK, or the status to refuse the request with */

static ngx_int_t
ngx_ur_phase_end(ngx_ur_kept_t *kept)
{
    ngx_ur_ctx_t  *ctx;

    ctx = &kept->ctx;

    ngx_ur_account_answer(ctx->pool, ctx->status);

    if (ngx_ur_kept_add(kept) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* of a draw that was refused before error_page led here */

    ngx_ur_header_remove(ctx->request, "Retry-After");

    if (ctx->shard || kept->set->optional) {
        return NGX_OK;
    }

    if (ctx->status == NGX_UR_EXHAUSTED) {
        return NGX_HTTP_CONFLICT;
    }

    if (ngx_ur_header_add(ctx->request, "Retry-After", "1") != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}
