
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A request: what is known of it, with its response, in one allocation.
 */


#ifndef _NGX_UR_CONTEXT_H_INCLUDED_
#define _NGX_UR_CONTEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/format.h"
#include "pool.h"
#include "zone/account.h"


#if (NGX_UR_DISCARDING_BODY)
#define ngx_ur_discarding_body(r)  (r)->discarding_body
#else
#define ngx_ur_discarding_body(r)  (r)->discard_body
#endif


#define NGX_UR_JSON  "{\"number\":"

/* the longest body with a number, which may be in quotes */
#define NGX_UR_BODY_LEN  (sizeof(NGX_UR_JSON "\"\"}") - 1 + FORMAT_LEN)


typedef struct ngx_ur_ctx_s     ngx_ur_ctx_t;
typedef struct ngx_ur_bulk_s    ngx_ur_bulk_t;
typedef struct ngx_ur_stream_s  ngx_ur_stream_t;


struct ngx_ur_ctx_s {
    ngx_queue_t          queue;         /* of those who wait */
    ngx_http_request_t  *request;
    ngx_ur_pool_t       *pool;
    ngx_ur_status_e      status;

    /*
     * Gets what is wanted, and returns NGX_OK, or NGX_ERROR if it was lost;
     * NGX_DECLINED if there is nothing leased, NGX_AGAIN if it was enough for
     * one round of events.
     */
    ngx_int_t          (*take)(ngx_ur_ctx_t *ctx);

    /* sends what the status says; returns what a content handler does */
    ngx_int_t          (*answer)(ngx_ur_ctx_t *ctx);

    /* goes on with the request that has waited */
    void               (*done)(ngx_ur_ctx_t *ctx, ngx_int_t rc);

    ngx_ur_range_t      *range;         /* that is looked up */
    uint64_t             number;
    ngx_str_t           *shard;         /* NULL: no number */
    ngx_uint_t           skips;         /* numbers that are excluded */
    ngx_ur_bulk_t       *bulk;          /* if many are wanted */
    ngx_ur_stream_t     *stream;
    ngx_msec_t           start;
    ngx_msec_t           wait;

    unsigned             ready:1;       /* asks whether there is a number, takes
                                           none */
    unsigned             look:1;        /* waits until its range is looked at */
    unsigned             waiting:1;
    unsigned             discard_body:1;  /* http/body.c: later */

    ngx_buf_t            buf;
    ngx_chain_t          out;
    u_char               body[NGX_UR_BODY_LEN];
};


#endif /* _NGX_UR_CONTEXT_H_INCLUDED_ */
