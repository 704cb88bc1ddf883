
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The client of a request.
 */


#ifndef _NGX_UR_CLIENT_H_INCLUDED_
#define _NGX_UR_CLIENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* whether it has left; for a read handler, in which an event has come */
ngx_uint_t ngx_ur_client_gone(ngx_http_request_t *r);


#endif /* _NGX_UR_CLIENT_H_INCLUDED_ */
