
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Pools are found when the whole of http{} is known, since they may come after
 * the locations that use them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "conf/use.h"
#include "pool.h"


static char *ngx_ur_use_serve(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_ur_loc_conf_t *urlcf, ngx_http_handler_pt handler, ngx_str_t *name);
static char *ngx_ur_use_option(ngx_conf_t *cf, ngx_ur_use_t *use,
    ngx_str_t *value);
static ngx_uint_t ngx_ur_use_is(ngx_str_t *value, const char *option);
static ngx_int_t ngx_ur_use_find(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf,
    ngx_ur_use_t *use);
static ngx_int_t ngx_ur_use_error(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf,
    ngx_ur_use_t *use);


char *
ngx_ur_use(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_ur_use_serve(cf, cmd, urlcf, handler,
                            cf->args->nelts == 2 ? &value[1] : NULL);
}


/* a pool with the name of an option is there without its name, or not at all */

char *
ngx_ur_use_lookup(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler)
{
    char        *rc;
    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    value = cf->args->elts;

    name = (cf->args->nelts > 1
            && !ngx_ur_use_is(&value[1], "lenient")
            && !ngx_ur_use_is(&value[1], "fresh"))
           ? &value[1] : NULL;

    rc = ngx_ur_use_serve(cf, cmd, urlcf, handler, name);

    for (i = name ? 2 : 1; rc == NGX_CONF_OK && i < cf->args->nelts; i++) {
        rc = ngx_ur_use_option(cf, urlcf->use, &value[i]);
    }

    return rc;
}


static char *
ngx_ur_use_serve(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler, ngx_str_t *name)
{
    ngx_ur_use_t              *use;
    ngx_http_core_loc_conf_t  *clcf;

    if (urlcf->use || urlcf->view) {
        return "is duplicate";
    }

    use = ngx_ur_use_add(cf, cmd, name);
    if (use == NULL) {
        return NGX_CONF_ERROR;
    }

    use->handler = handler;
    urlcf->use = use;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}


ngx_ur_use_t *
ngx_ur_use_add(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name)
{
    ngx_ur_use_t        *use, **u;
    ngx_ur_main_conf_t  *umcf;

    if (name && name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid pool name \"\", it must not be empty");
        return NULL;
    }

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    use = ngx_pcalloc(cf->pool, sizeof(ngx_ur_use_t));
    if (use == NULL) {
        return NULL;
    }

    u = ngx_array_push(&umcf->uses);
    if (u == NULL) {
        return NULL;
    }

    *u = use;

    use->directive = cmd->name;

    if (name) {
        use->name = *name;
    }

    use->file = cf->conf_file->file.name.data;
    use->line = cf->conf_file->line;

    return use;
}


static char *
ngx_ur_use_option(ngx_conf_t *cf, ngx_ur_use_t *use, ngx_str_t *value)
{
    if (ngx_ur_use_is(value, "lenient") && !use->lenient) {
        use->lenient = 1;
        return NGX_CONF_OK;
    }

    if (ngx_ur_use_is(value, "fresh") && !use->fresh) {
        use->fresh = 1;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", after the pool it takes "
                       "\"lenient\" and \"fresh\", each once", value);

    return NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_ur_use_is(ngx_str_t *value, const char *option)
{
    return ngx_strcmp(value->data, option) == 0;
}


ngx_int_t
ngx_ur_use_find_all(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf)
{
    ngx_uint_t      i;
    ngx_ur_use_t  **uses;

    uses = umcf->uses.elts;

    for (i = 0; i < umcf->uses.nelts; i++) {
        if (ngx_ur_use_find(cf, umcf, uses[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_use_find(ngx_conf_t *cf, ngx_ur_main_conf_t *umcf, ngx_ur_use_t *use)
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
