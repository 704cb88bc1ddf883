
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Which range a number is of.  A pool may have thousands, so they are kept in
 * the order of their numbers, apart from pool->ranges, which are as configured.
 */


#ifndef _NGX_UR_FIND_H_INCLUDED_
#define _NGX_UR_FIND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* with pool->sorted */
ngx_int_t ngx_ur_find_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/* NULL if the number is of no range of the pool */
ngx_ur_range_t *ngx_ur_find(ngx_ur_pool_t *pool, uint64_t number);

/* the lowest and the highest number of the pool */
#define ngx_ur_find_first(pool)  ((pool)->sorted[0]->first)
#define ngx_ur_find_last(pool)                                                \
    ((pool)->sorted[(pool)->ranges.nelts - 1]->last)


#endif /* _NGX_UR_FIND_H_INCLUDED_ */
