
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The directives in the block of a pool.
 */


#ifndef _NGX_UR_DIRECTIVE_H_INCLUDED_
#define _NGX_UR_DIRECTIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the defaults of "lease" */
#define NGX_UR_LEASE_MIN    16
#define NGX_UR_LEASE_MAX    65536
#define NGX_UR_LEASE_AHEAD  1000


/* "conf" is the pool */
char *ngx_ur_directive_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_directive_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_directive_state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_directive_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_UR_DIRECTIVE_H_INCLUDED_ */
