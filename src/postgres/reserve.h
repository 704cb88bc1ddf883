
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reservations: from the wish for positions to leases in the zone, over the
 * connection that the ranges of a shard share.
 */


#ifndef _NGX_UR_RESERVE_H_INCLUDED_
#define _NGX_UR_RESERVE_H_INCLUDED_


#include "pool.h"
#include "zone/choice.h"


/*
 * Asks all ranges that are to be asked for this cause.  How much is asked for
 * is decided when it is sent.  When an ask has ended, well or not, pool->wake
 * is posted if requests wait.
 */
void ngx_ur_reserve(ngx_ur_pool_t *pool, ngx_ur_cause_t *cause);

/* an attempt to connect has ended, with a result of the shard's health */
void ngx_ur_reserve_connected(ngx_ur_shard_t *shard, ngx_uint_t result);

/* the handler of a shard's connection */
void ngx_ur_reserve_handler(ngx_ur_postgres_t *pg, ngx_int_t rc);


/* for whoever takes the replies in: what comes after one */

/* the next statement, or none */
void ngx_ur_reserve_done(ngx_ur_shard_t *shard);

/* what is in "sent" again, on this host or on the next one */
void ngx_ur_reserve_send(ngx_ur_shard_t *shard);
void ngx_ur_reserve_next_host(ngx_ur_shard_t *shard);

/* the shard has failed; "lost": what was sent may have been granted (I3) */
void ngx_ur_reserve_failed(ngx_ur_shard_t *shard, ngx_uint_t result,
    ngx_uint_t lost);

/* a range has been answered, or will not be */
void ngx_ur_reserve_end(ngx_ur_range_t *range);
void ngx_ur_reserve_end_all(ngx_ur_shard_t *shard, ngx_uint_t lost);

/* of those that have not been sent */
void ngx_ur_reserve_end_asks(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_RESERVE_H_INCLUDED_ */
