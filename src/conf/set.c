
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A variable of "unique_random_set" may be that of several levels, but of no
 * other directive: what it has is a number that was drawn, or nothing.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "conf/set.h"
#include "conf/use.h"


static char *ngx_ur_set_off(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf);
static ngx_int_t ngx_ur_set_name(ngx_conf_t *cf, ngx_ur_set_t *set,
    ngx_str_t *value);
static ngx_int_t ngx_ur_set_param(ngx_conf_t *cf, ngx_ur_set_t *set,
    ngx_str_t *pool, ngx_str_t *value);
static ngx_int_t ngx_ur_set_add(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf,
    ngx_ur_set_t *set);
static ngx_int_t ngx_ur_set_variable(ngx_conf_t *cf, ngx_ur_set_t *set,
    ngx_http_get_variable_pt get);
static ngx_ur_set_t *ngx_ur_set_find(ngx_array_t *sets, ngx_str_t *name);


char *
ngx_ur_set(ngx_conf_t *cf, ngx_command_t *cmd, ngx_ur_loc_conf_t *urlcf,
    ngx_http_get_variable_pt get)
{
    ngx_str_t     *value, pool;
    ngx_uint_t     i;
    ngx_ur_set_t  *set;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        return ngx_ur_set_off(cf, urlcf);
    }

    set = ngx_pcalloc(cf->pool, sizeof(ngx_ur_set_t));
    if (set == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_ur_set_name(cf, set, &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_str_null(&pool);

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_ur_set_param(cf, set, &pool, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    set->use = ngx_ur_use_add(cf, cmd, pool.data ? &pool : NULL);

    if (set->use == NULL
        || ngx_ur_set_variable(cf, set, get) != NGX_OK
        || ngx_ur_set_add(cf, urlcf, set) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a level with none of its own that inherits none */

static char *
ngx_ur_set_off(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf)
{
    if (urlcf->sets) {
        return urlcf->sets->nelts ? "is \"off\" where it sets a variable"
                                  : "is duplicate";
    }

    urlcf->sets = ngx_array_create(cf->pool, 1, sizeof(ngx_ur_set_t *));

    return urlcf->sets ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_ur_set_name(ngx_conf_t *cf, ngx_ur_set_t *set, ngx_str_t *value)
{
    u_char      ch;
    ngx_uint_t  i;

    if (value->len < 2 || value->data[0] != '$'
        || (value->data[1] >= '0' && value->data[1] <= '9'))
    {
        goto invalid;
    }

    for (i = 1; i < value->len; i++) {
        ch = value->data[i] | 0x20;

        if ((ch < 'a' || ch > 'z')
            && (value->data[i] < '0' || value->data[i] > '9')
            && value->data[i] != '_')
        {
            goto invalid;
        }
    }

    set->name.len = value->len - 1;
    set->name.data = value->data + 1;

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid variable name \"%V\", \"$\" and a name of "
                       "letters, digits and \"_\" that does not begin with a "
                       "digit is expected", value);

    return NGX_ERROR;
}


static ngx_int_t
ngx_ur_set_param(ngx_conf_t *cf, ngx_ur_set_t *set, ngx_str_t *pool,
    ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "pool=", 5) == 0) {
        if (pool->data) {
            goto duplicate;
        }

        pool->len = value->len - 5;
        pool->data = value->data + 5;

        return NGX_OK;
    }

    if (ngx_strcmp(value->data, "optional") == 0) {
        if (set->optional) {
            goto duplicate;
        }

        set->optional = 1;

        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"unique_random_set\" takes "
                       "\"pool=\" and \"optional\"", value);

    return NGX_ERROR;

duplicate:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "duplicate parameter \"%V\" in \"unique_random_set\" "
                       "directive", value);

    return NGX_ERROR;
}


/* among those of its level, and of all levels */

static ngx_int_t
ngx_ur_set_add(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf, ngx_ur_set_t *set)
{
    ngx_ur_set_t        **s;
    ngx_ur_main_conf_t   *umcf;

    if (urlcf->sets == NULL) {
        urlcf->sets = ngx_array_create(cf->pool, 1, sizeof(ngx_ur_set_t *));
        if (urlcf->sets == NULL) {
            return NGX_ERROR;
        }

    } else if (urlcf->sets->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"unique_random_set\" is \"off\" on this level, "
                           "where \"$%V\" cannot be set", &set->name);
        return NGX_ERROR;
    }

    if (ngx_ur_set_find(urlcf->sets, &set->name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate variable \"$%V\" in "
                           "\"unique_random_set\" directive", &set->name);
        return NGX_ERROR;
    }

    s = ngx_array_push(urlcf->sets);
    if (s == NULL) {
        return NGX_ERROR;
    }

    *s = set;

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    s = ngx_array_push(&umcf->sets);
    if (s == NULL) {
        return NGX_ERROR;
    }

    *s = set;

    return NGX_OK;
}


/*
 * It is made without NGX_HTTP_VAR_CHANGEABLE, so that "set", "map" and others
 * cannot have it after that; those that had it before have a handler.
 */

static ngx_int_t
ngx_ur_set_variable(ngx_conf_t *cf, ngx_ur_set_t *set,
    ngx_http_get_variable_pt get)
{
    ngx_int_t             index;
    ngx_ur_set_t         *other;
    ngx_http_variable_t  *v;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_unique_random_module);

    other = ngx_ur_set_find(&umcf->sets, &set->name);
    if (other) {
        set->index = other->index;
        return NGX_OK;
    }

    v = ngx_http_add_variable(cf, &set->name, 0);
    if (v == NULL) {
        return NGX_ERROR;
    }

    if (v->get_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the variable \"$%V\" is set by another directive "
                           "already, \"unique_random_set\" needs one of its "
                           "own", &set->name);
        return NGX_ERROR;
    }

    index = ngx_http_get_variable_index(cf, &set->name);
    if (index == NGX_ERROR) {
        return NGX_ERROR;
    }

    v->get_handler = get;
    v->data = index;

    set->index = index;

    return NGX_OK;
}


/* as nginx has them, names are equal in any case of letters */

static ngx_ur_set_t *
ngx_ur_set_find(ngx_array_t *sets, ngx_str_t *name)
{
    ngx_uint_t      i;
    ngx_ur_set_t  **s;

    s = sets->elts;

    for (i = 0; i < sets->nelts; i++) {
        if (s[i]->name.len == name->len
            && ngx_strncasecmp(s[i]->name.data, name->data, name->len) == 0)
        {
            return s[i];
        }
    }

    return NULL;
}
