
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connects to the peers of a shard in turn.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_CONNECT_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_CONNECT_H_INCLUDED_


#include "ngx_http_unique_random_pool.h"


/*
 * Begins with the peer that was good last time.  NGX_ERROR: none is left to
 * try; otherwise the handler of the connection is called.
 */
ngx_int_t ngx_http_unique_random_connect(
    ngx_http_unique_random_shard_t *shard);

/* the peer in use is of no use: goes on with the next one, likewise */
ngx_int_t ngx_http_unique_random_connect_next(
    ngx_http_unique_random_shard_t *shard);

/* gives up what is under way, without a call of the handler */
void ngx_http_unique_random_connect_abort(
    ngx_http_unique_random_shard_t *shard, char *reason);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_CONNECT_H_INCLUDED_ */
