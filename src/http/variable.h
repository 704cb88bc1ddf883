
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The variables.
 */


#ifndef _NGX_UR_VARIABLE_H_INCLUDED_
#define _NGX_UR_VARIABLE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* of ngx_http_variable_t */
ngx_int_t ngx_ur_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_ur_variable_remaining(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_ur_variable_version(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_ur_variable_shard(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_ur_variable_status(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
ngx_int_t ngx_ur_variable_wait(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

/* likewise, of those of "unique_random_set"; "data" is the variable's index */
ngx_int_t ngx_ur_variable_kept(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#endif /* _NGX_UR_VARIABLE_H_INCLUDED_ */
