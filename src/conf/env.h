
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Environment variables in the configuration.
 */


#ifndef _NGX_UR_ENV_H_INCLUDED_
#define _NGX_UR_ENV_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Replaces ${NAME}, and ${NAME:-default}, whose default also stands for an
 * empty variable.  The text ends with a zero.
 */
ngx_int_t ngx_ur_env(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *text);


#endif /* _NGX_UR_ENV_H_INCLUDED_ */
