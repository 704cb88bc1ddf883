
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * From the positions of a range to its numbers, and back.  A worker makes the
 * permutation of a range when it first needs it.
 */


#ifndef _NGX_UR_MAP_H_INCLUDED_
#define _NGX_UR_MAP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


ngx_int_t ngx_ur_map_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * Positions become numbers, counted from the first one of the range, in groups
 * of any size: those of 64 and more are several times cheaper for each.
 * NGX_ERROR if there is no permutation; "values" are of no use then.
 */
ngx_int_t ngx_ur_map(ngx_ur_range_t *range, uint64_t *values, ngx_uint_t n);

/*
 * The position of a number that is counted likewise, of a range whose domain
 * is ready.  NGX_DECLINED if it was adopted and does not have the number,
 * NGX_ERROR if there is no permutation: the key may not be known yet.
 */
ngx_int_t ngx_ur_map_back(ngx_ur_range_t *range, uint64_t value,
    uint64_t *position);


#endif /* _NGX_UR_MAP_H_INCLUDED_ */
