
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Warnings of "unique_random_set" in vain: "return", "set", "if" and "rewrite"
 * come before a number is drawn.
 */


#ifndef _NGX_UR_VAIN_H_INCLUDED_
#define _NGX_UR_VAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"


/*
 * Of a level before it is merged, and of each "if" in it.  Of what a level
 * inherits, "return" is no reason to warn: that is there for others.
 */
void ngx_ur_vain_warn(ngx_conf_t *cf, ngx_ur_loc_conf_t *prev,
    ngx_ur_loc_conf_t *conf);


#endif /* _NGX_UR_VAIN_H_INCLUDED_ */
