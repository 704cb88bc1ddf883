
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reservations: from the wish for positions to leases in the zone, over the
 * connection that the ranges of a shard share.
 */


#ifndef _NGX_UR_RESERVE_H_INCLUDED_
#define _NGX_UR_RESERVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/need.h"


/* with the sessions of the shards, which end with the configuration */
ngx_int_t ngx_ur_reserve_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * Asks all ranges that are to be asked for this cause.  How much is asked for
 * is decided when it is sent.  When an ask has ended, well or not, pool->wake
 * is posted if requests wait.
 */
void ngx_ur_reserve(ngx_ur_pool_t *pool, ngx_ur_cause_t *cause);

/*
 * For a worker that exits.  Gives up what has not been sent, and returns the
 * connection on which a reply is still awaited, or NULL.
 */
ngx_connection_t *ngx_ur_reserve_pending(ngx_ur_shard_t *shard);

/* then gives up the rest */
void ngx_ur_reserve_abort(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_RESERVE_H_INCLUDED_ */
