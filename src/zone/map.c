
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/permutation.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/domain.h"
#include "zone/map.h"
#include "zone/slot.h"

#include <openssl/err.h>


static void ngx_ur_map_cleanup(void *data);
static permutation_t *ngx_ur_map_permutation(ngx_ur_range_t *range);


ngx_int_t
ngx_ur_map_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ur_map_cleanup;
    cln->data = pool;

    return NGX_OK;
}


static void
ngx_ur_map_cleanup(void *data)
{
    ngx_ur_pool_t *pool = data;

    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        permutation_destroy(ranges[i]->permutation);
    }
}


ngx_int_t
ngx_ur_map(ngx_ur_range_t *range, uint64_t *values, ngx_uint_t n)
{
    permutation_t  *permutation;

    permutation = ngx_ur_map_permutation(range);

    if (permutation == NULL
        || permutation_map(permutation, values, values, n) != 0)
    {
        /* the reasons are dropped, or TLS would take them for its own */
        ERR_clear_error();

        return NGX_ERROR;
    }

    ngx_ur_domain_select(range, values, n);

    /* another domain may have come meanwhile, whose numbers are not these */

    return ngx_ur_slot_fits(range) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_ur_map_back(ngx_ur_range_t *range, uint64_t value, uint64_t *position)
{
    permutation_t  *permutation;

    if (ngx_ur_domain_rank(range, &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    permutation = ngx_ur_map_permutation(range);

    if (permutation == NULL
        || permutation_unmap(permutation, &value, position, 1) != 0)
    {
        ERR_clear_error();

        return NGX_ERROR;
    }

    return NGX_OK;
}


static permutation_t *
ngx_ur_map_permutation(ngx_ur_range_t *range)
{
    u_char          key[RESERVATION_KEY_LEN];
    permutation_t  *permutation;

    if (range->permutation) {
        return range->permutation;
    }

    if (ngx_ur_slot_key(range, key) != NGX_OK) {
        return NULL;
    }

    permutation = permutation_create(key, ngx_ur_domain_size(range));

    ngx_explicit_memzero(key, RESERVATION_KEY_LEN);

    /* it is kept: the size has to be that of the domain which has this key */

    if (!ngx_ur_slot_fits(range)) {
        permutation_destroy(permutation);
        return NULL;
    }

    range->permutation = permutation;

    return permutation;
}
