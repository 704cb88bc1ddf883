
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Positions that are taken out of the zone for one request that wants many.
 * They are intervals, so that their number costs no memory, and become numbers
 * when they are issued, by zone/issue.c.
 *
 * For the zone they are in a batch of the worker: if it is killed, they are
 * burned (I4).  What there is no place for when the request ends is kept until
 * there is one.
 */


#ifndef _NGX_UR_HOLD_H_INCLUDED_
#define _NGX_UR_HOLD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* positions [next, end) of a range */

typedef struct {
    ngx_ur_range_t  *range;
    uint64_t         epoch;             /* they were leased in */
    uint64_t         next;
    uint64_t         end;
    uint64_t         checked;           /* those before are */
    uint64_t         before;            /* positions in the pieces before it */

    /* to be issued now: how many, and where their values are */
    ngx_uint_t       picked;
    ngx_uint_t       at;
} ngx_ur_piece_t;


typedef struct {
    ngx_queue_t      queue;             /* of pool->holds */
    ngx_ur_pool_t   *pool;
    ngx_pool_t      *memory;            /* it is in */
    ngx_array_t      pieces;            /* of ngx_ur_piece_t */
    ngx_uint_t       first;             /* of them that is to be checked */
    uint64_t         left;              /* positions, */
    uint64_t         excluded;          /* of which that many will be passed
                                           over, as far as they were checked */

    unsigned         ended:1;           /* nobody else knows of it */
} ngx_ur_hold_t;


void ngx_ur_hold_create(ngx_ur_pool_t *pool);

/* NULL if there is no memory */
ngx_ur_hold_t *ngx_ur_hold_start(ngx_ur_pool_t *pool);

/*
 * Takes n more positions.  NGX_DECLINED if not as many are leased, or more of
 * other ranges would come to who has patience; nothing is taken then.  "low" is
 * set if it is time to reserve some ahead, by a cause that is "shared".
 */
ngx_int_t ngx_ur_hold_take(ngx_ur_hold_t *hold, uint64_t n,
    ngx_uint_t patient, ngx_uint_t *low);

/* puts back what is left: it may take others then, and have some still */
void ngx_ur_hold_return(ngx_ur_hold_t *hold);

/* likewise, and the caller forgets it */
void ngx_ur_hold_end(ngx_ur_hold_t *hold);

/* tries again those that have ended; the caller has the mutex */
void ngx_ur_hold_tidy(ngx_ur_pool_t *pool);

/*
 * The worker ends: all that it holds is put back, or burned, and logged.  Those
 * that requests have stay, with nothing in them.
 */
void ngx_ur_hold_end_all(ngx_ur_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_UR_HOLD_H_INCLUDED_ */
