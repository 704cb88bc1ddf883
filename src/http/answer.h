
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The answers to a request.
 */


#ifndef _NGX_UR_ANSWER_H_INCLUDED_
#define _NGX_UR_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/context.h"


/* of ngx_ur_ctx_t: for one number, and whether there is one */
ngx_int_t ngx_ur_answer(ngx_ur_ctx_t *ctx);
ngx_int_t ngx_ur_answer_ready(ngx_ur_ctx_t *ctx);

/* likewise, for an error: "code" is for programs, "fmt" for people */
ngx_int_t ngx_ur_answer_error(ngx_ur_ctx_t *ctx, ngx_uint_t status,
    const char *code, const char *fmt, ...);

/* likewise, for a method that is none of "allow"; "code" may be NULL */
ngx_int_t ngx_ur_answer_not_allowed(ngx_ur_ctx_t *ctx, const char *allow,
    const char *code);

/* likewise, with a body of the caller's */
ngx_int_t ngx_ur_answer_body(ngx_ur_ctx_t *ctx, ngx_uint_t status,
    ngx_str_t *json);

/* the header of numbers, which is still to be sent */
ngx_int_t ngx_ur_answer_header(ngx_ur_ctx_t *ctx, ngx_str_t *type);

/* answers a request that has waited, and finalizes it */
void ngx_ur_answer_waited(ngx_ur_ctx_t *ctx, ngx_int_t rc);


extern ngx_str_t  ngx_ur_answer_json;
extern ngx_str_t  ngx_ur_answer_plain;


#endif /* _NGX_UR_ANSWER_H_INCLUDED_ */
