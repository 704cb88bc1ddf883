
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The locations that show the status.
 */


#ifndef _NGX_UR_VIEW_H_INCLUDED_
#define _NGX_UR_VIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"


/* where in a page the tables belong */
#define NGX_UR_VIEW_MARKER  "<!-- snapshot -->"

#define ngx_ur_view_marker(start, end)                                        \
    ngx_strlcasestrn(start, end, (u_char *) NGX_UR_VIEW_MARKER,               \
                     sizeof(NGX_UR_VIEW_MARKER) - 2)


/* sets "unique_random_status", which the handler serves */
char *ngx_ur_view(ngx_conf_t *cf, ngx_ur_loc_conf_t *urlcf,
    ngx_http_handler_pt handler);


#endif /* _NGX_UR_VIEW_H_INCLUDED_ */
