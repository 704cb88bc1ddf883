
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The zone of a pool when a configuration is read.
 */


#ifndef _NGX_UR_INIT_H_INCLUDED_
#define _NGX_UR_INIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* asks nginx for the zone, which is of "tag" */
ngx_int_t ngx_ur_init_add(ngx_conf_t *cf, ngx_ur_pool_t *pool, void *tag);


#endif /* _NGX_UR_INIT_H_INCLUDED_ */
