
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A location has no configuration of its own but its use of a pool.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "pool.h"


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
           != NGX_OK)
    {
        return NULL;
    }

    return umcf;
}


void *
ngx_ur_conf_create_loc(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_ur_loc_conf_t));
}


char *
ngx_ur_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
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
