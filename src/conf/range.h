
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "range=" and "adopted=" of a shard.
 */


#ifndef _NGX_UR_RANGE_H_INCLUDED_
#define _NGX_UR_RANGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* "value" is the whole parameter, "arg" what follows the "=" */
char *ngx_ur_range_add(ngx_conf_t *cf, ngx_ur_shard_t *shard, ngx_str_t *value,
    ngx_str_t *arg, ngx_uint_t adopted);

/* of what not everybody can read, in a pool whose numbers are no texts */
void ngx_ur_range_warn(ngx_conf_t *cf, ngx_ur_pool_t *pool);


#endif /* _NGX_UR_RANGE_H_INCLUDED_ */
