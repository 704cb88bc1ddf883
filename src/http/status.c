
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Nothing of the request is written into what is sent, and nothing is changed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "conf/view.h"
#include "core/accept.h"
#include "http/header.h"
#include "http/json.h"
#include "http/metrics.h"
#include "http/overview.h"
#include "http/status.h"
#include "http/tables.h"
#include "http/text.h"


static ngx_ur_view_format_e ngx_ur_status_format(ngx_http_request_t *r,
    ngx_ur_view_t *view);
static void ngx_ur_status_html(ngx_ur_text_t *text, ngx_ur_overview_t *overview,
    ngx_ur_view_t *view);
static ngx_int_t ngx_ur_status_send(ngx_http_request_t *r,
    ngx_ur_text_t *text, ngx_ur_view_t *view, ngx_ur_view_format_e format);
static void ngx_ur_status_type(ngx_http_request_t *r, ngx_str_t *type);
static ngx_int_t ngx_ur_status_headers(ngx_http_request_t *r,
    ngx_ur_view_t *view, ngx_ur_view_format_e format);


/* in the order of ngx_ur_view_format_e */

static const accept_media_t  ngx_ur_status_media[] = {
    { "application", "json", NULL },
    { "text", "html", NULL },
    { "application", "openmetrics-text", "1.0.0" },
    { "text", "plain", "0.0.4" }
};


static const accept_media_t  ngx_ur_status_texts[] = {
    { "text", "plain", "0.0.4" },
    { "application", "openmetrics-text", "1.0.0" }
};


static ngx_str_t  ngx_ur_status_types[] = {
    ngx_string("application/json"),
    ngx_string("text/html; charset=utf-8"),
    ngx_string("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ngx_string("text/plain; version=0.0.4; charset=utf-8")
};


/* where no page is installed */

static ngx_str_t  ngx_ur_status_page = ngx_string(
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<meta name=\"color-scheme\" content=\"light dark\">"
    "<title>unique_random</title></head><body>\n<h1>unique_random</h1>\n"
    NGX_UR_VIEW_MARKER "</body></html>\n");


/* there is nothing in it that could be run, or asked for */

static char  ngx_ur_status_policy[] =
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";


/* for the script of a page: nothing that runs */

static ngx_str_t  ngx_ur_status_data = ngx_string(
    "<script type=\"application/json\" id=\"snapshot\">");

static ngx_str_t  ngx_ur_status_data_end = ngx_string("</script>\n");


ngx_int_t
ngx_ur_status_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_ur_text_t          text;
    ngx_ur_overview_t     *overview;
    ngx_ur_loc_conf_t     *urlcf;
    ngx_ur_view_format_e   format;

    urlcf = ngx_http_get_module_loc_conf(r, ngx_http_unique_random_module);

    /* of two "if", the last one counts, and the handler may be of the first */

    if (urlcf->view == NULL) {
        return NGX_DECLINED;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        (void) ngx_ur_header_add(r, "Allow", "GET, HEAD");

        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    format = ngx_ur_status_format(r, urlcf->view);

    overview = ngx_ur_overview(r);

    if (overview == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_ur_text_init(&text, r->pool);

    switch (format) {

    case NGX_UR_VIEW_JSON:
        ngx_ur_json(&text, overview);
        break;

    case NGX_UR_VIEW_HTML:
        ngx_ur_status_html(&text, overview, urlcf->view);
        break;

    default:
        ngx_ur_metrics(&text, overview, format == NGX_UR_VIEW_OPENMETRICS);
    }

    return ngx_ur_status_send(r, &text, urlcf->view, format);
}


/* "prometheus" has two: which one is the client's choice, too */

static ngx_ur_view_format_e
ngx_ur_status_format(ngx_http_request_t *r, ngx_ur_view_t *view)
{
    ngx_str_t  accept;

    if (view->format != NGX_UR_VIEW_ACCEPT
        && view->format != NGX_UR_VIEW_PROMETHEUS)
    {
        return view->format;
    }

    ngx_ur_header_accept(r, &accept);

    if (view->format == NGX_UR_VIEW_ACCEPT) {
        return accept_choose((char *) accept.data, accept.len,
                             ngx_ur_status_media, 4);
    }

    /* not every reader that likes both the same knows the newer one */

    return accept_choose((char *) accept.data, accept.len,
                         ngx_ur_status_texts, 2)
           == 0 ? NGX_UR_VIEW_PROMETHEUS : NGX_UR_VIEW_OPENMETRICS;
}


static void
ngx_ur_status_html(ngx_ur_text_t *text, ngx_ur_overview_t *overview,
    ngx_ur_view_t *view)
{
    u_char     *marker, *end;
    ngx_str_t  *page, part;

    page = view->page.len ? &view->page : &ngx_ur_status_page;

    end = page->data + page->len;

    marker = ngx_ur_view_marker(page->data, end);

    part.data = page->data;
    part.len = marker - page->data;

    ngx_ur_text_put(text, &part);

    ngx_ur_tables(text, overview);

    if (view->page.len) {
        ngx_ur_text_put(text, &ngx_ur_status_data);
        ngx_ur_json(text, overview);
        ngx_ur_text_put(text, &ngx_ur_status_data_end);
    }

    part.data = marker + sizeof(NGX_UR_VIEW_MARKER) - 1;
    part.len = end - part.data;

    ngx_ur_text_put(text, &part);
}


static ngx_int_t
ngx_ur_status_send(ngx_http_request_t *r, ngx_ur_text_t *text,
    ngx_ur_view_t *view, ngx_ur_view_format_e format)
{
    ngx_int_t  rc;

    if (text->failed || ngx_ur_status_headers(r, view, format) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text->buf->last_buf = (r == r->main) ? 1 : 0;
    text->buf->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->len;

    ngx_ur_status_type(r, &ngx_ur_status_types[format]);

    r->disable_not_modified = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, text->first);
}


/* "gzip_types" and the like are held against what is before parameters */

static void
ngx_ur_status_type(ngx_http_request_t *r, ngx_str_t *type)
{
    u_char  *end;

    end = ngx_strlchr(type->data, type->data + type->len, ';');

    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = end ? (size_t) (end - type->data)
                                          : type->len;
    r->headers_out.content_type_lowcase = NULL;

    if (end) {
        ngx_str_set(&r->headers_out.charset, "utf-8");
    }
}


static ngx_int_t
ngx_ur_status_headers(ngx_http_request_t *r, ngx_ur_view_t *view,
    ngx_ur_view_format_e format)
{
    if (ngx_ur_header_add(r, "Cache-Control", "no-store") != NGX_OK
        || ngx_ur_header_add(r, "Vary", "Accept") != NGX_OK
        || ngx_ur_header_add(r, "X-Content-Type-Options", "nosniff") != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (format != NGX_UR_VIEW_HTML) {
        return NGX_OK;
    }

    return ngx_ur_header_add(r, "Content-Security-Policy",
                             view->page.len ? view->policy
                                            : ngx_ur_status_policy);
}
