
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "unique_random_body": what a number is answered with in place of JSON.
 */


#ifndef _NGX_UR_BODY_H_INCLUDED_
#define _NGX_UR_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* of ngx_command_t; "conf" is an ngx_ur_loc_conf_t */
char *ngx_ur_body(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_UR_BODY_H_INCLUDED_ */
