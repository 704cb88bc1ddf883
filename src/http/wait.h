
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Numbers for those who wait.
 */


#ifndef _NGX_UR_WAIT_H_INCLUDED_
#define _NGX_UR_WAIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "pool.h"


/* with pool->wake */
ngx_int_t ngx_ur_wait_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * Has the request wait until "take" gets what it wants, or is given up; "done"
 * is called then, with what came of it, and not if the client leaves.
 * NGX_DECLINED if the queue is full: the status says why.
 */
ngx_int_t ngx_ur_wait(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_WAIT_H_INCLUDED_ */
