
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Requests that wait until their range has said how far it is, and not until
 * there are numbers: they ask for none, and nobody who does waits for them.
 */


#ifndef _NGX_UR_LOOK_H_INCLUDED_
#define _NGX_UR_LOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "pool.h"


/* with pool->look */
ngx_int_t ngx_ur_look_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * Has the request wait until ctx->range has answered, or will not in time;
 * "done" is called then, and not if the client leaves.  NGX_DECLINED: it need
 * not wait, since the last answer is of this second, or must not.
 */
ngx_int_t ngx_ur_look(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_LOOK_H_INCLUDED_ */
