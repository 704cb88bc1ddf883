
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What was drawn for the variables of "unique_random_set", of a request and all
 * its subrequests.  It lives as long as their pool, whatever redirects them.
 */


#ifndef _NGX_UR_KEPT_H_INCLUDED_
#define _NGX_UR_KEPT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "http/context.h"


typedef struct ngx_ur_kept_s  ngx_ur_kept_t;


/* a draw, by a request or a subrequest: "ctx" is its own */

struct ngx_ur_kept_s {
    ngx_ur_ctx_t     ctx;               /* the first field: "take" and "done"
                                           get it */
    ngx_ur_set_t    *set;
    ngx_str_t        text;              /* the number, if there is one */
    ngx_ur_kept_t   *next;              /* that ended before */
};


/*
 * Keeps one that has ended, with or without a number, and sets the variable if
 * there is one.
 */
ngx_int_t ngx_ur_kept_add(ngx_ur_kept_t *kept);

/* the one with a number for the variable of that index, or NULL */
ngx_ur_kept_t *ngx_ur_kept_find(ngx_http_request_t *r, ngx_uint_t index);

/* whether the directive has had no number for this very request */
ngx_uint_t ngx_ur_kept_refused(ngx_http_request_t *r, ngx_ur_set_t *set);

/* what ended last, or NULL */
ngx_ur_ctx_t *ngx_ur_kept_last(ngx_http_request_t *r);


#endif /* _NGX_UR_KEPT_H_INCLUDED_ */
