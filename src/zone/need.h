
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a range is to be asked for, and when.  Nothing is changed here.
 */


#ifndef _NGX_UR_NEED_H_INCLUDED_
#define _NGX_UR_NEED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/asks.h"


/* for whom ranges are asked, and with what patience */

typedef struct {
    ngx_ur_range_t  *range;             /* chosen to, or NULL */
    unsigned         waiting:1;         /* requests do, else a draw */
    unsigned         shared:1;          /* or more: those with "wanted" */
    unsigned         news:1;            /* a number of it is looked up, and
                                           no other range is to be asked */
    unsigned         hasty:1;           /* nothing else can be asked */
} ngx_ur_cause_t;


/* the caller of both has the mutex */

/*
 * What the range may be asked for, and in how many milliseconds: infinitely
 * many with NGX_UR_NEED_NONE.
 */
ngx_ur_need_e ngx_ur_need(ngx_ur_range_t *range, ngx_ur_cause_t *cause,
    ngx_msec_t *due);

/* what to ask it for now, if anything */
ngx_ur_need_e ngx_ur_need_now(ngx_ur_range_t *range, ngx_ur_cause_t *cause);


#endif /* _NGX_UR_NEED_H_INCLUDED_ */
