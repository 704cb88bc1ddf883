
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The body of a request, which is discarded, while the request does not end: it
 * waits, or is written for long.  nginx ends one that has not yet ended after
 * lingering_timeout, so it must not know of the body when it is told that the
 * handler has done.
 */


#ifndef _NGX_UR_BODY_H_INCLUDED_
#define _NGX_UR_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/context.h"


/* what is left of it is left alone for now; somebody else is to read */
void ngx_ur_body_pause(ngx_ur_ctx_t *ctx);

/* it is discarded again, and that has the read handler of the request */
void ngx_ur_body_go_on(ngx_ur_ctx_t *ctx);

/* no more will come of one that is paused */
void ngx_ur_body_forget(ngx_ur_ctx_t *ctx);


#endif /* _NGX_UR_BODY_H_INCLUDED_ */
