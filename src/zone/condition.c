
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/reservation.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/health.h"
#include "zone/slot.h"


static ngx_ur_range_state_e ngx_ur_condition_outcome(ngx_ur_range_t *range);
static ngx_uint_t ngx_ur_condition_is_given_up(ngx_ur_shard_t *shard);


ngx_str_t  ngx_ur_condition_ranges[] = {
    ngx_string("active"),
    ngx_string("unknown"),
    ngx_string("failing"),
    ngx_string("deferred"),
    ngx_string("fenced"),
    ngx_string("stale"),
    ngx_string("missing"),
    ngx_string("mismatch"),
    ngx_string("closed"),
    ngx_string("exhausted"),
    ngx_string("drained"),
    ngx_string("down")
};


ngx_str_t  ngx_ur_condition_shards[] = {
    ngx_string("available"),
    ngx_string("failing"),
    ngx_string("unavailable"),
    ngx_string("drained"),
    ngx_string("down")
};


ngx_str_t  ngx_ur_condition_states[] = {
    ngx_string("ok"),
    ngx_string("warning"),
    ngx_string("critical")
};


ngx_ur_range_state_e
ngx_ur_condition_of_range(ngx_ur_range_t *range)
{
    ngx_ur_range_state_e  state;

    if (range->shard->down) {
        return NGX_UR_RANGE_DOWN;
    }

    state = ngx_ur_condition_outcome(range);

    if (state != NGX_UR_RANGE_ACTIVE) {
        return state;
    }

    if (range->shard->drain) {
        return NGX_UR_RANGE_DRAINED;
    }

    if (ngx_ur_condition_is_given_up(range->shard)) {
        return NGX_UR_RANGE_FAILING;
    }

    /* what is recalled of it says nothing of how it is now */

    return range->slot->told_at ? NGX_UR_RANGE_ACTIVE : NGX_UR_RANGE_UNKNOWN;
}


static ngx_ur_range_state_e
ngx_ur_condition_outcome(ngx_ur_range_t *range)
{
    ngx_ur_slot_t  *slot;

    slot = range->slot;

    switch (slot->outcome) {

    case RESERVATION_EXHAUSTED:
        return leases_left(&slot->leases) ? NGX_UR_RANGE_ACTIVE
                                          : NGX_UR_RANGE_EXHAUSTED;

    case RESERVATION_MISSING:
        return NGX_UR_RANGE_MISSING;

    case RESERVATION_MISMATCH:
    case RESERVATION_DOMAIN:
        return NGX_UR_RANGE_MISMATCH;

    case RESERVATION_DEFERRED:
        return NGX_UR_RANGE_DEFERRED;

    case RESERVATION_STALE:
        return NGX_UR_RANGE_STALE;

    case RESERVATION_FENCED:

        if (slot->account->stale) {
            return NGX_UR_RANGE_STALE;
        }

        return ngx_strncmp(slot->account->reason, RESERVATION_CLOSED,
                           sizeof(RESERVATION_CLOSED) - 1)
               == 0 ? NGX_UR_RANGE_CLOSED : NGX_UR_RANGE_FENCED;

    default:
        return NGX_UR_RANGE_ACTIVE;
    }
}


ngx_ur_shard_state_e
ngx_ur_condition_of_shard(ngx_ur_shard_t *shard)
{
    if (shard->down) {
        return NGX_UR_SHARD_DOWN;
    }

    if (shard->drain) {
        return NGX_UR_SHARD_DRAINED;
    }

    if (ngx_ur_condition_is_given_up(shard)) {
        return NGX_UR_SHARD_UNAVAILABLE;
    }

    return shard->health->fails ? NGX_UR_SHARD_FAILING
                                : NGX_UR_SHARD_AVAILABLE;
}


/* also while it is asked again, which may take longer than the pause before */

static ngx_uint_t
ngx_ur_condition_is_given_up(ngx_ur_shard_t *shard)
{
    return ngx_ur_health_due(shard, 0) || ngx_ur_health_failing(shard);
}


ngx_ur_state_e
ngx_ur_condition_by_range(ngx_ur_range_state_e state)
{
    switch (state) {

    case NGX_UR_RANGE_FENCED:
    case NGX_UR_RANGE_STALE:
        return NGX_UR_STATE_CRITICAL;

    case NGX_UR_RANGE_FAILING:
    case NGX_UR_RANGE_DEFERRED:
    case NGX_UR_RANGE_MISSING:
    case NGX_UR_RANGE_MISMATCH:
        return NGX_UR_STATE_WARNING;

    default:
        return NGX_UR_STATE_OK;
    }
}


ngx_ur_state_e
ngx_ur_condition_by_shard(ngx_ur_shard_state_e state)
{
    switch (state) {

    case NGX_UR_SHARD_UNAVAILABLE:
        return NGX_UR_STATE_CRITICAL;

    case NGX_UR_SHARD_FAILING:
        return NGX_UR_STATE_WARNING;

    default:
        return NGX_UR_STATE_OK;
    }
}
