
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reads "shard CONNINFO range=FIRST-LAST ...;".  A conninfo may hold a
 * password, so none is ever printed; nor is the value of a parameter that is
 * not one of ours, which may be a piece of a conninfo that was not quoted.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/env.h"
#include "conf/range.h"
#include "conf/shard.h"
#include "core/conninfo.h"
#include "core/conninfo_host.h"
#include "core/conninfo_secrets.h"
#include "pool.h"


#define NGX_UR_SHARD_RANGE         0x01
#define NGX_UR_SHARD_NAME          0x02
#define NGX_UR_SHARD_MAX_FAILS     0x04
#define NGX_UR_SHARD_FAIL_TIMEOUT  0x08
#define NGX_UR_SHARD_FAILOVER      0x10
#define NGX_UR_SHARD_DRAIN         0x20
#define NGX_UR_SHARD_DOWN          0x40
#define NGX_UR_SHARD_ADOPTED       0x80

/* of these there may be several */
#define NGX_UR_SHARD_RANGES        (NGX_UR_SHARD_RANGE|NGX_UR_SHARD_ADOPTED)

#define NGX_UR_SHARD_MAX_ADVANCE   (1ULL << 62)

/* a range that bears less of them is used up by failovers */
#define NGX_UR_SHARD_FAILOVERS     10


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   bit;
    char        *expected;
} ngx_ur_shard_param_t;


static ngx_ur_shard_t *ngx_ur_shard_create(ngx_conf_t *cf, ngx_ur_pool_t *pool,
    ngx_str_t *conninfo);
static void ngx_ur_shard_cleanup(void *data);
static char *ngx_ur_shard_param(ngx_conf_t *cf, ngx_ur_shard_t *shard,
    ngx_uint_t n, ngx_str_t *value);
static ngx_int_t ngx_ur_shard_set(ngx_ur_shard_t *shard, ngx_uint_t bit,
    ngx_str_t *arg);
static ngx_int_t ngx_ur_shard_failover(ngx_ur_shard_t *shard, ngx_str_t *arg);
static char *ngx_ur_shard_check(ngx_conf_t *cf, ngx_ur_shard_t *shard);
static void ngx_ur_shard_warn(ngx_conf_t *cf, ngx_ur_shard_t *shard);
static char *ngx_ur_shard_name(ngx_conf_t *cf, ngx_ur_shard_t *shard);
static char *ngx_ur_shard_hostaddr(ngx_conf_t *cf, ngx_ur_shard_t *shard);


static ngx_ur_shard_param_t  ngx_ur_shard_params[] = {
    { ngx_string("range="), NGX_UR_SHARD_RANGE, NULL },
    { ngx_string("adopted="), NGX_UR_SHARD_ADOPTED, NULL },
    { ngx_string("name="), NGX_UR_SHARD_NAME, "a name" },
    { ngx_string("max_fails="), NGX_UR_SHARD_MAX_FAILS, "a number" },
    { ngx_string("fail_timeout="), NGX_UR_SHARD_FAIL_TIMEOUT,
      "a time greater than 0" },
    { ngx_string("failover="), NGX_UR_SHARD_FAILOVER,
      "\"fence\", \"trust\" or \"advance:NUMBER\" with a number from 1 to "
      "4611686018427387904" },
    { ngx_string("drain"), NGX_UR_SHARD_DRAIN, NULL },
    { ngx_string("down"), NGX_UR_SHARD_DOWN, NULL },
    { ngx_null_string, 0, NULL }
};


char *
ngx_ur_shard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    char            *rv;
    ngx_str_t       *value, text;
    ngx_uint_t       i;
    ngx_ur_shard_t  *shard, **s;

    value = cf->args->elts;

    if (ngx_ur_env(cf, &value[1], &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    shard = ngx_ur_shard_create(cf, pool, &text);
    if (shard == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_ur_env(cf, &value[i], &text) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        /* of a variable that is empty */

        if (text.len == 0) {
            continue;
        }

        rv = ngx_ur_shard_param(cf, shard, i, &text);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (ngx_ur_shard_check(cf, shard) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    s = ngx_array_push(&pool->shards);
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    *s = shard;

    return NGX_CONF_OK;
}


static ngx_ur_shard_t *
ngx_ur_shard_create(ngx_conf_t *cf, ngx_ur_pool_t *pool, ngx_str_t *conninfo)
{
    const char          *error;
    ngx_ur_shard_t      *shard;
    ngx_pool_cleanup_t  *cln;

    shard = ngx_pcalloc(cf->pool, sizeof(ngx_ur_shard_t));
    if (shard == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    if (conninfo_parse(&shard->conninfo, (char *) conninfo->data, &error)
        != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the conninfo of \"shard\" %s (it is not shown, "
                           "since it may hold a password)", error);
        return NULL;
    }

    cln->handler = ngx_ur_shard_cleanup;
    cln->data = shard;

    if (ngx_array_init(&shard->ranges, cf->pool, 1, sizeof(ngx_ur_range_t *))
        != NGX_OK)
    {
        return NULL;
    }

    shard->pool = pool;
    shard->text = *conninfo;
    shard->file = cf->conf_file->file.name.data;
    shard->line = cf->conf_file->line;
    shard->max_fails = 3;
    shard->fail_timeout = 10000;
    shard->failover = (u_char *) "fence";

    return shard;
}


static void
ngx_ur_shard_cleanup(void *data)
{
    ngx_ur_shard_t *shard = data;

    conninfo_destroy(&shard->conninfo);
}


static char *
ngx_ur_shard_param(ngx_conf_t *cf, ngx_ur_shard_t *shard, ngx_uint_t n,
    ngx_str_t *value)
{
    u_char                *eq;
    ngx_str_t              name, arg;
    ngx_ur_shard_param_t  *param;

    eq = ngx_strlchr(value->data, value->data + value->len, '=');

    name.data = value->data;
    name.len = eq ? (size_t) (eq - value->data) + 1 : value->len;

    arg.data = value->data + name.len;
    arg.len = value->len - name.len;

    for (param = ngx_ur_shard_params; param->name.len; param++) {
        if (param->name.len == name.len
            && ngx_strncmp(param->name.data, name.data, name.len) == 0)
        {
            break;
        }
    }

    if (param->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter %ui of \"shard\" (it is not "
                           "shown, since it may be a piece of a conninfo, "
                           "which must be quoted if it has spaces), it takes "
                           "\"range=FIRST-LAST\", \"adopted=FIRST-LAST\", "
                           "\"name=LABEL\", \"max_fails=NUMBER\", "
                           "\"fail_timeout=TIME\", \"failover=fence\", "
                           "\"failover=trust\", \"failover=advance:NUMBER\", "
                           "\"drain\" and \"down\"", n);
        return NGX_CONF_ERROR;
    }

    if (shard->given & param->bit) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate parameter \"%V\" in \"shard\" "
                           "directive", value);
        return NGX_CONF_ERROR;
    }

    if (param->bit & NGX_UR_SHARD_RANGES) {
        return ngx_ur_range_add(cf, shard, value, &arg,
                                param->bit == NGX_UR_SHARD_ADOPTED);
    }

    shard->given |= param->bit;

    if (ngx_ur_shard_set(shard, param->bit, &arg) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"shard\" directive, %s "
                           "is expected", value, param->expected);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* NGX_DECLINED: the value is none that is expected */

static ngx_int_t
ngx_ur_shard_set(ngx_ur_shard_t *shard, ngx_uint_t bit, ngx_str_t *arg)
{
    ngx_int_t   n;
    ngx_msec_t  time;

    switch (bit) {

    case NGX_UR_SHARD_NAME:
        shard->name = *arg;
        return arg->len ? NGX_OK : NGX_DECLINED;

    case NGX_UR_SHARD_MAX_FAILS:
        n = ngx_atoi(arg->data, arg->len);

        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        shard->max_fails = n;
        return NGX_OK;

    case NGX_UR_SHARD_FAIL_TIMEOUT:
        time = ngx_parse_time(arg, 0);

        if (time == (ngx_msec_t) NGX_ERROR || time == 0) {
            return NGX_DECLINED;
        }

        shard->fail_timeout = time;
        return NGX_OK;

    case NGX_UR_SHARD_FAILOVER:
        return ngx_ur_shard_failover(shard, arg);

    case NGX_UR_SHARD_DRAIN:
        shard->drain = 1;
        return NGX_OK;

    default: /* NGX_UR_SHARD_DOWN */
        shard->down = 1;
        return NGX_OK;
    }
}


static ngx_int_t
ngx_ur_shard_failover(ngx_ur_shard_t *shard, ngx_str_t *arg)
{
    size_t     skip;
    ngx_int_t  n;

    shard->failover = arg->data;

    if (ngx_strcmp(arg->data, "fence") == 0
        || ngx_strcmp(arg->data, "trust") == 0)
    {
        return NGX_OK;
    }

    skip = sizeof("advance:") - 1;

    if (arg->len <= skip
        || ngx_strncmp(arg->data, "advance:", skip) != 0
        || arg->data[skip] == '0')
    {
        return NGX_DECLINED;
    }

    n = ngx_atoi(arg->data + skip, arg->len - skip);

    if (n == NGX_ERROR || (uint64_t) n > NGX_UR_SHARD_MAX_ADVANCE) {
        return NGX_DECLINED;
    }

    shard->advance = n;

    return NGX_OK;
}


static char *
ngx_ur_shard_check(ngx_conf_t *cf, ngx_ur_shard_t *shard)
{
    if (shard->ranges.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"shard\" must have \"range\" parameter");
        return NGX_CONF_ERROR;
    }

    if (ngx_ur_shard_name(cf, shard) != NGX_CONF_OK
        || ngx_ur_shard_hostaddr(cf, shard) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_ur_shard_warn(cf, shard);

    return NGX_CONF_OK;
}


static void
ngx_ur_shard_warn(ngx_conf_t *cf, ngx_ur_shard_t *shard)
{
    uint64_t          size;
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = shard->ranges.elts;

    for (i = 0; i < shard->ranges.nelts; i++) {
        size = ranges[i]->last - ranges[i]->first + 1;

        if (shard->advance > size / NGX_UR_SHARD_FAILOVERS) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "\"failover=%s\" uses up range %uL-%uL of "
                               "shard \"%V\" in less than %d failovers",
                               shard->failover, ranges[i]->first,
                               ranges[i]->last, &shard->name,
                               NGX_UR_SHARD_FAILOVERS);
        }
    }
}


static char *
ngx_ur_shard_name(ngx_conf_t *cf, ngx_ur_shard_t *shard)
{
    size_t            len;
    ngx_uint_t        i;
    const char       *host, *port, *dbname;
    ngx_ur_shard_t  **shards;

    if (shard->name.len == 0) {
        host = conninfo_host_name(&shard->conninfo.hosts[0]);
        port = shard->conninfo.hosts[0].port;
        port = port[0] ? port : "5432";
        dbname = shard->conninfo.dbname;

        if (!conninfo_secrets_is_plain(dbname)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"shard\" must have \"name\" parameter, since "
                               "its \"dbname\" has other characters than "
                               "letters, digits and \"._-\" (it is not shown, "
                               "since it may hold a piece of a password)");
            return NGX_CONF_ERROR;
        }

        len = ngx_strlen(host) + ngx_strlen(port) + ngx_strlen(dbname) + 2;

        shard->name.data = ngx_pnalloc(cf->pool, len);
        if (shard->name.data == NULL) {
            return NGX_CONF_ERROR;
        }

        /* no user in place of a dbname: it may be a password without one */

        shard->name.len = ngx_sprintf(shard->name.data,
                                      dbname[0] ? "%s:%s/%s" : "%s:%s",
                                      host, port, dbname)
                          - shard->name.data;
    }

    shards = shard->pool->shards.elts;

    for (i = 0; i < shard->pool->shards.nelts; i++) {
        if (shards[i]->name.len == shard->name.len
            && ngx_strncmp(shards[i]->name.data, shard->name.data,
                           shard->name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate shard \"%V\" in unique_random_pool "
                               "\"%V\"; give one shard all of its ranges, or "
                               "shards different names with \"name=\"",
                               &shard->name, &shard->pool->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* libpq finds out only when it connects */

static char *
ngx_ur_shard_hostaddr(ngx_conf_t *cf, ngx_ur_shard_t *shard)
{
    size_t       i;
    const char  *addr;

    for (i = 0; i < shard->conninfo.nhosts; i++) {
        addr = shard->conninfo.hosts[i].hostaddr;

        if (addr[0] && !conninfo_host_is_addr(addr)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid hostaddr \"%s\", an IP address is "
                               "expected in shard \"%V\"", addr,
                               &shard->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
