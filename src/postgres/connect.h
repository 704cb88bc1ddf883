
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connects to the hosts of a shard, in a thread: one for each shard at most,
 * in each worker.
 */


#ifndef _NGX_UR_CONNECT_H_INCLUDED_
#define _NGX_UR_CONNECT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "blocking/attempt.h"
#include "pool.h"


/*
 * Begins an attempt.  Returns a result of the shard's health: if it is healthy,
 * "connected" of the session is called from an event, when connect_timeout is
 * over at the latest, unless the attempt is aborted.
 */
ngx_uint_t ngx_ur_connect(ngx_ur_shard_t *shard);

/*
 * The host in use is of no use, for the reason in the connection's "error":
 * goes on with the others, likewise, but in the time that is left.
 */
ngx_uint_t ngx_ur_connect_next(ngx_ur_shard_t *shard);

/* an ask uses the connection that another one has made */
void ngx_ur_connect_reuse(ngx_ur_shard_t *shard);

/* of the host in use: it is of no use, or the right one to begin with */
void ngx_ur_connect_fail(ngx_ur_shard_t *shard);
void ngx_ur_connect_prefer(ngx_ur_shard_t *shard);

/* whether there are others that the attempt has not tried */
ngx_uint_t ngx_ur_connect_has_others(ngx_ur_shard_t *shard);

/* gives up what is under way, without a call */
void ngx_ur_connect_abort(ngx_ur_shard_t *shard, char *reason);

/*
 * For a task of another thread: the attempt of the shard, which is that task's
 * until it says that it does not run; NULL if a thread has it, or there is no
 * memory.
 */
attempt_t *ngx_ur_connect_borrow(ngx_ur_shard_t *shard);

/* the task has ended, or has not begun */
void ngx_ur_connect_give_back(ngx_ur_shard_t *shard);

/* logs what the server has told the attempt, if anything */
void ngx_ur_connect_notice(ngx_ur_shard_t *shard);

/* the shard ends */
void ngx_ur_connect_destroy(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_CONNECT_H_INCLUDED_ */
