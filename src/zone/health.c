
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * As for an upstream server: max_fails failures within fail_timeout, and the
 * shard is left alone for as long; but where nothing else can be asked, leaving
 * it alone would help nobody.
 */


#include "zone/health.h"


/* a shard that failed, but not often enough to be given up for a while */
#define NGX_HTTP_UNIQUE_RANDOM_RETRY  250


#define ngx_http_unique_random_health_available(shard)                        \
    ((shard)->max_fails == 0 || (shard)->health->fails < (shard)->max_fails)


static ngx_int_t ngx_http_unique_random_health_failed(
    ngx_http_unique_random_shard_t *shard, ngx_uint_t broken);


ngx_uint_t
ngx_http_unique_random_health_of(const char *sqlstate)
{
    /* the operator's: authorization, catalog name, access rule, syntax */

    return (ngx_strncmp(sqlstate, "28", 2) == 0
            || ngx_strncmp(sqlstate, "3D", 2) == 0
            || ngx_strncmp(sqlstate, "42", 2) == 0)
           ? NGX_HTTP_UNIQUE_RANDOM_BROKEN : NGX_HTTP_UNIQUE_RANDOM_FAILED;
}


ngx_int_t
ngx_http_unique_random_health_report(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t result)
{
    ngx_int_t                         rc;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    ngx_http_unique_random_zone_lock(shard->pool);

    if (result == NGX_HTTP_UNIQUE_RANDOM_HEALTHY) {
        rc = ngx_http_unique_random_health_available(shard) ? NGX_DECLINED
                                                            : NGX_OK;
        health->fails = 0;
        health->broken = 0;

    } else {
        rc = ngx_http_unique_random_health_failed(shard,
                                   result == NGX_HTTP_UNIQUE_RANDOM_BROKEN);
    }

    ngx_http_unique_random_zone_unlock(shard->pool);

    return rc;
}


static ngx_int_t
ngx_http_unique_random_health_failed(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t broken)
{
    ngx_uint_t                        available;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;
    available = ngx_http_unique_random_health_available(shard);

    if (available && ngx_http_unique_random_past(health->failed_at
                                                 + shard->fail_timeout))
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

    return ngx_http_unique_random_health_available(shard) ? NGX_AGAIN : NGX_OK;
}


ngx_msec_t
ngx_http_unique_random_health_due(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t hasty)
{
    ngx_msec_t                        at;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    if (health->fails == 0) {
        return 0;
    }

    at = health->failed_at;

    at += (ngx_http_unique_random_health_available(shard)
           || (hasty && !health->broken))
          ? ngx_min(NGX_HTTP_UNIQUE_RANDOM_RETRY, shard->fail_timeout)
          : shard->fail_timeout;

    return ngx_http_unique_random_past(at) ? 0 : at - ngx_current_msec;
}


ngx_int_t
ngx_http_unique_random_health_warned(ngx_http_unique_random_shard_t *shard,
    uint32_t kind)
{
    ngx_uint_t                        i, n;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    ngx_http_unique_random_zone_lock(shard->pool);

    n = ngx_min(health->nwarnings, NGX_HTTP_UNIQUE_RANDOM_WARNINGS);

    for (i = 0; i < n; i++) {
        if (health->warnings[i] == kind) {
            break;
        }
    }

    if (i == n) {
        health->warnings[health->nwarnings++
                         % NGX_HTTP_UNIQUE_RANDOM_WARNINGS] = kind;
    }

    ngx_http_unique_random_zone_unlock(shard->pool);

    return (i == n) ? NGX_OK : NGX_DECLINED;
}
