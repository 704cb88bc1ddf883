
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/find.h"


static int ngx_libc_cdecl ngx_ur_find_compare(const void *one,
    const void *two);


ngx_int_t
ngx_ur_find_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    size_t  size;

    size = pool->ranges.nelts * sizeof(ngx_ur_range_t *);

    pool->sorted = ngx_palloc(cf->pool, size);
    if (pool->sorted == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(pool->sorted, pool->ranges.elts, size);

    ngx_qsort(pool->sorted, pool->ranges.nelts, sizeof(ngx_ur_range_t *),
              ngx_ur_find_compare);

    return NGX_OK;
}


/* ranges of a pool do not overlap */

static int ngx_libc_cdecl
ngx_ur_find_compare(const void *one, const void *two)
{
    ngx_ur_range_t *const *a = one;
    ngx_ur_range_t *const *b = two;

    return ((*a)->first > (*b)->first) - ((*a)->first < (*b)->first);
}


ngx_ur_range_t *
ngx_ur_find(ngx_ur_pool_t *pool, uint64_t number)
{
    ngx_uint_t       low, high, middle;
    ngx_ur_range_t  *range;

    low = 0;
    high = pool->ranges.nelts;

    while (low < high) {
        middle = (low + high) / 2;
        range = pool->sorted[middle];

        if (number < range->first) {
            high = middle;

        } else if (number > range->last) {
            low = middle + 1;

        } else {
            return range;
        }
    }

    return NULL;
}
