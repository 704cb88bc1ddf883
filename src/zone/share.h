
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * How many of many numbers each range is to give: by what it has left, as draws
 * would have it.
 */


#ifndef _NGX_UR_SHARE_H_INCLUDED_
#define _NGX_UR_SHARE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* of a range, in positions */

typedef struct {
    uint64_t             left;          /* leased, or to be reserved */
    uint64_t             leased;        /* of these, here */
    uint64_t             share;
    unsigned             can:1;         /* be asked now */
} ngx_ur_portion_t;


struct ngx_ur_share_s {
    uint64_t             left;          /* sums */
    uint64_t             leased;
    ngx_ur_portion_t    *portions;      /* in the order of the ranges */
    ngx_uint_t          *order;         /* of portions in a division */
};


ngx_int_t ngx_ur_share_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);


/* the caller of the following has the mutex */

/* divides n among the ranges, or all that is left if that is less */
void ngx_ur_share(ngx_ur_pool_t *pool, uint64_t n);

/*
 * Whether it would be better to wait for some range whose leases are less than
 * its share, with what draws are to have meanwhile.
 */
ngx_uint_t ngx_ur_share_awaits(ngx_ur_pool_t *pool);

/* whether some leases are low, which "wanted" of an ask says then */
ngx_uint_t ngx_ur_share_is_low(ngx_ur_pool_t *pool);

/* what a range should be asked for, so that its leases are enough for all */
uint64_t ngx_ur_share_deficit(ngx_ur_range_t *range,
    ngx_ur_portion_t *portion);

/* whether it has no place for more of them */
ngx_uint_t ngx_ur_share_is_full(ngx_ur_slot_t *slot);


#endif /* _NGX_UR_SHARE_H_INCLUDED_ */
