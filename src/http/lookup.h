
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The content handler of "unique_random_lookup": whether a number can have been
 * issued.  Nothing of a request but the number it means is in an answer.
 */


#ifndef _NGX_UR_LOOKUP_H_INCLUDED_
#define _NGX_UR_LOOKUP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


ngx_int_t ngx_ur_lookup_handler(ngx_http_request_t *r);


#endif /* _NGX_UR_LOOKUP_H_INCLUDED_ */
