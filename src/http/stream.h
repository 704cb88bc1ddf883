
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A response with many numbers, which are issued as the client reads: so it
 * takes as much memory as two buffers, and who reads nothing is given little.
 */


#ifndef _NGX_UR_STREAM_H_INCLUDED_
#define _NGX_UR_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "zone/hold.h"


/* sends all that is held; returns what a content handler does */
ngx_int_t ngx_ur_stream(ngx_ur_ctx_t *ctx, ngx_ur_hold_t *hold);


#endif /* _NGX_UR_STREAM_H_INCLUDED_ */
