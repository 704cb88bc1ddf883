
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

#include "core/number.h"
#include "pool.h"


typedef enum {
    NGX_UR_NONE = 0,
    NGX_UR_LEASED,
    NGX_UR_WAITED,
    NGX_UR_EXHAUSTED,
    NGX_UR_UNAVAILABLE
} ngx_ur_status_e;


#define NGX_UR_JSON  "{\"number\":"


typedef struct {
    ngx_queue_t          queue;         /* of those who wait */
    ngx_http_request_t  *request;
    ngx_ur_pool_t       *pool;
    ngx_ur_status_e      status;

    uint64_t             number;
    ngx_str_t           *shard;         /* NULL: no number */
    ngx_msec_t           start;
    ngx_msec_t           wait;

    unsigned             ready:1;       /* asks whether there is a number, takes
                                           none */
    unsigned             waiting:1;
    unsigned             discard_body:1;  /* once it is answered */

    ngx_buf_t            buf;
    ngx_chain_t          out;
    u_char               json[sizeof(NGX_UR_JSON "}") + NUMBER_LEN];
} ngx_ur_ctx_t;


#endif /* _NGX_UR_CONTEXT_H_INCLUDED_ */
