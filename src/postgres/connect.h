
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connects to the hosts of a shard, in a thread: one for each shard at most,
 * in each worker.
 */


#ifndef _NGX_UR_CONNECT_H_INCLUDED_
#define _NGX_UR_CONNECT_H_INCLUDED_


#include "blocking/attempt.h"
#include "event/thread.h"
#include "pool.h"


/*
 * Made with the first attempt, for as long as the shard is there.  While it
 * runs, the attempt is the thread's, but for attempt_host().
 */

struct ngx_ur_connect_s {
    ngx_ur_thread_t   thread;
    attempt_t                        *attempt;
    ngx_ur_shard_t   *shard;

    ngx_event_t                       timer;
    ngx_msec_t                        started;     /* the thread */
    ngx_uint_t                        told;        /* failures */

    unsigned                          running:1;
    unsigned                          given_up:1;  /* nobody waits for it */
    unsigned                          reported:1;  /* and that was logged */
    unsigned                          reused:1;    /* the connection, by an ask
                                                      that has not made it */
};


/*
 * Begins an attempt.  Returns a result of the shard's health: if it is healthy,
 * ngx_ur_reserve_connected() is called from an event, when
 * connect_timeout is over at the latest, unless the attempt is aborted.
 */
ngx_uint_t ngx_ur_connect(ngx_ur_shard_t *shard);

/*
 * The host in use is of no use, for the reason in the connection's "error":
 * goes on with the others, likewise, but in the time that is left.
 */
ngx_uint_t ngx_ur_connect_next(ngx_ur_shard_t *shard);

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
