
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reservations: from the wish for positions of a range to a lease in the
 * zone, over the connection that the ranges of a shard share.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_RESERVE_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_RESERVE_H_INCLUDED_


#include "ngx_http_unique_random_pool.h"


/*
 * Begins a reservation, unless this worker has one of the range in flight.
 * How much is asked for is decided when it is sent.  When it has ended, well
 * or not, pool->wake is posted.
 */
void ngx_http_unique_random_reserve(ngx_http_unique_random_range_t *range);

/*
 * The worker exits: gives up what has not been sent, and returns the connection
 * on which a reply is still awaited, or NULL.
 */
ngx_connection_t *ngx_http_unique_random_reserve_pending(
    ngx_http_unique_random_shard_t *shard);

/* the worker exits: ends what is under way */
void ngx_http_unique_random_reserve_abort(
    ngx_http_unique_random_shard_t *shard);

/* the handler of a shard's connection */
void ngx_http_unique_random_reserve_handler(
    ngx_http_unique_random_postgres_t *pg, ngx_int_t rc);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_RESERVE_H_INCLUDED_ */
