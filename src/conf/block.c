
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reads "unique_random_pool NAME { }".
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/block.h"
#include "conf/conf.h"
#include "conf/directive.h"
#include "conf/format.h"
#include "conf/pattern.h"
#include "conf/range.h"
#include "conf/shard.h"
#include "core/lease.h"
#include "pool.h"
#include "zone/domain.h"
#include "zone/init.h"


#define NGX_UR_ZONE_SIZE  (256 * 1024)


static char *ngx_ur_block_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_ur_block_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_command_t *ngx_ur_block_command(ngx_conf_t *cf, ngx_str_t *name);
static ngx_ur_pool_t *ngx_ur_block_create(ngx_conf_t *cf, ngx_str_t *name);
static ngx_int_t ngx_ur_block_literal(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *literal);
static char *ngx_ur_block_init(ngx_conf_t *cf, ngx_ur_pool_t *pool);
static char *ngx_ur_block_positive(ngx_conf_t *cf, void *post, void *data);


static ngx_conf_post_t  ngx_ur_block_positive_post = { ngx_ur_block_positive };


/* the directives inside of the block, which are not ones of http{} */

static ngx_command_t  ngx_ur_block_commands[] = {

    { ngx_string("zone"),
      NGX_CONF_TAKE1,
      ngx_ur_directive_zone,
      0,
      0,
      NULL },

    { ngx_string("shard"),
      NGX_CONF_1MORE,
      ngx_ur_shard,
      0,
      0,
      NULL },

    { ngx_string("lease"),
      NGX_CONF_TAKE123,
      ngx_ur_directive_lease,
      0,
      0,
      NULL },

    { ngx_string("bootstrap"),
      NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_ur_pool_t, bootstrap),
      NULL },

    { ngx_string("state"),
      NGX_CONF_TAKE1,
      ngx_ur_directive_state,
      0,
      0,
      NULL },

    { ngx_string("connect_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_ur_pool_t, connect_timeout),
      &ngx_ur_block_positive_post },

    { ngx_string("reserve_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_ur_pool_t, reserve_timeout),
      &ngx_ur_block_positive_post },

    { ngx_string("wait_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_ur_pool_t, wait_timeout),
      NULL },

    { ngx_string("idle_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_ur_pool_t, idle_timeout),
      NULL },

    { ngx_string("format"),
      NGX_CONF_1MORE,
      ngx_ur_format,
      0,
      0,
      NULL },

    { ngx_string("exclude"),
      NGX_CONF_TAKE12,
      ngx_ur_pattern,
      0,
      0,
      NULL },

    { ngx_string("queue"),
      NGX_CONF_TAKE1,
      ngx_ur_directive_queue,
      0,
      0,
      NULL },

      ngx_null_command
};


char *
ngx_ur_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_main_conf_t *umcf = conf;

    char           *rv;
    ngx_str_t      *value;
    ngx_conf_t      save;
    ngx_uint_t      i;
    ngx_ur_pool_t  *pool, **pools, **p;

    value = cf->args->elts;
    pools = umcf->pools.elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid pool name \"\", it must not be empty");
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < umcf->pools.nelts; i++) {
        if (pools[i]->name.len == value[1].len
            && ngx_strncmp(pools[i]->name.data, value[1].data, value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate unique_random_pool \"%V\", it was "
                               "declared in %s:%ui",
                               &value[1], pools[i]->file, pools[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    pool = ngx_ur_block_create(cf, &value[1]);
    if (pool == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_array_push(&umcf->pools);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = pool;

    save = *cf;

    cf->handler = ngx_ur_block_directive;
    cf->handler_conf = (char *) pool;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_ur_block_init(cf, pool);
}


/* what ngx_conf_parse() does for a directive, for those of the block */

static char *
ngx_ur_block_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_str_t      *value;
    ngx_uint_t      n;
    ngx_command_t  *cmd;

    static ngx_uint_t  takes[] = {
        NGX_CONF_NOARGS, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_CONF_TAKE3
    };

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    if (ngx_strcmp(value[0].data, "include") == 0) {

        if (n == 1) {
            return ngx_conf_include(cf, dummy, conf);
        }

        goto invalid_number;
    }

    cmd = ngx_ur_block_command(cf, &value[0]);
    if (cmd == NULL) {
        return NGX_CONF_ERROR;
    }

    if (!((cmd->type & NGX_CONF_1MORE) && n >= 1)
        && !((cmd->type & NGX_CONF_FLAG) && n == 1)
        && !(n < sizeof(takes) / sizeof(takes[0]) && (cmd->type & takes[n])))
    {
        goto invalid_number;
    }

    return ngx_ur_block_set(cf, cmd, conf);

invalid_number:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid number of arguments in \"%V\" directive",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_ur_block_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char       *rv;
    ngx_str_t  *value;

    rv = cmd->set(cf, cmd, conf);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    value = cf->args->elts;

    if (cmd->set == ngx_conf_set_msec_slot
        && ngx_strcmp(rv, "invalid value") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, a time "
                           "such as 500ms or 2s is expected",
                           &value[1], &value[0]);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &value[0], rv);

    return NGX_CONF_ERROR;
}


static ngx_command_t *
ngx_ur_block_command(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_ur_block_commands; cmd->name.len; cmd++) {
        if (cmd->name.len == name->len
            && ngx_strcmp(cmd->name.data, name->data) == 0)
        {
            return cmd;
        }
    }

    /* a conninfo that lacks the word "shard" is not for the log */

    if (strspn((char *) name->data, "abcdefghijklmnopqrstuvwxyz_")
        == name->len)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in "
                           "unique_random_pool", name);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive in unique_random_pool (it "
                           "is not shown, since it may hold a password)");
    }

    return NULL;
}


static ngx_ur_pool_t *
ngx_ur_block_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_ur_pool_t  *pool;

    pool = ngx_pcalloc(cf->pool, sizeof(ngx_ur_pool_t));
    if (pool == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pool->shards, cf->pool, 4, sizeof(ngx_ur_shard_t *))
        != NGX_OK
        || ngx_array_init(&pool->ranges, cf->pool, 4, sizeof(ngx_ur_range_t *))
           != NGX_OK)
    {
        return NULL;
    }

    if (ngx_ur_block_literal(cf, name, &pool->literal) != NGX_OK) {
        return NULL;
    }

    pool->name = *name;
    pool->file = cf->conf_file->file.name.data;
    pool->line = cf->conf_file->line;

    pool->lease.max = NGX_CONF_UNSET_UINT;
    pool->bootstrap = NGX_CONF_UNSET;
    pool->connect_timeout = NGX_CONF_UNSET_MSEC;
    pool->reserve_timeout = NGX_CONF_UNSET_MSEC;
    pool->wait_timeout = NGX_CONF_UNSET_MSEC;
    pool->idle_timeout = NGX_CONF_UNSET_MSEC;
    pool->queue = NGX_CONF_UNSET_UINT;

    return pool;
}


/* for the SQL that messages tell an operator to run */

static ngx_int_t
ngx_ur_block_literal(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *literal)
{
    u_char      *p;
    ngx_uint_t   i;

    p = ngx_pnalloc(cf->pool, 2 * name->len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    literal->data = p;

    *p++ = '\'';

    for (i = 0; i < name->len; i++) {
        if (name->data[i] == '\'') {
            *p++ = '\'';
        }

        *p++ = name->data[i];
    }

    *p++ = '\'';

    literal->len = p - literal->data;

    return NGX_OK;
}


u_char *
ngx_ur_block_names(ngx_conf_t *cf, ngx_array_t *list)
{
    size_t           len;
    u_char          *names, *p;
    ngx_uint_t       i, j;
    ngx_ur_pool_t  **pools;

    pools = list->elts;
    len = sizeof("{}");

    for (i = 0; i < list->nelts; i++) {
        len += 2 * pools[i]->name.len + sizeof(",\"\"") - 1;
    }

    names = ngx_pnalloc(cf->pool, len);
    if (names == NULL) {
        return NULL;
    }

    p = names;
    *p++ = '{';

    for (i = 0; i < list->nelts; i++) {

        if (i) {
            *p++ = ',';
        }

        *p++ = '"';

        for (j = 0; j < pools[i]->name.len; j++) {

            if (pools[i]->name.data[j] == '"'
                || pools[i]->name.data[j] == '\\')
            {
                *p++ = '\\';
            }

            *p++ = pools[i]->name.data[j];
        }

        *p++ = '"';
    }

    *p++ = '}';
    *p = '\0';

    return names;
}


static char *
ngx_ur_block_init(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    if (pool->shards.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no shards in unique_random_pool \"%V\"",
                           &pool->name);
        return NGX_CONF_ERROR;
    }

    if (pool->lease.max == NGX_CONF_UNSET_UINT) {
        pool->lease.min = NGX_UR_LEASE_MIN;
        pool->lease.max = NGX_UR_LEASE_MAX;
        pool->lease.ahead = NGX_UR_LEASE_AHEAD;
    }

    ngx_conf_init_value(pool->bootstrap, 0);
    ngx_conf_init_msec_value(pool->connect_timeout, 2000);
    ngx_conf_init_msec_value(pool->reserve_timeout, 2000);
    ngx_conf_init_msec_value(pool->wait_timeout, 5000);
    ngx_conf_init_msec_value(pool->idle_timeout, 60000);
    ngx_conf_init_uint_value(pool->queue, 4096);

    if (pool->zone_size == 0) {
        pool->zone_size = NGX_UR_ZONE_SIZE;
    }

    if (pool->written == NULL) {
        ngx_ur_range_warn(cf, pool);
    }

    if (ngx_ur_format_init(cf, pool) != NGX_CONF_OK
        || ngx_ur_pattern_init(cf, pool) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_ur_init_add(cf, pool, &ngx_http_unique_random_module) != NGX_OK
        || ngx_ur_domain_create(cf, pool, &ngx_http_unique_random_module)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_ur_block_positive(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *msp = data;

    ngx_str_t  *value;

    if (*msp == 0) {
        value = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, it must "
                           "be greater than 0", &value[1], &value[0]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
