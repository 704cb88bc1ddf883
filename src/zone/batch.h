
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Positions that a worker has taken out of the zone, many at a time, with
 * their values.  They are mapped at once, which costs a fraction per number,
 * and issued without the mutex.  A range has at most one batch in each worker.
 *
 * For the zone they are issued: a worker that is killed burns its batches (I4).
 * They go back when it has no use for them, or others have none left.
 */


#ifndef _NGX_UR_BATCH_H_INCLUDED_
#define _NGX_UR_BATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* positions that it has at most */
#define NGX_UR_BATCH  64

/* how often batches and holds are looked at, in milliseconds */
#define NGX_UR_TIDY   50


ngx_int_t ngx_ur_batch_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * How many positions of the range are in this worker's batch, and may be
 * issued.  Needs no mutex: a fence or a new life that another worker is just
 * about to see has come before or after the draw.
 */
ngx_uint_t ngx_ur_batch_left(ngx_ur_range_t *range);

/*
 * Takes a new batch of the range, with what is left of an old one burned.
 * NGX_DECLINED if nothing is leased, or may not be issued.  The caller has the
 * mutex.
 */
ngx_int_t ngx_ur_batch_take(ngx_ur_range_t *range);

/*
 * Issues the next position of a batch that has some left.  NGX_ERROR if it
 * cannot be mapped, and then it is burned; NGX_AGAIN if its number is excluded:
 * it is passed over, for good.
 */
ngx_int_t ngx_ur_batch_issue(ngx_ur_range_t *range, uint64_t *position,
    uint64_t *value);

/*
 * Puts back those that are of no use here, and returns when to look again, if
 * there are others.  The caller has the mutex.
 */
ngx_msec_t ngx_ur_batch_tidy(ngx_ur_pool_t *pool);

/* puts all that this worker has back into the zone, and logs what it cannot */
void ngx_ur_batch_end(ngx_ur_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_UR_BATCH_H_INCLUDED_ */
