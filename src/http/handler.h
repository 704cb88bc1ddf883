
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The content handlers of "unique_random" and "unique_random_ready".
 */


#ifndef _NGX_UR_HANDLER_H_INCLUDED_
#define _NGX_UR_HANDLER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/context.h"


ngx_int_t ngx_ur_handler(ngx_http_request_t *r);
ngx_int_t ngx_ur_handler_ready(ngx_http_request_t *r);

/*
 * How each content handler of a pool begins: with a context, if the method is
 * one of those.  Without, the request is answered, or has failed.  What a
 * method that is none of them gets has a "code", unless that is NULL.
 */
ngx_int_t ngx_ur_handler_start(ngx_http_request_t *r, ngx_uint_t methods,
    const char *allow, const char *code, ngx_ur_ctx_t **ctx);


#endif /* _NGX_UR_HANDLER_H_INCLUDED_ */
