
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "bootstrap on": creates the schema and the ranges of a shard.
 */


#ifndef _NGX_UR_BOOTSTRAP_H_INCLUDED_
#define _NGX_UR_BOOTSTRAP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * Whether this shard is to be bootstrapped, and has not been yet: not if
 * anything is remembered of its ranges, or might have been.
 */
ngx_uint_t ngx_ur_bootstrap_allowed(ngx_ur_shard_t *shard);

/* sends the first query; "schema": even the schema is missing */
ngx_int_t ngx_ur_bootstrap(ngx_ur_shard_t *shard, ngx_uint_t schema);

/* goes on after a query: NGX_AGAIN until it is done */
ngx_int_t ngx_ur_bootstrap_handler(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_BOOTSTRAP_H_INCLUDED_ */
