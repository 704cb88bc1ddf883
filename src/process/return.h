
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Gives leases back to their shards at a clean stop.
 */


#ifndef _NGX_UR_RETURN_H_INCLUDED_
#define _NGX_UR_RETURN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * Takes all leases of these pools out of their zones and puts them into
 * "returned" of their shards, all at once.  Blocks; what is not acknowledged
 * until the deadline, a value of ngx_current_msec, is burned.
 */
void ngx_ur_return(ngx_ur_pool_t **pools, ngx_uint_t n, ngx_msec_t deadline,
    ngx_log_t *log);


#endif /* _NGX_UR_RETURN_H_INCLUDED_ */
