
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A redirect clears the contexts of modules.  So it hangs on a cleanup of the
 * pool that does nothing but be found, as the realip module does it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "core/format.h"
#include "http/context.h"
#include "http/kept.h"


static ngx_ur_kept_t **ngx_ur_kept_head(ngx_http_request_t *r);
static void ngx_ur_kept_cleanup(void *data);
static ngx_int_t ngx_ur_kept_print(ngx_ur_kept_t *kept);


ngx_int_t
ngx_ur_kept_add(ngx_ur_kept_t *kept)
{
    ngx_ur_kept_t             **head;
    ngx_pool_cleanup_t         *cln;
    ngx_http_request_t         *r;
    ngx_http_variable_value_t  *v;

    r = kept->ctx.request;
    head = ngx_ur_kept_head(r);

    if (head == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_ur_kept_t *));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_ur_kept_cleanup;

        head = cln->data;
        *head = NULL;
    }

    kept->next = *head;
    *head = kept;

    if (kept->ctx.shard == NULL) {
        return NGX_OK;
    }

    if (ngx_ur_kept_print(kept) != NGX_OK) {
        return NGX_ERROR;
    }

    /* who has read it before has made it known as empty */

    v = &r->variables[kept->set->index];

    v->data = kept->text.data;
    v->len = kept->text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* how the variable has a number written */

static ngx_int_t
ngx_ur_kept_print(ngx_ur_kept_t *kept)
{
    u_char  *p;

    p = ngx_pnalloc(kept->ctx.request->pool, FORMAT_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    kept->text.data = p;

    p = format_print(kept->ctx.pool->format, kept->ctx.number, p);

    kept->text.len = p - kept->text.data;

    return NGX_OK;
}


ngx_ur_kept_t *
ngx_ur_kept_find(ngx_http_request_t *r, ngx_uint_t index)
{
    ngx_ur_kept_t  *kept, **head;

    head = ngx_ur_kept_head(r);

    for (kept = head ? *head : NULL; kept; kept = kept->next) {
        if (kept->set->index == index && kept->ctx.shard) {
            return kept;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_ur_kept_refused(ngx_http_request_t *r, ngx_ur_set_t *set)
{
    ngx_ur_kept_t  *kept, **head;

    head = ngx_ur_kept_head(r);

    for (kept = head ? *head : NULL; kept; kept = kept->next) {
        if (kept->set == set
            && kept->ctx.request == r
            && kept->ctx.shard == NULL)
        {
            return 1;
        }
    }

    return 0;
}


ngx_ur_ctx_t *
ngx_ur_kept_last(ngx_http_request_t *r)
{
    ngx_ur_kept_t  **head;

    head = ngx_ur_kept_head(r);

    return head ? &(*head)->ctx : NULL;
}


/* NULL if nothing was drawn; subrequests have the pool of their main request */

static ngx_ur_kept_t **
ngx_ur_kept_head(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_ur_kept_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_ur_kept_cleanup(void *data)
{
    /* it marks the place */
}
