
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * One number for a request.
 */


#ifndef _NGX_UR_TAKE_H_INCLUDED_
#define _NGX_UR_TAKE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"


/* of ngx_ur_ctx_t: a number, and whether there is one */
ngx_int_t ngx_ur_take(ngx_ur_ctx_t *ctx);
ngx_int_t ngx_ur_take_ready(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_TAKE_H_INCLUDED_ */
