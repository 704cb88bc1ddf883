
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The requests of a worker that wait for a number, first come, first served.
 */


#ifndef _NGX_UR_WAIT_H_INCLUDED_
#define _NGX_UR_WAIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "pool.h"


/* with pool->wake */
ngx_int_t ngx_ur_wait_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/* NGX_DONE, or NGX_DECLINED if the queue is full: the status says why */
ngx_int_t ngx_ur_wait(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_WAIT_H_INCLUDED_ */
