
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The locations that use a pool.
 */


#ifndef _NGX_UR_USE_H_INCLUDED_
#define _NGX_UR_USE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"


/* sets a directive whose location the handler serves */
char *ngx_ur_use(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler);

/* likewise, "unique_random_lookup" */
char *ngx_ur_use_lookup(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_ur_loc_conf_t *urlcf, ngx_http_handler_pt handler);
/*
 * A use of the pool of that name, by default of the only one, by a directive;
 * NULL if it cannot be, which is logged.
 */
ngx_ur_use_t *ngx_ur_use_add(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *name);

/* finds the pools of all uses; what is wrong is logged */
ngx_int_t ngx_ur_use_find_all(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf);


#endif /* _NGX_UR_USE_H_INCLUDED_ */
