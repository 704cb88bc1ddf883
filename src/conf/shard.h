
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "shard" in the block of a pool.
 */


#ifndef _NGX_UR_SHARD_H_INCLUDED_
#define _NGX_UR_SHARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* "conf" is the pool */
char *ngx_ur_shard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_UR_SHARD_H_INCLUDED_ */
