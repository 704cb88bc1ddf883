
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The block of a pool.
 */


#ifndef _NGX_UR_BLOCK_H_INCLUDED_
#define _NGX_UR_BLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* "unique_random_pool NAME { }" */
char *ngx_ur_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * The names of the pools in "list", of ngx_ur_pool_t *, as an array of SQL;
 * NULL if there is no memory.
 */
u_char *ngx_ur_block_names(ngx_conf_t *cf, ngx_array_t *list);


#endif /* _NGX_UR_BLOCK_H_INCLUDED_ */
