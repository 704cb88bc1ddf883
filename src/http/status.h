
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an operator sees of all pools, in one of four representations.
 */


#ifndef _NGX_UR_STATUS_H_INCLUDED_
#define _NGX_UR_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_ur_status_handler(ngx_http_request_t *r);


#endif /* _NGX_UR_STATUS_H_INCLUDED_ */
