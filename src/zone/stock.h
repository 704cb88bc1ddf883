
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * How many numbers are left, as far as is known.
 */


#ifndef _NGX_UR_STOCK_H_INCLUDED_
#define _NGX_UR_STOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* of the pool, leases included; needs no mutex */
uint64_t ngx_ur_stock(ngx_ur_pool_t *pool);

/* how many of the range can be reserved; the caller has the mutex, or does
   without what is true at one time */
uint64_t ngx_ur_stock_left(ngx_ur_range_t *range);


#endif /* _NGX_UR_STOCK_H_INCLUDED_ */
