
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/text.h"


#define NGX_UR_TEXT_BUF    16384
#define NGX_UR_TEXT_PIECE  1024


static u_char *ngx_ur_text_room(ngx_ur_text_t *text, size_t len);
static size_t ngx_ur_text_character(u_char *s, size_t len);
static u_char *ngx_ur_text_char(u_char *p, ngx_ur_text_e how, u_char c);


void
ngx_ur_text_init(ngx_ur_text_t *text, ngx_pool_t *pool)
{
    ngx_memzero(text, sizeof(ngx_ur_text_t));

    text->pool = pool;
    text->last = &text->first;
}


/* where up to so many bytes, no more than a buffer has, can be written */

static u_char *
ngx_ur_text_room(ngx_ur_text_t *text, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (text->failed) {
        return NULL;
    }

    b = text->buf;

    if (b && (size_t) (b->end - b->last) >= len) {
        return b->last;
    }

    b = ngx_create_temp_buf(text->pool, NGX_UR_TEXT_BUF);
    cl = ngx_alloc_chain_link(text->pool);

    if (b == NULL || cl == NULL) {
        text->failed = 1;
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    *text->last = cl;
    text->last = &cl->next;
    text->buf = b;

    return b->last;
}


void
ngx_ur_text_add(ngx_ur_text_t *text, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    p = ngx_ur_text_room(text, NGX_UR_TEXT_PIECE);

    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + NGX_UR_TEXT_PIECE, fmt, args);
    va_end(args);

    text->len += last - p;
    text->buf->last = last;
}


void
ngx_ur_text_put(ngx_ur_text_t *text, ngx_str_t *s)
{
    size_t   done, n;
    u_char  *p;

    for (done = 0; done < s->len; done += n) {
        n = ngx_min(s->len - done, NGX_UR_TEXT_PIECE);

        p = ngx_ur_text_room(text, n);

        if (p == NULL) {
            return;
        }

        text->buf->last = ngx_cpymem(p, s->data + done, n);
        text->len += n;
    }
}


void
ngx_ur_text_escape(ngx_ur_text_t *text, ngx_ur_text_e how, u_char *s,
    size_t len)
{
    size_t       n;
    u_char      *p, *last;
    ngx_uint_t   i;

    while (len) {
        n = ngx_min(len, NGX_UR_TEXT_PIECE / NGX_UR_TEXT_CHAR);

        /* a character of several bytes is not divided */

        for (i = 0; i < 3 && n < len && (s[n] & 0xc0) == 0x80; i++) {
            n--;
        }

        p = ngx_ur_text_room(text, NGX_UR_TEXT_PIECE);

        if (p == NULL) {
            return;
        }

        last = ngx_ur_text_write(p, how, s, n);

        text->len += last - p;
        text->buf->last = last;

        s += n;
        len -= n;
    }
}


/* one bad byte would make all of it unreadable */

u_char *
ngx_ur_text_write(u_char *p, ngx_ur_text_e how, u_char *s, size_t len)
{
    size_t   n;
    u_char  *end;

    end = s + len;

    while (s < end) {

        if (*s < 0x80) {
            p = ngx_ur_text_char(p, how, *s++);
            continue;
        }

        n = ngx_ur_text_character(s, end - s);

        if (n == 0) {
            *p++ = '?';
            s++;

        } else {
            p = ngx_cpymem(p, s, n);
            s += n;
        }
    }

    return p;
}


/* its length; 0 if it is none: ngx_utf8_decode() takes some that are none */

static size_t
ngx_ur_text_character(u_char *s, size_t len)
{
    u_char    *p, *next;
    uint32_t   c;

    next = s;

    c = ngx_utf8_decode(&next, len);

    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }

    for (p = s + 1; p < next; p++) {
        if ((*p & 0xc0) != 0x80) {
            return 0;
        }
    }

    return next - s;
}


static u_char *
ngx_ur_text_char(u_char *p, ngx_ur_text_e how, u_char c)
{
    if (how == NGX_UR_TEXT_HTML) {
        switch (c) {
        case '<':
            return ngx_cpymem(p, "&lt;", 4);
        case '>':
            return ngx_cpymem(p, "&gt;", 4);
        case '&':
            return ngx_cpymem(p, "&amp;", 5);
        case '"':
            return ngx_cpymem(p, "&quot;", 6);
        }

    } else if (c == '"' || c == '\\') {
        *p++ = '\\';

    } else if (c == '\n') {
        return ngx_cpymem(p, "\\n", 2);

    } else if (how == NGX_UR_TEXT_JSON && (c < 0x20 || c == '<')) {

        /* what a page has inside of an element must not end that */

        return ngx_sprintf(p, "\\u%04xd", (int) c);
    }

    *p++ = c;

    return p;
}
