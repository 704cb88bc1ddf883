
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a request for many, which waits, may expect, and what is to be asked
 * for it.
 */


#ifndef _NGX_UR_OUTLOOK_H_INCLUDED_
#define _NGX_UR_OUTLOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/choice.h"


/*
 * For a request that waits for n numbers, which are not leased, and holds some
 * already; with patience, what is asked for is expected to come.  "exhausted"
 * is that fewer are left.
 */
void ngx_ur_outlook(ngx_ur_pool_t *pool, uint64_t n, uint64_t held,
    ngx_uint_t patient, ngx_ur_outlook_t *outlook);


#endif /* _NGX_UR_OUTLOOK_H_INCLUDED_ */
