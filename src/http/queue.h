
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The requests of a worker that wait in a pool, first come, first served:
 * those for one number, and apart from them those for many, which may be long
 * about it, and those for a look, which want none.  A request whose client
 * leaves is taken out, and finalized.
 */


#ifndef _NGX_UR_QUEUE_H_INCLUDED_
#define _NGX_UR_QUEUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "pool.h"


typedef enum {
    NGX_UR_QUEUE_ONE = 0,
    NGX_UR_QUEUE_BULK,
    NGX_UR_QUEUE_LOOK,
    NGX_UR_QUEUES
} ngx_ur_queue_e;


ngx_int_t ngx_ur_queue_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * NGX_DECLINED if the queue is full.  The caller keeps the request by a count
 * of its own, where it is a content handler.
 */
ngx_int_t ngx_ur_queue_enter(ngx_ur_ctx_t *ctx);

/* takes out one that goes on */
void ngx_ur_queue_leave(ngx_ur_ctx_t *ctx);

/* the first one goes behind the last one */
void ngx_ur_queue_rotate(ngx_ur_ctx_t *ctx);
/* the first one that is still to be served, or NULL */
ngx_ur_ctx_t *ngx_ur_queue_first(ngx_ur_pool_t *pool, ngx_ur_queue_e kind);

/* how long it may wait yet */
ngx_msec_t ngx_ur_queue_left(ngx_ur_ctx_t *ctx);


/* of those who want numbers */
#define ngx_ur_queue_empty(pool)                                              \
    ((pool)->nwaiters == 0 && (pool)->nbulk == 0)


#endif /* _NGX_UR_QUEUE_H_INCLUDED_ */
