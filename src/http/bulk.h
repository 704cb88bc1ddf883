
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Requests for many numbers, by "count=N": all of them, or none.
 */


#ifndef _NGX_UR_BULK_H_INCLUDED_
#define _NGX_UR_BULK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"
#include "zone/hold.h"


struct ngx_ur_bulk_s {
    uint64_t        count;              /* numbers that are wanted */
    ngx_ur_hold_t  *hold;
};


/*
 * Looks whether the request wants many, and sees to "bulk", "take" and "answer"
 * of the context then.  NGX_DECLINED if it has no "count".  If "bulk" is still
 * NULL otherwise, the count is not allowed, and the code is nginx's; none is if
 * "max" is 0.
 */
ngx_int_t ngx_ur_bulk(ngx_ur_ctx_t *ctx, ngx_uint_t max);

/*
 * How many numbers it wants yet, and for how many milliseconds it may wait for
 * a better choice of ranges.
 */
#define ngx_ur_bulk_wanted(bulk)                                              \
    ((bulk)->count - ((bulk)->hold->left - (bulk)->hold->excluded))

ngx_msec_t ngx_ur_bulk_patience(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_BULK_H_INCLUDED_ */
