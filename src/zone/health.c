
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * As for an upstream server: max_fails failures within fail_timeout, and the
 * shard is left alone for as long; but where nothing else can be asked, leaving
 * it alone would help nobody.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "event/timer.h"
#include "pool.h"
#include "zone/health.h"
#include "zone/zone.h"


/* a shard that failed, but not often enough to be given up for a while */
#define NGX_UR_RETRY   250

/* an attempt may take so long, and requests may be so far apart */
#define NGX_UR_LATELY  60000


#define ngx_ur_health_available(shard)                                        \
    ((shard)->max_fails == 0 || (shard)->health->fails < (shard)->max_fails)


static ngx_int_t ngx_ur_health_failed(ngx_ur_shard_t *shard,
    ngx_uint_t broken);


ngx_uint_t
ngx_ur_health_of(const char *sqlstate)
{
    /* the operator's: authorization, catalog name, access rule, syntax */

    return (ngx_strncmp(sqlstate, "28", 2) == 0
            || ngx_strncmp(sqlstate, "3D", 2) == 0
            || ngx_strncmp(sqlstate, "42", 2) == 0)
           ? NGX_UR_BROKEN : NGX_UR_FAILED;
}


ngx_int_t
ngx_ur_health_report(ngx_ur_shard_t *shard, ngx_uint_t result)
{
    ngx_int_t         rc;
    ngx_ur_health_t  *health;

    health = shard->health;

    ngx_ur_zone_lock(shard->pool);

    if (result == NGX_UR_HEALTHY) {
        rc = ngx_ur_health_available(shard) ? NGX_DECLINED : NGX_OK;
        health->fails = 0;
        health->broken = 0;

    } else {
        rc = ngx_ur_health_failed(shard, result == NGX_UR_BROKEN);
    }

    ngx_ur_zone_unlock(shard->pool);

    return rc;
}


static ngx_int_t
ngx_ur_health_failed(ngx_ur_shard_t *shard, ngx_uint_t broken)
{
    ngx_uint_t        available;
    ngx_ur_health_t  *health;

    health = shard->health;
    available = ngx_ur_health_available(shard);

    if (available
        && ngx_ur_timer_past(health->failed_at + shard->fail_timeout))
    {
        health->fails = 0;
    }

    health->fails++;
    health->broken = broken;

    if (broken) {
        health->fails = ngx_max(health->fails, shard->max_fails);
    }

    health->failed_at = ngx_current_msec;

    if (!available) {
        return NGX_DECLINED;
    }

    return ngx_ur_health_available(shard) ? NGX_AGAIN : NGX_OK;
}


ngx_msec_t
ngx_ur_health_due(ngx_ur_shard_t *shard, ngx_uint_t hasty)
{
    ngx_msec_t        at;
    ngx_ur_health_t  *health;

    health = shard->health;

    if (health->fails == 0) {
        return 0;
    }

    at = health->failed_at;

    at += (ngx_ur_health_available(shard)
           || (hasty && !health->broken))
          ? ngx_min(NGX_UR_RETRY, shard->fail_timeout)
          : shard->fail_timeout;

    return ngx_ur_timer_past(at) ? 0 : at - ngx_current_msec;
}


ngx_uint_t
ngx_ur_health_failing(ngx_ur_shard_t *shard)
{
    ngx_ur_health_t  *health;

    health = shard->health;

    return health->fails >= ngx_max(shard->max_fails, 1)
           && !ngx_ur_timer_past(health->failed_at + shard->fail_timeout
                                 + NGX_UR_LATELY);
}


ngx_int_t
ngx_ur_health_warned(ngx_ur_shard_t *shard, uint32_t kind)
{
    ngx_uint_t        i, n;
    ngx_ur_health_t  *health;

    health = shard->health;

    ngx_ur_zone_lock(shard->pool);

    n = ngx_min(health->nwarnings, NGX_UR_HEALTH_WARNINGS);

    for (i = 0; i < n; i++) {
        if (health->warnings[i] == kind) {
            break;
        }
    }

    if (i == n) {
        health->warnings[health->nwarnings++ % NGX_UR_HEALTH_WARNINGS] = kind;
    }

    ngx_ur_zone_unlock(shard->pool);

    return (i == n) ? NGX_OK : NGX_DECLINED;
}
