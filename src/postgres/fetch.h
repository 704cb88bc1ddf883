
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Fetches the domain of a range that was adopted, chunk by chunk, before
 * anything else is asked of it.  The other ranges of the shard may be asked in
 * between.
 */


#ifndef _NGX_UR_FETCH_H_INCLUDED_
#define _NGX_UR_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * Goes on with what is under way, or begins with what is pending: NGX_OK if a
 * query is sent.  NGX_AGAIN if there is none to be, since another worker is at
 * it, and its ask has ended, or has done it.  NGX_ERROR if the shard failed.
 */
ngx_int_t ngx_ur_fetch(ngx_ur_shard_t *shard);

/*
 * Takes a reply in.  If nothing is under way after it, the range is done with:
 * it has its domain, or was refused and its ask ended.  NGX_DECLINED: another
 * host may know more.
 */
ngx_int_t ngx_ur_fetch_handler(ngx_ur_shard_t *shard);

/* gives up what is under way, if anything */
void ngx_ur_fetch_end(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_FETCH_H_INCLUDED_ */
