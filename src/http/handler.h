
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The content handler: draws a number, or waits for one, and answers.
 */


#ifndef _NGX_UR_HANDLER_H_INCLUDED_
#define _NGX_UR_HANDLER_H_INCLUDED_


#include "core/number.h"
#include "pool.h"
#include "zone/choice.h"


typedef enum {
    NGX_UR_NONE = 0,
    NGX_UR_LEASED,
    NGX_UR_WAITED,
    NGX_UR_EXHAUSTED,
    NGX_UR_UNAVAILABLE
} ngx_ur_status_e;


#define NGX_UR_JSON  "{\"number\":"


/* of a request, with its response: one allocation */

typedef struct {
    ngx_queue_t                       queue;       /* in pool->waiters */
    ngx_http_request_t               *request;
    ngx_ur_pool_t    *pool;
    ngx_ur_status_e   status;

    uint64_t                          number;
    ngx_str_t                        *shard;       /* NULL: no number */
    ngx_msec_t                        start;
    ngx_msec_t                        wait;

    unsigned                          ready:1;     /* asks whether there is a
                                                      number, takes none */
    unsigned                          waiting:1;
    unsigned                          discard_body:1;  /* once it is answered */

    ngx_buf_t                         buf;
    ngx_chain_t                       out;
    u_char                            json[sizeof(NGX_UR_JSON
                                                  "}") + NUMBER_LEN];
} ngx_ur_ctx_t;


ngx_int_t ngx_ur_handler(ngx_http_request_t *r);
ngx_int_t ngx_ur_ready_handler(ngx_http_request_t *r);

/* answers a request that has waited; the status is the outcome of the wait */
void ngx_ur_finish(ngx_ur_ctx_t *ctx, ngx_ur_status_e status,
    ngx_ur_draw_t *draw);


#endif /* _NGX_UR_HANDLER_H_INCLUDED_ */
