
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "http/body.h"
#include "http/context.h"


void
ngx_ur_body_pause(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r == r->main && ngx_ur_discarding_body(r)) {
        ctx->discard_body = 1;
        ngx_ur_discarding_body(r) = 0;
    }
}


void
ngx_ur_body_go_on(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    if (!ctx->discard_body) {
        return;
    }

    r = ctx->request;

    ctx->discard_body = 0;

    ngx_ur_discarding_body(r) = 1;
    r->read_event_handler = ngx_http_discarded_request_body_handler;

    /* what has arrived meanwhile makes no event of its own */
    ngx_post_event(r->connection->read, &ngx_posted_events);
}


void
ngx_ur_body_forget(ngx_ur_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    if (!ctx->discard_body) {
        return;
    }

    r = ctx->request;

    ctx->discard_body = 0;

    r->headers_in.content_length_n = -1;
    r->headers_in.chunked = 0;
    r->lingering_close = 0;

    /* discarding it had a count of its own */
    r->count--;
}
