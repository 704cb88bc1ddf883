
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What the workers tell each other of a shard: whether its database can be
 * asked, and what it has warned of.  What tells of a worker alone, a shortage
 * of its own, is no part of it.
 */


#ifndef _NGX_UR_HEALTH_H_INCLUDED_
#define _NGX_UR_HEALTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/zone.h"


/* kinds of warnings that are known to have been logged */
#define NGX_UR_HEALTH_WARNINGS  16


/* found by the MD5 of the shard's name */

struct ngx_ur_health_s {
    u_char                id[16];
    ngx_uint_t            used;         /* by a shard, once */
    ngx_ur_generations_t  had_by;       /* zone/places.c */

    ngx_uint_t            fails;
    ngx_msec_t            failed_at;
    ngx_uint_t            broken;       /* and so for a while */

    /* a new kind takes the place of the oldest */
    ngx_uint_t            nwarnings;    /* so far */
    uint32_t              warnings[NGX_UR_HEALTH_WARNINGS];
};


#define NGX_UR_HEALTHY  0
#define NGX_UR_FAILED   1
#define NGX_UR_BROKEN   2     /* and will stay so for a while */

/* it was not asked: something is wanting here, or its thread is out */
#define NGX_UR_SHORT    3
#define NGX_UR_AWAY     4


/* what an error of its database makes of a shard; "" is none of its own */
ngx_uint_t ngx_ur_health_of(const char *sqlstate);

/*
 * NGX_OK if the shard has become available, or has ceased to be; NGX_AGAIN if
 * it has failed and is available still.
 */
ngx_int_t ngx_ur_health_report(ngx_ur_shard_t *shard, ngx_uint_t result);

/*
 * In how many milliseconds the shard may be asked; "hasty" if no other one
 * can be.  The caller has the mutex.
 */
ngx_msec_t ngx_ur_health_due(ngx_ur_shard_t *shard, ngx_uint_t hasty);

/*
 * Whether it has failed "max_fails" times, the last one so lately that somebody
 * may be asking again.  The caller has the mutex.
 */
ngx_uint_t ngx_ur_health_failing(ngx_ur_shard_t *shard);

/*
 * NGX_OK if a warning of this kind is the first one of the shard's database,
 * in all workers and since the zone was made; NGX_DECLINED if it is not.
 */
ngx_int_t ngx_ur_health_warned(ngx_ur_shard_t *shard, uint32_t kind);


#endif /* _NGX_UR_HEALTH_H_INCLUDED_ */
