
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The statement that asks for ranges.
 */


#ifndef _NGX_UR_SEND_H_INCLUDED_
#define _NGX_UR_SEND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* most ranges in one statement */
#define NGX_UR_SEND_MAX  256


/* asks for all ranges in "sent"; NGX_ERROR: the connection is closed */
ngx_int_t ngx_ur_send(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_SEND_H_INCLUDED_ */
