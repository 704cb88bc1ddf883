
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The text may be empty, its type must not be.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/body.h"
#include "conf/conf.h"


static ngx_int_t ngx_ur_body_type(ngx_conf_t *cf, ngx_ur_body_t *body,
    ngx_str_t *value);


char *
ngx_ur_body(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_loc_conf_t *urlcf = conf;

    ngx_str_t                         *value;
    ngx_ur_body_t                     *body;
    ngx_http_compile_complex_value_t   ccv;

    if (urlcf->body) {
        return "is duplicate";
    }

    body = ngx_pcalloc(cf->pool, sizeof(ngx_ur_body_t));
    if (body == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    ngx_str_set(&body->type, "text/plain");

    if (cf->args->nelts == 3
        && ngx_ur_body_type(cf, body, &value[2]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = &body->text;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    urlcf->body = body;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_ur_body_type(ngx_conf_t *cf, ngx_ur_body_t *body, ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "type=", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"unique_random_body\" "
                           "takes a text and \"type=\"", value);
        return NGX_ERROR;
    }

    body->type.len = value->len - 5;
    body->type.data = value->data + 5;

    if (ngx_strchr(body->type.data, '/') == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", a MIME type such as "
                           "text/plain is expected", value);
        return NGX_ERROR;
    }

    return NGX_OK;
}
