
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The directives of a pool whose values nginx has no function for.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/directive.h"
#include "core/lease.h"
#include "pool.h"


static ngx_int_t ngx_ur_directive_lease_param(ngx_conf_t *cf,
    lease_policy_t *given, ngx_str_t *value);


char *
ngx_ur_directive_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (pool->zone_size) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\", a size such as 256k "
                           "or 1m is expected", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone size \"%V\" is too small, it must be at "
                           "least %uz bytes",
                           &value[1], (size_t) (8 * ngx_pagesize));
        return NGX_CONF_ERROR;
    }

    pool->zone_size = size;

    return NGX_CONF_OK;
}


char *
ngx_ur_directive_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ngx_str_t       *value;
    ngx_uint_t       i;
    lease_policy_t   given;

    if (pool->lease.max != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        pool->lease.min = 1;
        pool->lease.max = 0;
        pool->lease.ahead = 0;
        return NGX_CONF_OK;
    }

    ngx_memzero(&given, sizeof(lease_policy_t));

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_ur_directive_lease_param(cf, &given, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    pool->lease.min = given.min ? given.min : NGX_UR_LEASE_MIN;
    pool->lease.max = given.max ? given.max : NGX_UR_LEASE_MAX;
    pool->lease.ahead = given.ahead ? given.ahead : NGX_UR_LEASE_AHEAD;

    if (pool->lease.min > pool->lease.max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"min=%uL\" must not be greater than \"max=%uL\" "
                           "in \"lease\" directive",
                           pool->lease.min, pool->lease.max);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_ur_directive_lease_param(ngx_conf_t *cf, lease_policy_t *given,
    ngx_str_t *value)
{
    u_char     *eq;
    uint64_t   *field;
    ngx_int_t   n;
    ngx_str_t   arg;

    eq = ngx_strlchr(value->data, value->data + value->len, '=');

    arg.data = eq ? eq + 1 : value->data + value->len;
    arg.len = value->data + value->len - arg.data;

    if (ngx_strncmp(value->data, "min=", 4) == 0) {
        field = &given->min;
        n = ngx_atoi(arg.data, arg.len);

    } else if (ngx_strncmp(value->data, "max=", 4) == 0) {
        field = &given->max;
        n = ngx_atoi(arg.data, arg.len);

    } else if (ngx_strncmp(value->data, "ahead=", 6) == 0) {
        field = &given->ahead;
        n = ngx_parse_time(&arg, 0);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"lease\" takes "
                           "\"off\", or \"min=\", \"max=\" and \"ahead=\"",
                           value);
        return NGX_ERROR;
    }

    if (*field) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\" in \"lease\" "
                           "directive", value);
        return NGX_ERROR;
    }

    if (field == &given->ahead && (n < 1 || n > 3600000)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"lease\" directive, a "
                           "time between 1ms and 1h is expected", value);
        return NGX_ERROR;
    }

    if (n < 1 || n > 100000000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"lease\" directive, a "
                           "number between 1 and 100000000 is expected",
                           value);
        return NGX_ERROR;
    }

    *field = n;

    return NGX_OK;
}


char *
ngx_ur_directive_state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ngx_str_t  *value;

    if (pool->state.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"\" in \"state\" directive, a "
                           "folder is expected");
        return NGX_CONF_ERROR;
    }

    pool->state = value[1];

    if (pool->state.len > 1 && pool->state.data[pool->state.len - 1] == '/') {
        pool->state.len--;
    }

    if (ngx_conf_full_name(cf->cycle, &pool->state, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_ur_directive_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (pool->queue != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n > 1000000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"queue\" directive, a "
                           "number between 0 and 1000000 is expected",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    pool->queue = n;

    return NGX_CONF_OK;
}
