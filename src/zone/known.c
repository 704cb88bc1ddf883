
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The key of a slot, its domain and the digest of its memory never part (I6):
 * so what is read without the mutex is of one range, if the slot still is.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "pool.h"
#include "zone/exclude.h"
#include "zone/known.h"
#include "zone/map.h"
#include "zone/slot.h"


static ngx_ur_known_e ngx_ur_known_position(ngx_ur_range_t *range,
    uint64_t number);


ngx_ur_known_e
ngx_ur_known(ngx_ur_range_t *range, uint64_t number)
{
    ngx_ur_known_e  known;

    known = ngx_ur_known_position(range, number);

    /* what others have given out, they have, whatever is excluded here */

    if (known == NGX_UR_KNOWN_ADOPTED
        || (known == NGX_UR_KNOWN_NOTHING && range->adopted))
    {
        return known;
    }

    return ngx_ur_exclude(range->shard->pool, number) ? NGX_UR_KNOWN_EXCLUDED
                                                      : known;
}


static ngx_ur_known_e
ngx_ur_known_position(ngx_ur_range_t *range, uint64_t number)
{
    uint64_t        position;
    memory_t        memory;
    ngx_ur_known_e  known;

    if (!ngx_ur_slot_fits(range)
        || memory_read(&range->slot->memory, &memory) == 0)
    {
        return NGX_UR_KNOWN_NOTHING;
    }

    switch (ngx_ur_map_back(range, number - range->first, &position)) {

    case NGX_OK:
        known = (position < memory.reserved) ? NGX_UR_KNOWN_RESERVED
                                             : NGX_UR_KNOWN_UNRESERVED;
        break;

    case NGX_DECLINED:
        known = NGX_UR_KNOWN_ADOPTED;
        break;

    default:
        known = NGX_UR_KNOWN_NOTHING;
    }

    return ngx_ur_slot_fits(range) ? known : NGX_UR_KNOWN_NOTHING;
}


ngx_int_t
ngx_ur_known_age(ngx_ur_range_t *range, ngx_msec_t *age)
{
    ngx_msec_t      at;
    ngx_msec_int_t  passed;

    at = range->slot->told_at;

    ngx_memory_barrier();

    if (at == 0 || range->slot->id != range->slot_id) {
        return NGX_DECLINED;
    }

    /* the clock of the worker that took the answer in may be ahead */

    passed = ngx_current_msec - at;

    *age = ngx_max(passed, 0);

    return NGX_OK;
}


ngx_uint_t
ngx_ur_known_answered(ngx_ur_range_t *range, ngx_msec_t since)
{
    ngx_msec_t  at;

    at = range->slot->answered_at;

    return at != 0 && (ngx_msec_int_t) (at - since) >= 0;
}
