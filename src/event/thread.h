
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Threads for calls that block.  Each is made for one task, and joined when the
 * task has ended: the event loop hears of it through a pipe.
 */


#ifndef _NGX_UR_THREAD_H_INCLUDED_
#define _NGX_UR_THREAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <pthread.h>


typedef struct {
    /*
     * In the thread, in which signals are blocked: logs, memory pools and the
     * time of nginx are none of its business.
     */
    void                   (*run)(void *data);

    /* when that has returned and the thread is gone, in the event loop */
    void                   (*done)(void *data);

    void                    *data;

    pthread_t                tid;
} ngx_ur_thread_t;


/* in a worker, before all else */
ngx_int_t ngx_ur_thread_init(ngx_cycle_t *cycle);

/*
 * The task is the thread's until done() is called.  NGX_ERROR: there are no
 * means for another thread, ngx_errno has the reason.
 */
ngx_int_t ngx_ur_thread_start(ngx_ur_thread_t *thread);

/*
 * For a worker that exits and has no event loop any more: calls done() of the
 * tasks that have ended, and waits for one of them until the deadline, a value
 * of ngx_current_msec.  NGX_DECLINED: time is up, or nothing is awaited.
 */
ngx_int_t ngx_ur_thread_wait(ngx_msec_t deadline);


#endif /* _NGX_UR_THREAD_H_INCLUDED_ */
