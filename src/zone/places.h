
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The places of a zone, and who has them.
 */


#ifndef _NGX_UR_PLACES_H_INCLUDED_
#define _NGX_UR_PLACES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * Gives each range and each shard of a configuration that is being read its
 * place.  The master's, without a lock.  NGX_DECLINED: there are too few.
 */
ngx_int_t ngx_ur_places_plan(ngx_ur_pool_t *pool, ngx_log_t *log);

/* the configuration is accepted: what it has it keeps */
void ngx_ur_places_accept(ngx_ur_pool_t *pool);


#endif /* _NGX_UR_PLACES_H_INCLUDED_ */
