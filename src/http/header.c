
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/accept.h"
#include "http/header.h"


static const accept_media_t  ngx_ur_header_media[] = {
    { "application", "json", NULL },
    { "text", "plain", NULL }
};


static ngx_uint_t ngx_ur_header_lines(ngx_http_request_t *r, ngx_str_t *last,
    u_char *joined, size_t *len);


ngx_int_t
ngx_ur_header_add(ngx_http_request_t *r, const char *key, const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


void
ngx_ur_header_remove(ngx_http_request_t *r, const char *key)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == ngx_strlen(key)
                && ngx_strncasecmp(h[i].key.data, (u_char *) key, h[i].key.len)
                   == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}


void
ngx_ur_header_accept(ngx_http_request_t *r, ngx_str_t *accept)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   n;

    n = ngx_ur_header_lines(r, accept, NULL, &len);

    if (n == 0) {
        ngx_str_set(accept, "*/*");
    }

    if (n < 2) {
        return;
    }

    /* lines of a list are one list, RFC 9110, 5.3 */

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return;
    }

    (void) ngx_ur_header_lines(r, accept, p, &len);

    accept->data = p;
    accept->len = len;
}


/* how many lines of "Accept" there are, the last one, and all with commas */

static ngx_uint_t
ngx_ur_header_lines(ngx_http_request_t *r, ngx_str_t *last, u_char *joined,
    size_t *len)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    n = 0;
    *len = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].key.len != sizeof("accept") - 1
                || ngx_strncmp(header[i].lowcase_key, "accept",
                               sizeof("accept") - 1)
                   != 0)
            {
                continue;
            }

            *last = header[i].value;

            if (joined) {
                joined = ngx_cpymem(joined, last->data, last->len);
                *joined++ = ',';
            }

            *len += last->len + 1;
            n++;
        }
    }

    return n;
}


ngx_uint_t
ngx_ur_header_wants_text(ngx_http_request_t *r)
{
    ngx_str_t  accept;

    ngx_ur_header_accept(r, &accept);

    /* most clients, for whom it need not be parsed */

    if (accept.len == 3 && ngx_strncmp(accept.data, "*/*", 3) == 0) {
        return 0;
    }

    return accept_choose((char *) accept.data, accept.len,
                         ngx_ur_header_media, 2);
}
