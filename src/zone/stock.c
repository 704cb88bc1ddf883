
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/domain.h"
#include "zone/slot.h"
#include "zone/stock.h"


static ngx_uint_t ngx_ur_stock_has(ngx_ur_range_t *range);


uint64_t
ngx_ur_stock(ngx_ur_pool_t *pool)
{
    uint64_t          sum;
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    sum = 0;
    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (!ngx_ur_slot_issues(ranges[i])) {
            continue;
        }

        sum += leases_left(&ranges[i]->slot->leases);

        if (ngx_ur_stock_has(ranges[i])) {
            sum += ngx_ur_stock_left(ranges[i]);
        }
    }

    return sum;
}


/* whether it may have more than its leases */

static ngx_uint_t
ngx_ur_stock_has(ngx_ur_range_t *range)
{
    switch (range->slot->outcome) {

    case RESERVATION_MISSING:
    case RESERVATION_MISMATCH:
    case RESERVATION_DOMAIN:
        return 0;

    default:
        return !range->shard->drain;
    }
}


/* of a range that has not answered yet, as much as is not known to be gone */

uint64_t
ngx_ur_stock_left(ngx_ur_range_t *range)
{
    uint64_t        size;
    ngx_ur_slot_t  *slot;

    slot = range->slot;
    size = ngx_ur_domain_size(range);

    return slot->told_at
           ? ngx_min(slot->remaining, size)
           : size - ngx_min(memory_now(&slot->memory)->reserved, size);
}
