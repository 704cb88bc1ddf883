
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The choice among the ranges of a pool: which to draw from, and which to ask.
 * Nothing here changes what workers share, but for a batch that is taken.
 */


#ifndef _NGX_UR_CHOICE_H_INCLUDED_
#define _NGX_UR_CHOICE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/need.h"


typedef struct {
    ngx_ur_range_t  *range;             /* whose batch has some left */
    ngx_ur_cause_t   cause;
    unsigned         ask:1;             /* for the cause */
} ngx_ur_draw_t;


/* how a pool without a lease may get one */

typedef struct {
    ngx_ur_cause_t   cause;
    ngx_msec_t       wait;              /* until one may be asked, or
                                           NGX_TIMER_INFINITE */
    unsigned         ask:1;             /* for the cause, now */
    unsigned         asking:1;          /* other workers are */
    unsigned         batched:1;         /* some may come back */
    unsigned         exhausted:1;
} ngx_ur_outlook_t;


ngx_int_t ngx_ur_choice_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/* NGX_DECLINED if the pool has no lease */
ngx_int_t ngx_ur_choice_draw(ngx_ur_pool_t *pool, ngx_ur_draw_t *draw);

/* whether the pool has a lease */
ngx_uint_t ngx_ur_choice_ready(ngx_ur_pool_t *pool);

/* for requests that wait, since the pool has no lease */
void ngx_ur_choice_outlook(ngx_ur_pool_t *pool, ngx_ur_outlook_t *outlook);


#endif /* _NGX_UR_CHOICE_H_INCLUDED_ */
