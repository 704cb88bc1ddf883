
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "exclude" in the block of a pool.
 */


#ifndef _NGX_UR_PATTERN_H_INCLUDED_
#define _NGX_UR_PATTERN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* "conf" is the pool */
char *ngx_ur_pattern(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Tries the patterns of a pool, whose ranges and format are known: none of them
 * may be too much for the library, and together they must leave some numbers.
 */
char *ngx_ur_pattern_init(ngx_conf_t *cf, ngx_ur_pool_t *pool);


#endif /* _NGX_UR_PATTERN_H_INCLUDED_ */
