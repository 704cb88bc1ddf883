
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What the workers tell each other of a shard: whether its database can be
 * asked, and the address that its name had.
 */


#include "ngx_http_unique_random_pool.h"


ngx_int_t
ngx_http_unique_random_zone_health(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t result)
{
    ngx_int_t                         rc;
    ngx_uint_t                        available;
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    ngx_shmtx_lock(&shard->pool->shpool->mutex);

    available = (shard->max_fails == 0 || health->fails < shard->max_fails);

    if (result == NGX_HTTP_UNIQUE_RANDOM_HEALTHY) {
        rc = available ? NGX_DECLINED : NGX_OK;
        health->fails = 0;

    } else {
        if (available && ngx_http_unique_random_past(health->failed_at
                                                     + shard->fail_timeout))
        {
            health->fails = 0;
        }

        health->fails++;

        if (result == NGX_HTTP_UNIQUE_RANDOM_BROKEN) {
            health->fails = ngx_max(health->fails, shard->max_fails);
        }

        health->failed_at = ngx_current_msec;

        if (!available) {
            rc = NGX_DECLINED;

        } else if (shard->max_fails && health->fails >= shard->max_fails) {
            rc = NGX_OK;

        } else {
            rc = NGX_AGAIN;
        }
    }

    ngx_shmtx_unlock(&shard->pool->shpool->mutex);

    return rc;
}


void
ngx_http_unique_random_zone_set_addr(ngx_http_unique_random_shard_t *shard,
    const char *addr)
{
    ngx_shmtx_lock(&shard->pool->shpool->mutex);

    shard->health->peer = shard->peer;
    ngx_cpystrn((u_char *) shard->health->addr, (u_char *) addr,
                NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN);

    ngx_shmtx_unlock(&shard->pool->shpool->mutex);
}


void
ngx_http_unique_random_zone_addr(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t peer, char *addr)
{
    ngx_http_unique_random_health_t  *health;

    health = shard->health;

    ngx_shmtx_lock(&shard->pool->shpool->mutex);

    ngx_cpystrn((u_char *) addr,
                (u_char *) (health->peer == peer ? health->addr : ""),
                NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN);

    ngx_shmtx_unlock(&shard->pool->shpool->mutex);
}
