
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "format" in the block of a pool.
 */


#ifndef _NGX_UR_FORMAT_H_INCLUDED_
#define _NGX_UR_FORMAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* "conf" is the pool */
char *ngx_ur_format(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* makes the format of a pool whose ranges are known, if it is to have one */
char *ngx_ur_format_init(ngx_conf_t *cf, ngx_ur_pool_t *pool);


#endif /* _NGX_UR_FORMAT_H_INCLUDED_ */
