
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The module's face: directives, variables, and its place in nginx.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/block.h"
#include "conf/body.h"
#include "conf/conf.h"
#include "conf/set.h"
#include "conf/use.h"
#include "conf/vain.h"
#include "conf/view.h"
#include "http/handler.h"
#include "http/look.h"
#include "http/lookup.h"
#include "http/phase.h"
#include "http/queue.h"
#include "http/status.h"
#include "http/variable.h"
#include "http/wait.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "process/worker.h"
#include "zone/asks.h"
#include "zone/batch.h"
#include "zone/choice.h"
#include "zone/find.h"
#include "zone/hold.h"
#include "zone/map.h"
#include "zone/memory.h"
#include "zone/share.h"
#include "zone/tidy.h"


static char *ngx_http_unique_random(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_unique_random_ready(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_unique_random_lookup(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_unique_random_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_unique_random_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_unique_random_add_variables(ngx_conf_t *cf);
static char *ngx_http_unique_random_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_unique_random_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_unique_random_init_pool(ngx_conf_t *cf,
    ngx_ur_pool_t *pool);


static ngx_command_t  ngx_http_unique_random_commands[] = {

    { ngx_string("unique_random_pool"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_ur_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_unique_random,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_max_count"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_ur_conf_max_count,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_remaining_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_ur_loc_conf_t, remaining_header),
      NULL },

    { ngx_string("unique_random_ready"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_unique_random_ready,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_lookup"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE123,
      ngx_http_unique_random_lookup,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_body"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                        |NGX_CONF_TAKE12,
      ngx_ur_body,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_set"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE123,
      ngx_http_unique_random_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unique_random_status"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE12,
      ngx_http_unique_random_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_variable_t  ngx_http_unique_random_vars[] = {

    { ngx_string("unique_random_number"), NULL,
      ngx_ur_variable_number, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_remaining"), NULL,
      ngx_ur_variable_remaining, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_shard"), NULL,
      ngx_ur_variable_shard, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_status"), NULL,
      ngx_ur_variable_status, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("unique_random_version"), NULL,
      ngx_ur_variable_version, 0, 0, 0 },

    { ngx_string("unique_random_wait"), NULL,
      ngx_ur_variable_wait, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_http_module_t  ngx_http_unique_random_module_ctx = {
    ngx_http_unique_random_add_variables,  /* preconfiguration */
    ngx_http_unique_random_init,           /* postconfiguration */

    ngx_ur_conf_create_main,               /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_ur_conf_create_loc,                /* create location configuration */
    ngx_http_unique_random_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_unique_random_module = {
    NGX_MODULE_V1,
    &ngx_http_unique_random_module_ctx,    /* module context */
    ngx_http_unique_random_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_ur_worker_init_module,             /* init module */
    ngx_ur_worker_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_ur_worker_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_unique_random(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_use(cf, cmd, conf, ngx_ur_handler);
}


static char *
ngx_http_unique_random_ready(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_use(cf, cmd, conf, ngx_ur_handler_ready);
}


static char *
ngx_http_unique_random_lookup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_use_lookup(cf, cmd, conf, ngx_ur_lookup_handler);
}


static char *
ngx_http_unique_random_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_set(cf, cmd, conf, ngx_ur_variable_kept);
}


static char *
ngx_http_unique_random_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_ur_view(cf, conf, ngx_ur_status_handler);
}


static ngx_int_t
ngx_http_unique_random_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_unique_random_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static char *
ngx_http_unique_random_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_ur_vain_warn(cf, parent, child);

    return ngx_ur_conf_merge_loc(cf, parent, child);
}


/* the whole of http{} is known now: pools and their uses */

static ngx_int_t
ngx_http_unique_random_init(ngx_conf_t *cf)
{
    u_char               *others;
    ngx_uint_t            i;
    ngx_ur_pool_t       **pools;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    if (ngx_ur_use_find_all(cf, umcf) != NGX_OK
        || ngx_ur_phase_register(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    others = ngx_ur_block_names(cf, &umcf->pools);
    if (others == NULL) {
        return NGX_ERROR;
    }

    pools = umcf->pools.elts;

    for (i = 0; i < umcf->pools.nelts; i++) {
        pools[i]->others = others;

        if (ngx_http_unique_random_init_pool(cf, pools[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* each file makes what it keeps of a pool; its zone came with its block */

static ngx_int_t
ngx_http_unique_random_init_pool(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_hold_create(pool);
    ngx_ur_tidy_create(cf, pool);

    if (ngx_ur_memory_create(cf, pool) != NGX_OK
        || ngx_ur_find_create(cf, pool) != NGX_OK
        || ngx_ur_map_create(cf, pool) != NGX_OK
        || ngx_ur_batch_create(cf, pool) != NGX_OK
        || ngx_ur_asks_create(cf, pool) != NGX_OK
        || ngx_ur_choice_create(cf, pool) != NGX_OK
        || ngx_ur_share_create(cf, pool) != NGX_OK
        || ngx_ur_reserve_create(cf, pool) != NGX_OK
        || ngx_ur_queue_create(cf, pool) != NGX_OK
        || ngx_ur_wait_create(cf, pool) != NGX_OK
        || ngx_ur_look_create(cf, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
