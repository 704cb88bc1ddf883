
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What is known of a pool at one time, copied: each range and shard under the
 * mutex by itself, so that nobody is held up for longer.  Durations and times
 * are in milliseconds, times since the epoch and 0 for never.
 */


#ifndef _NGX_UR_SNAPSHOT_H_INCLUDED_
#define _NGX_UR_SNAPSHOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/histogram.h"
#include "core/history.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"


/* names of what positions are burned by, and of connections that there are */
extern ngx_str_t  ngx_ur_snapshot_burned[];
extern ngx_str_t  ngx_ur_snapshot_connections[];


/* numbers are of the row, as its last reply said, up to "remaining" */

typedef struct {
    ngx_ur_range_t          *range;
    uint64_t                 state;         /* ngx_ur_range_state_e */

    uint64_t                 size;
    uint64_t                 known_size;    /* 0: of its domain it is not */
    uint64_t                 reserved;
    uint64_t                 returned;
    uint64_t                 remaining;     /* to reserve */
    uint64_t                 serial;
    uint64_t                 epoch;         /* 0: not known */

    uint64_t                 leased;
    uint64_t                 batched;
    ngx_ur_account_t         account;       /* with all workers */
} ngx_ur_range_snapshot_t;


typedef struct {
    ngx_ur_shard_t          *shard;
    uint64_t                 state;         /* ngx_ur_shard_state_e */
    uint64_t                 fails;         /* in a row */
    uint64_t                 connections[NGX_UR_CONNECTIONS];
    ngx_ur_shard_account_t   account;
} ngx_ur_shard_snapshot_t;


typedef struct {
    ngx_ur_pool_t            *pool;
    ngx_ur_state_e            state;

    uint64_t                  created;      /* the zone */
    uint64_t                  zone_size;
    uint64_t                  used_places;  /* for ranges */
    uint64_t                  free_places;  /* and how many more would fit */

    uint64_t                  written;      /* the state */
    uint64_t                  unsaved;      /* ranges */

    uint64_t                  statuses[NGX_UR_STATUSES];
    histogram_t               waits;
    uint64_t                  requests;     /* the sum of "statuses" */
    uint64_t                  waiting;
    uint64_t                  oldest;       /* has waited so long */
    uint64_t                  queue;        /* most that may, in all workers */

    history_t                 drawn;
    history_t                 used_up;      /* by everybody */

    /* sums of all ranges that may be drawn from */
    uint64_t                  size;
    uint64_t                  reserved;
    uint64_t                  returned;
    uint64_t                  remaining;
    uint64_t                  leased;
    uint64_t                  batched;
    uint64_t                  issued;
    uint64_t                  excluded;

    uint64_t                  issuable;     /* now, or after a reservation */

    ngx_ur_range_snapshot_t  *ranges;
    ngx_ur_shard_snapshot_t  *shards;
} ngx_ur_snapshot_t;


/* in memory of "memory" */
ngx_int_t ngx_ur_snapshot(ngx_ur_snapshot_t *snapshot, ngx_ur_pool_t *pool,
    ngx_pool_t *memory);

/*
 * In how many seconds nothing remains, at the rate of that window; -1 if it is
 * not known, or nothing was used in it.
 */
double ngx_ur_snapshot_forecast(const history_t *used, uint64_t remaining,
    history_window_e window);

/* the same, at the rate of the last hour or day, by which it is sooner */
double ngx_ur_snapshot_soonest(const history_t *used, uint64_t remaining);


#endif /* _NGX_UR_SNAPSHOT_H_INCLUDED_ */
