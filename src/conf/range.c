
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reads FIRST-LAST.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/range.h"
#include "core/domain.h"
#include "core/number.h"
#include "pool.h"


/* what a double, and so JavaScript, can hold exactly */
#define NGX_UR_SAFE  ((uint64_t) 1 << 53)


static char *ngx_ur_range_parse(ngx_conf_t *cf, ngx_ur_range_t *range,
    ngx_str_t *value, ngx_str_t *arg);
static char *ngx_ur_range_overlap(ngx_conf_t *cf, ngx_ur_range_t *range,
    ngx_str_t *value);


char *
ngx_ur_range_add(ngx_conf_t *cf, ngx_ur_shard_t *shard, ngx_str_t *value,
    ngx_str_t *arg, ngx_uint_t adopted)
{
    ngx_ur_range_t  *range, **in_pool, **in_shard;

    range = ngx_pcalloc(cf->pool, sizeof(ngx_ur_range_t));
    if (range == NULL) {
        return NGX_CONF_ERROR;
    }

    range->shard = shard;
    range->adopted = adopted;

    if (ngx_ur_range_parse(cf, range, value, arg) != NGX_CONF_OK
        || ngx_ur_range_overlap(cf, range, value) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    in_pool = ngx_array_push(&shard->pool->ranges);
    in_shard = ngx_array_push(&shard->ranges);

    if (in_pool == NULL || in_shard == NULL) {
        return NGX_CONF_ERROR;
    }

    *in_pool = range;
    *in_shard = range;

    return NGX_CONF_OK;
}


void
ngx_ur_range_warn(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {

        if (ranges[i]->last <= NGX_UR_SAFE) {
            continue;
        }

        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "range \"%s=%uL-%uL\" has numbers above "
                      "9007199254740992, which JavaScript cannot read exactly: "
                      "\"format decimal string\" would make texts of them "
                      "in %s:%ui", ranges[i]->adopted ? "adopted" : "range",
                      ranges[i]->first, ranges[i]->last,
                      ranges[i]->shard->file, ranges[i]->shard->line);
    }
}


static char *
ngx_ur_range_parse(ngx_conf_t *cf, ngx_ur_range_t *range, ngx_str_t *value,
    ngx_str_t *arg)
{
    u_char  *dash, *end;

    end = arg->data + arg->len;
    dash = ngx_strlchr(arg->data, end, '-');

    if (dash == NULL
        || number_parse((char *) arg->data, dash - arg->data, &range->first)
           != 0
        || number_parse((char *) dash + 1, end - dash - 1, &range->last) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid range \"%V\", FIRST-LAST is expected, "
                           "numbers between 0 and 9223372036854775807", value);
        return NGX_CONF_ERROR;
    }

    if (range->first > range->last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid range \"%V\", FIRST must not be greater "
                           "than LAST", value);
        return NGX_CONF_ERROR;
    }

    if (range->last - range->first == INT64_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid range \"%V\", it must not hold more than "
                           "9223372036854775807 numbers", value);
        return NGX_CONF_ERROR;
    }

    if (range->adopted && range->last - range->first >= DOMAIN_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid range \"%V\", one that was adopted must "
                           "not hold more than %uL numbers", value, DOMAIN_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_ur_range_overlap(ngx_conf_t *cf, ngx_ur_range_t *range, ngx_str_t *value)
{
    ngx_uint_t        i;
    ngx_ur_pool_t    *pool;
    ngx_ur_range_t  **ranges;

    pool = range->shard->pool;
    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (range->first <= ranges[i]->last
            && range->last >= ranges[i]->first)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "range \"%V\" overlaps range %uL-%uL of "
                               "unique_random_pool \"%V\", it was declared "
                               "in %s:%ui", value, ranges[i]->first,
                               ranges[i]->last, &pool->name,
                               ranges[i]->shard->file, ranges[i]->shard->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
