
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a location has, and what it inherits.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "pool.h"


#define NGX_UR_CONF_MAX_COUNT  1000000


static void ngx_ur_conf_merge_handler(ngx_conf_t *cf, ngx_ur_loc_conf_t *prev,
    ngx_ur_loc_conf_t *conf);


void *
ngx_ur_conf_create_main(ngx_conf_t *cf)
{
    ngx_ur_main_conf_t  *umcf;

    umcf = ngx_pcalloc(cf->pool, sizeof(ngx_ur_main_conf_t));
    if (umcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&umcf->pools, cf->pool, 1, sizeof(ngx_ur_pool_t *))
        != NGX_OK
        || ngx_array_init(&umcf->uses, cf->pool, 1, sizeof(ngx_ur_use_t *))
           != NGX_OK
        || ngx_array_init(&umcf->sets, cf->pool, 1, sizeof(ngx_ur_set_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return umcf;
}


void *
ngx_ur_conf_create_loc(ngx_conf_t *cf)
{
    ngx_ur_loc_conf_t  *urlcf;

    urlcf = ngx_pcalloc(cf->pool, sizeof(ngx_ur_loc_conf_t));
    if (urlcf == NULL) {
        return NULL;
    }

    urlcf->max_count = NGX_CONF_UNSET;
    urlcf->remaining_header = NGX_CONF_UNSET;

    return urlcf;
}


char *
ngx_ur_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_ur_loc_conf_t  *prev = parent;
    ngx_ur_loc_conf_t  *conf = child;

    /* who is answered by this module is not asking for somebody else */

    if (conf->sets == NULL && conf->use == NULL && conf->view == NULL) {
        conf->sets = prev->sets;
    }

    if (conf->body == NULL) {
        conf->body = prev->body;
    }

    ngx_conf_merge_value(conf->max_count, prev->max_count, 1000);
    ngx_conf_merge_value(conf->remaining_header, prev->remaining_header, 0);

    ngx_ur_conf_merge_handler(cf, prev, conf);

    return NGX_CONF_OK;
}


static void
ngx_ur_conf_merge_handler(ngx_conf_t *cf, ngx_ur_loc_conf_t *prev,
    ngx_ur_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* as for other handlers: "if" and "limit_except" are in the location */

    if (conf->use == NULL
        && conf->view == NULL
        && (clcf->noname || clcf->lmt_excpt))
    {
        conf->use = prev->use;
        conf->view = prev->view;

        /* of another "if", the handler would stay that of the first */

        if (clcf->handler == NULL) {
            clcf->handler = conf->use ? conf->use->handler
                                      : conf->view ? conf->view->handler : NULL;
        }
    }
}


char *
ngx_ur_conf_max_count(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_loc_conf_t *urlcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (urlcf->max_count != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > NGX_UR_CONF_MAX_COUNT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\" directive, a number "
                           "between 1 and %d is expected",
                           &value[1], &cmd->name, NGX_UR_CONF_MAX_COUNT);
        return NGX_CONF_ERROR;
    }

    urlcf->max_count = n;

    return NGX_CONF_OK;
}
