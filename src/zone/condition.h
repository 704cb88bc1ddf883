
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * In what state ranges and shards are, for who looks at them: nothing is
 * decided by it.
 */


#ifndef _NGX_UR_CONDITION_H_INCLUDED_
#define _NGX_UR_CONDITION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


typedef enum {
    NGX_UR_RANGE_ACTIVE = 0,
    NGX_UR_RANGE_UNKNOWN,               /* it has not told in this zone */
    NGX_UR_RANGE_FAILING,               /* its shard is */
    NGX_UR_RANGE_DEFERRED,
    NGX_UR_RANGE_FENCED,
    NGX_UR_RANGE_STALE,
    NGX_UR_RANGE_MISSING,
    NGX_UR_RANGE_MISMATCH,
    NGX_UR_RANGE_CLOSED,
    NGX_UR_RANGE_EXHAUSTED,
    NGX_UR_RANGE_DRAINED,
    NGX_UR_RANGE_DOWN,
    NGX_UR_RANGE_STATES
} ngx_ur_range_state_e;


typedef enum {
    NGX_UR_SHARD_AVAILABLE = 0,
    NGX_UR_SHARD_FAILING,               /* and asked all the same */
    NGX_UR_SHARD_UNAVAILABLE,
    NGX_UR_SHARD_DRAINED,
    NGX_UR_SHARD_DOWN,
    NGX_UR_SHARD_STATES
} ngx_ur_shard_state_e;


typedef enum {
    NGX_UR_STATE_OK = 0,
    NGX_UR_STATE_WARNING,
    NGX_UR_STATE_CRITICAL
} ngx_ur_state_e;


/* by the three above */
extern ngx_str_t  ngx_ur_condition_ranges[];
extern ngx_str_t  ngx_ur_condition_shards[];
extern ngx_str_t  ngx_ur_condition_states[];


/* the caller of both has the mutex */
ngx_ur_range_state_e ngx_ur_condition_of_range(ngx_ur_range_t *range);
ngx_ur_shard_state_e ngx_ur_condition_of_shard(ngx_ur_shard_t *shard);

/* how much one of a range, or of a shard, matters */
ngx_ur_state_e ngx_ur_condition_by_range(ngx_ur_range_state_e state);
ngx_ur_state_e ngx_ur_condition_by_shard(ngx_ur_shard_state_e state);


#endif /* _NGX_UR_CONDITION_H_INCLUDED_ */
