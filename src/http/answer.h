
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
#include "zone/choice.h"


/*
 * Takes the number that was drawn.  NGX_ERROR if there is none, and then its
 * position is burned.
 */
ngx_int_t ngx_ur_answer_take(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw);

/* sends what the status says; returns what a content handler does */
ngx_int_t ngx_ur_answer(ngx_ur_ctx_t *ctx);

/* likewise, for a method that is none of "allow" */
ngx_int_t ngx_ur_answer_not_allowed(ngx_ur_ctx_t *ctx, ngx_str_t *allow);

/*
 * Answers a request that has waited, and finalizes it; the status is the
 * outcome of the wait, "draw" is NULL without a number.
 */
void ngx_ur_answer_waited(ngx_ur_ctx_t *ctx, ngx_ur_status_e status,
    ngx_ur_draw_t *draw);


#endif /* _NGX_UR_ANSWER_H_INCLUDED_ */
