
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The module's face: directives, variables, and its place in nginx.
 */


#include "http/handler.h"
#include "http/wait.h"
#include "conf/conf.h"
#include "postgres/notice.h"
#include "postgres/reserve.h"
#include "process/worker.h"
#include "zone/batch.h"
#include "zone/memory.h"


/* how often to look whether there is something to write */
#define NGX_UR_STATE_INTERVAL  1000


static void *ngx_ur_create_main_conf(ngx_conf_t *cf);
static void *ngx_ur_create_loc_conf(ngx_conf_t *cf);
static char *ngx_ur_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
static char *ngx_http_unique_random(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_ur_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_ur_use(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_ur_loc_conf_t *urlcf, ngx_http_handler_pt handler);
static ngx_int_t ngx_ur_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_ur_init(ngx_conf_t *cf);
static ngx_int_t ngx_ur_find_pool(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf,
    ngx_ur_use_t *use);
static ngx_int_t ngx_ur_use_error(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf,
    ngx_ur_use_t *use);
static void ngx_ur_start_pool(ngx_conf_t *cf, ngx_ur_pool_t *pool);
static ngx_msec_t ngx_ur_manager(void *data);

static ngx_int_t ngx_ur_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_ur_shard_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_ur_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_ur_wait_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_ur_variable(ngx_http_variable_value_t *v, ngx_str_t *s);


static ngx_command_t  ngx_ur_commands[] = {

    { ngx_string("unique_random_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_ur_pool_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_unique_random,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_ready"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_ur_ready,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_unique_random_module_ctx = {
    ngx_ur_add_variables,  /* preconfiguration */
    ngx_ur_init,           /* postconfiguration */

    ngx_ur_create_main_conf, /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_ur_create_loc_conf, /* create location configuration */
    ngx_ur_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_unique_random_module = {
    NGX_MODULE_V1,
    &ngx_http_unique_random_module_ctx,    /* module context */
    ngx_ur_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_ur_init_module,    /* init module */
    ngx_ur_init_process,   /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_ur_exit_process,   /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_variable_t  ngx_ur_vars[] = {

    { ngx_string("unique_random_number"), NULL,
      ngx_ur_number_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_shard"), NULL,
      ngx_ur_shard_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_status"), NULL,
      ngx_ur_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_wait"), NULL,
      ngx_ur_wait_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_str_t  ngx_ur_statuses[] = {
    ngx_null_string,
    ngx_string("LEASED"),
    ngx_string("WAITED"),
    ngx_string("EXHAUSTED"),
    ngx_string("UNAVAILABLE")
};


static void *
ngx_ur_create_main_conf(ngx_conf_t *cf)
{
    ngx_ur_main_conf_t  *umcf;

    umcf = ngx_pcalloc(cf->pool, sizeof(ngx_ur_main_conf_t));
    if (umcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&umcf->pools, cf->pool, 1,
                       sizeof(ngx_ur_pool_t *))
        != NGX_OK
        || ngx_array_init(&umcf->uses, cf->pool, 1,
                          sizeof(ngx_ur_use_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return umcf;
}


static void *
ngx_ur_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_ur_loc_conf_t));
}


static char *
ngx_ur_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_ur_loc_conf_t  *prev = parent;
    ngx_ur_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* as for other handlers: "if" and "limit_except" are in the location */

    if (conf->use == NULL && (clcf->noname || clcf->lmt_excpt)) {
        conf->use = prev->use;

        if (clcf->lmt_excpt && clcf->handler == NULL && conf->use) {
            clcf->handler = conf->use->handler;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_unique_random(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_use(cf, cmd, conf, ngx_ur_handler);
}


static char *
ngx_ur_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_use(cf, cmd, conf, ngx_ur_ready_handler);
}


static char *
ngx_ur_use(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler)
{
    ngx_str_t                 *value;
    ngx_ur_use_t              *use, **u;
    ngx_ur_main_conf_t        *umcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (urlcf->use) {
        return "is duplicate";
    }

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    use = ngx_pcalloc(cf->pool, sizeof(ngx_ur_use_t));
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    u = ngx_array_push(&umcf->uses);
    if (u == NULL) {
        return NGX_CONF_ERROR;
    }

    *u = use;

    use->directive = cmd->name;
    use->handler = handler;

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        use->name = value[1];

        if (use->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid pool name \"\", it must not be empty");
            return NGX_CONF_ERROR;
        }
    }

    use->file = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    urlcf->use = use;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_ur_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_ur_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* the whole of http{} is known now: pools and their uses */

static ngx_int_t
ngx_ur_init(ngx_conf_t *cf)
{
    u_char               *others;
    ngx_uint_t            i;
    ngx_ur_use_t        **uses;
    ngx_ur_pool_t       **pools;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);
    uses = umcf->uses.elts;

    for (i = 0; i < umcf->uses.nelts; i++) {
        if (ngx_ur_find_pool(cf, umcf, uses[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    pools = umcf->pools.elts;

    others = ngx_ur_pool_names(cf, &umcf->pools);
    if (others == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < umcf->pools.nelts; i++) {
        pools[i]->others = others;

        ngx_ur_start_pool(cf, pools[i]);

        if (pools[i]->state
            && ngx_ur_memory_init(cf, pools[i],
                                                 ngx_ur_manager,
                                                 umcf)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_find_pool(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf, ngx_ur_use_t *use)
{
    ngx_uint_t       i;
    ngx_ur_pool_t  **pools;

    pools = umcf->pools.elts;

    if (use->name.len == 0 && umcf->pools.nelts == 1) {
        use->pool = pools[0];
        return NGX_OK;
    }

    for (i = 0; i < umcf->pools.nelts; i++) {
        if (use->name.len == pools[i]->name.len
            && ngx_strncmp(use->name.data, pools[i]->name.data, use->name.len)
               == 0)
        {
            use->pool = pools[i];
            return NGX_OK;
        }
    }

    return ngx_ur_use_error(cf, umcf, use);
}


static ngx_int_t
ngx_ur_use_error(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf, ngx_ur_use_t *use)
{
    size_t           len;
    u_char          *p;
    ngx_str_t        list;
    ngx_uint_t       i;
    ngx_ur_pool_t  **pools;

    if (umcf->pools.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" needs a \"unique_random_pool\", and there is "
                      "none in %s:%ui", &use->directive, use->file, use->line);
        return NGX_ERROR;
    }

    pools = umcf->pools.elts;
    len = 0;

    for (i = 0; i < umcf->pools.nelts; i++) {
        len += pools[i]->name.len + sizeof(", \"\"");
    }

    list.data = ngx_pnalloc(cf->pool, len);
    if (list.data == NULL) {
        return NGX_ERROR;
    }

    p = list.data;

    for (i = 0; i < umcf->pools.nelts; i++) {
        p = ngx_sprintf(p, "%s\"%V\"", i ? ", " : "", &pools[i]->name);
    }

    list.len = p - list.data;

    if (use->name.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown unique_random_pool \"%V\", the pools are %V "
                      "in %s:%ui", &use->name, &list, use->file, use->line);

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" must name one of the pools %V in %s:%ui",
                      &use->directive, &list, use->file, use->line);
    }

    return NGX_ERROR;
}


static void
ngx_ur_start_pool(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_log_t           *log;
    ngx_uint_t           i;
    ngx_ur_shard_t     **shards;
    ngx_ur_postgres_t   *pg;

    /* of a cycle that is yet to be the one that runs */
    log = &cf->cycle->new_log;

    pool->wake.handler = ngx_ur_wake;
    pool->wake.data = pool;
    pool->wake.log = log;

    pool->tidy.handler = ngx_ur_batch_tidy;
    pool->tidy.data = pool;
    pool->tidy.log = log;
    pool->tidy.cancelable = 1;

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        pg = &shards[i]->postgres;

        pg->handler = ngx_ur_reserve_handler;
        pg->notice = ngx_ur_notice;
        pg->data = shards[i];
        pg->log = log;
        pg->name = &shards[i]->name;
        pg->idle_timeout = pool->idle_timeout;
    }
}


/* of all pools: two that share a folder share the manager as well */

static ngx_msec_t
ngx_ur_manager(void *data)
{
    ngx_ur_main_conf_t *umcf = data;

    ngx_uint_t                       i;
    ngx_ur_pool_t  **pools;

    pools = umcf->pools.elts;

    for (i = 0; i < umcf->pools.nelts; i++) {
        if (pools[i]->state) {
            ngx_ur_memory_save(pools[i], ngx_cycle->log);
        }
    }

    return NGX_UR_STATE_INTERVAL;
}


static ngx_int_t
ngx_ur_number_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t      s;
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    if (ctx == NULL || ctx->shard == NULL) {
        return ngx_ur_variable(v, NULL);
    }

    s.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%uL", ctx->number) - s.data;

    return ngx_ur_variable(v, &s);
}


static ngx_int_t
ngx_ur_shard_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    return ngx_ur_variable(v, ctx ? ctx->shard : NULL);
}


static ngx_int_t
ngx_ur_status_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    if (ctx == NULL || ctx->ready || ctx->status == NGX_UR_NONE)
    {
        return ngx_ur_variable(v, NULL);
    }

    return ngx_ur_variable(v, &ngx_ur_statuses[ctx->status]);
}


static ngx_int_t
ngx_ur_wait_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t      s;
    ngx_ur_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_unique_random_module);

    if (ctx == NULL || ctx->ready || ctx->status == NGX_UR_NONE)
    {
        return ngx_ur_variable(v, NULL);
    }

    s.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + sizeof(".000") - 1);
    if (s.data == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_sprintf(s.data, "%T.%03M", (time_t) (ctx->wait / 1000),
                        ctx->wait % 1000)
            - s.data;

    return ngx_ur_variable(v, &s);
}


/* NULL: no number was asked for, or there was none */

static ngx_int_t
ngx_ur_variable(ngx_http_variable_value_t *v, ngx_str_t *s)
{
    if (s == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = s->data;
    v->len = s->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
