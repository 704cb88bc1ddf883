
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The requests of a worker that wait for a number, first come, first served.
 */


#ifndef _NGX_UR_WAIT_H_INCLUDED_
#define _NGX_UR_WAIT_H_INCLUDED_


#include "http/handler.h"


/* NGX_DONE, or NGX_DECLINED if the queue is full: the status says why */
ngx_int_t ngx_ur_wait(ngx_ur_ctx_t *ctx);

/* the handler of pool->wake */
void ngx_ur_wake(ngx_event_t *ev);


#endif /* _NGX_UR_WAIT_H_INCLUDED_ */
