
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "unique_random_set": which variable gets a number, and of which pool.
 */


#ifndef _NGX_UR_SET_H_INCLUDED_
#define _NGX_UR_SET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"


/* "get" reads the variable; its data is the index of the variable */
char *ngx_ur_set(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_get_variable_pt get);


#endif /* _NGX_UR_SET_H_INCLUDED_ */
