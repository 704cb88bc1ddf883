
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Header fields of requests and responses.
 */


#ifndef _NGX_UR_HEADER_H_INCLUDED_
#define _NGX_UR_HEADER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Adds one to the response, of static strings.  Cache-Control is not set in
 * headers_out.cache_control, where "expires" would replace it.
 */
ngx_int_t ngx_ur_header_add(ngx_http_request_t *r, const char *key,
    const char *value);

/* takes all of that name out of the response */
void ngx_ur_header_remove(ngx_http_request_t *r, const char *key);

/* whether the client likes plain text better than JSON */
ngx_uint_t ngx_ur_header_wants_text(ngx_http_request_t *r);

/* "Accept" of the request, of all its lines; anything, if it does not say */
void ngx_ur_header_accept(ngx_http_request_t *r, ngx_str_t *accept);


#endif /* _NGX_UR_HEADER_H_INCLUDED_ */
