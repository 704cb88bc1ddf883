
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The page is read with the configuration: so it is the one that belongs to it,
 * and a request reads no file.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "conf/view.h"


/* where "make install" and packages put it */
#define NGX_UR_VIEW_PAGE                                                      \
    "/usr/share/ngx_http_unique_random_module/pages/status.html"

#define NGX_UR_VIEW_PAGE_MAX  (4 * 1024 * 1024)

#define NGX_UR_VIEW_POLICY                                                    \
    "<meta http-equiv=\"Content-Security-Policy\" content=\""

/* a page cannot say this of itself */
#define NGX_UR_VIEW_UNFRAMED  "frame-ancestors 'none'"


static char *ngx_ur_view_parameter(ngx_conf_t *cf, ngx_ur_view_t *view,
    ngx_str_t *value);
static char *ngx_ur_view_page(ngx_conf_t *cf, ngx_ur_view_t *view,
    ngx_str_t *name, ngx_uint_t wanted);
static char *ngx_ur_view_read(ngx_conf_t *cf, ngx_ur_view_t *view,
    ngx_file_t *file);
static char *ngx_ur_view_policy(ngx_conf_t *cf, ngx_ur_view_t *view);
static void ngx_ur_view_meta(ngx_str_t *page, ngx_str_t *policy);


char *
ngx_ur_view(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler)
{
    ngx_str_t                 *value, page;
    ngx_uint_t                 i;
    ngx_ur_view_t             *view;
    ngx_http_core_loc_conf_t  *clcf;

    if (urlcf->use || urlcf->view) {
        return "is duplicate";
    }

    view = ngx_pcalloc(cf->pool, sizeof(ngx_ur_view_t));
    if (view == NULL) {
        return NGX_CONF_ERROR;
    }

    view->handler = handler;
    view->format = NGX_UR_VIEW_ACCEPT;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_ur_view_parameter(cf, view, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (view->page.data == NULL
        && view->format != NGX_UR_VIEW_JSON
        && view->format != NGX_UR_VIEW_PROMETHEUS)
    {
        ngx_str_set(&page, NGX_UR_VIEW_PAGE);

        if (ngx_ur_view_page(cf, view, &page, 0) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    urlcf->view = view;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}


static char *
ngx_ur_view_parameter(ngx_conf_t *cf, ngx_ur_view_t *view, ngx_str_t *value)
{
    ngx_str_t   page;
    ngx_uint_t  i;

    static ngx_conf_enum_t  formats[] = {
        { ngx_string("json"), NGX_UR_VIEW_JSON },
        { ngx_string("prometheus"), NGX_UR_VIEW_PROMETHEUS },
        { ngx_string("html"), NGX_UR_VIEW_HTML },
        { ngx_null_string, 0 }
    };

    if (ngx_strncmp(value->data, "page=", 5) == 0 && view->page.data == NULL) {
        page.data = value->data + 5;
        page.len = value->len - 5;

        return ngx_ur_view_page(cf, view, &page, 1);
    }

    for (i = 0; formats[i].name.len; i++) {
        if (view->format == NGX_UR_VIEW_ACCEPT
            && value->len == formats[i].name.len
            && ngx_strncmp(value->data, formats[i].name.data, value->len) == 0)
        {
            view->format = formats[i].value;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", it takes one of \"json\", "
                       "\"prometheus\" and \"html\", and \"page=\", each once",
                       value);

    return NGX_CONF_ERROR;
}


/* where it is not wanted by name, it need not be there */

static char *
ngx_ur_view_page(ngx_conf_t *cf, ngx_ur_view_t *view, ngx_str_t *name,
    ngx_uint_t wanted)
{
    char        *rc;
    ngx_file_t   file;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *name;
    file.log = cf->log;

    if (ngx_conf_full_name(cf->cycle, &file.name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* of a pipe, it would be waited for somebody who writes */

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {

        if (!wanted) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", &file.name);
        return NGX_CONF_ERROR;
    }

    rc = ngx_ur_view_read(cf, view, &file);

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", &file.name);
    }

    return rc;
}


static char *
ngx_ur_view_read(ngx_conf_t *cf, ngx_ur_view_t *view, ngx_file_t *file)
{
    size_t           size;
    u_char          *marker;
    ssize_t          n;
    ngx_str_t       *page;
    ngx_file_info_t  info;

    page = &view->page;

    if (ngx_fd_info(file->fd, &info) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", &file->name);
        return NGX_CONF_ERROR;
    }

    if (!ngx_is_file(&info) || ngx_file_size(&info) > NGX_UR_VIEW_PAGE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid page \"%V\", it must be a file of at most "
                           "%d bytes", &file->name, NGX_UR_VIEW_PAGE_MAX);
        return NGX_CONF_ERROR;
    }

    size = ngx_file_size(&info);

    page->data = ngx_pnalloc(cf->pool, size + 1);
    if (page->data == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_read_file(file, page->data, size, 0);

    if (n == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, ngx_read_file_n
                           " \"%V\" failed", &file->name);
        return NGX_CONF_ERROR;
    }

    page->len = n;

    marker = ngx_ur_view_marker(page->data, page->data + n);

    if (marker == NULL
        || ngx_ur_view_marker(marker + 1, page->data + n) != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid page \"%V\", it must have one \"%s\"",
                           &file->name, NGX_UR_VIEW_MARKER);
        return NGX_CONF_ERROR;
    }

    return ngx_ur_view_policy(cf, view);
}


/* what a page says of itself counts from there on, and not for frames */

static char *
ngx_ur_view_policy(ngx_conf_t *cf, ngx_ur_view_t *view)
{
    u_char     *p;
    ngx_str_t   policy;

    ngx_ur_view_meta(&view->page, &policy);

    if (policy.len == 0) {
        view->policy = NGX_UR_VIEW_UNFRAMED;
        return NGX_CONF_OK;
    }

    p = ngx_pnalloc(cf->pool, policy.len + sizeof("; " NGX_UR_VIEW_UNFRAMED));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(p, "%V; " NGX_UR_VIEW_UNFRAMED "%Z", &policy);

    view->policy = (char *) p;

    return NGX_CONF_OK;
}


/* empty if there is none, or none that a header could have as it is written */

static void
ngx_ur_view_meta(ngx_str_t *page, ngx_str_t *policy)
{
    u_char  *p, *end;

    ngx_str_null(policy);

    end = page->data + page->len;

    p = ngx_strlcasestrn(page->data, end, (u_char *) NGX_UR_VIEW_POLICY,
                         sizeof(NGX_UR_VIEW_POLICY) - 2);
    if (p == NULL) {
        return;
    }

    p += sizeof(NGX_UR_VIEW_POLICY) - 1;

    policy->data = p;

    while (p < end && *p >= ' ' && *p <= '~' && *p != '&' && *p != '"') {
        p++;
    }

    if (p < end && *p == '"') {
        policy->len = p - policy->data;
    }
}
