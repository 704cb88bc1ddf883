
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A text of any length, made piece by piece, in memory of a request.
 */


#ifndef _NGX_UR_TEXT_H_INCLUDED_
#define _NGX_UR_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    ngx_pool_t    *pool;
    ngx_chain_t   *first;
    ngx_chain_t  **last;
    ngx_buf_t     *buf;
    off_t          len;
    ngx_uint_t     failed;              /* there was no memory */
} ngx_ur_text_t;


#define NGX_UR_TEXT_CHAR  6


/* how what a name or a reason consists of is written */

typedef enum {
    NGX_UR_TEXT_JSON = 0,               /* inside of a string */
    NGX_UR_TEXT_LABEL,                  /* the same, in a metric */
    NGX_UR_TEXT_HTML
} ngx_ur_text_e;


void ngx_ur_text_init(ngx_ur_text_t *text, ngx_pool_t *pool);

/* as ngx_sprintf(); a piece has at most 1024 bytes */
void ngx_ur_text_add(ngx_ur_text_t *text, const char *fmt, ...);

/* a string as it is */
void ngx_ur_text_put(ngx_ur_text_t *text, ngx_str_t *s);

/* the same with what would end it escaped, and a "?" for what is not UTF-8 */
void ngx_ur_text_escape(ngx_ur_text_t *text, ngx_ur_text_e how, u_char *s,
    size_t len);

/* the same elsewhere: at most NGX_UR_TEXT_CHAR bytes for each; the end of it */
u_char *ngx_ur_text_write(u_char *p, ngx_ur_text_e how, u_char *s, size_t len);


#endif /* _NGX_UR_TEXT_H_INCLUDED_ */
