
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Variables are read while the configuration is: workers have a cleaned
 * environment, and so has a new binary.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/env.h"


static ngx_int_t ngx_ur_env_next(ngx_conf_t *cf, u_char **pos, u_char *last,
    ngx_str_t *part);
static ngx_int_t ngx_ur_env_get(ngx_conf_t *cf, u_char *name, u_char *last,
    ngx_str_t *part);


ngx_int_t
ngx_ur_env(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *text)
{
    size_t      len;
    u_char     *p, *dst, *last;
    ngx_str_t   part;

    last = value->data + value->len;
    len = 0;

    for (p = value->data; p < last; /* void */ ) {
        if (ngx_ur_env_next(cf, &p, last, &part) != NGX_OK) {
            return NGX_ERROR;
        }

        len += part.len;
    }

    dst = ngx_pnalloc(cf->pool, len + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    text->data = dst;
    text->len = len;

    for (p = value->data; p < last; /* void */ ) {
        (void) ngx_ur_env_next(cf, &p, last, &part);
        dst = ngx_cpymem(dst, part.data, part.len);
    }

    *dst = '\0';

    return NGX_OK;
}


/* the next variable, or the text up to it */

static ngx_int_t
ngx_ur_env_next(ngx_conf_t *cf, u_char **pos, u_char *last, ngx_str_t *part)
{
    u_char  *p, *end;

    p = *pos;

    if (last - p < 2 || p[0] != '$' || p[1] != '{') {

        do {
            p++;
        } while (p < last && *p != '$');

        part->data = *pos;
        part->len = p - *pos;
        *pos = p;

        return NGX_OK;
    }

    p += 2;

    end = ngx_strlchr(p, last, '}');

    if (end == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the closing bracket of \"${\" is missing");
        return NGX_ERROR;
    }

    *pos = end + 1;

    return ngx_ur_env_get(cf, p, end, part);
}


static ngx_int_t
ngx_ur_env_get(ngx_conf_t *cf, u_char *name, u_char *last, ngx_str_t *part)
{
    char       *found;
    u_char     *p, *fallback, buf[256];
    ngx_str_t   var;

    for (p = name; p < last; p++) {
        if (!isalnum(*p) && *p != '_') {
            break;
        }
    }

    var.data = name;
    var.len = p - name;

    fallback = (last - p >= 2 && p[0] == ':' && p[1] == '-') ? p + 2 : NULL;

    /* what follows may be a secret */

    if (p < last && fallback == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid text after environment variable \"%V\", "
                           "\"}\" or \":-\" is expected", &var);
        return NGX_ERROR;
    }

    if (var.len == 0 || var.len >= sizeof(buf)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid environment variable \"%V\"", &var);
        return NGX_ERROR;
    }

    ngx_cpystrn(buf, var.data, var.len + 1);

    found = getenv((char *) buf);

    if (found && (*found || fallback == NULL)) {
        part->data = (u_char *) found;
        part->len = ngx_strlen(found);
        return NGX_OK;
    }

    if (fallback) {
        part->data = fallback;
        part->len = last - fallback;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "environment variable \"%V\" is not set (a binary "
                       "upgrade keeps it only with \"env %V;\")",
                       &var, &var);

    return NGX_ERROR;
}
