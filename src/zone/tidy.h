
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Looks after what a worker has taken out of the zone, while it has some.
 */


#ifndef _NGX_UR_TIDY_H_INCLUDED_
#define _NGX_UR_TIDY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* pool->tidy, which batches and holds arm */
void ngx_ur_tidy_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);


#endif /* _NGX_UR_TIDY_H_INCLUDED_ */
