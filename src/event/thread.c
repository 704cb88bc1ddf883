
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Not nginx's own thread pools: they join their threads at exit by spinning,
 * so that one which does not come back would hold the worker; and they share
 * one handler of ngx_notify() among all, which not every event method has.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "event/thread.h"

#include <ngx_channel.h>
#include <openssl/crypto.h>
#include <poll.h>


#define NGX_UR_THREAD_STACK  (1024 * 1024)


static void *ngx_ur_thread_run(void *data);
static void ngx_ur_thread_handler(ngx_event_t *rev);
static void ngx_ur_thread_read(void);
static void ngx_ur_thread_exit(void);


/* of this process: a pipe of pointers to tasks that have ended */

static int         ngx_ur_thread_pipe[2] = { -1, -1 };

static ngx_uint_t  ngx_ur_threads;


ngx_int_t
ngx_ur_thread_init(ngx_cycle_t *cycle)
{
    int  *fd;

    fd = ngx_ur_thread_pipe;

    if (pipe(fd) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "pipe() failed");
        return NGX_ERROR;
    }

    if (ngx_nonblocking(fd[0]) == -1
        || fcntl(fd[0], F_SETFD, FD_CLOEXEC) == -1
        || fcntl(fd[1], F_SETFD, FD_CLOEXEC) == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "fcntl() of a pipe failed");
        return NGX_ERROR;
    }

    /*
     * What libcrypto frees at exit would be freed under a thread that is still
     * there.  Its handler is registered by now, so ours is called before it,
     * or when the module is unloaded, which comes first.
     */

    OPENSSL_init_crypto(0, NULL);

    if (atexit(ngx_ur_thread_exit) != 0) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "atexit() failed");
        return NGX_ERROR;
    }

    return ngx_add_channel_event(cycle, fd[0], NGX_READ_EVENT,
                                 ngx_ur_thread_handler);
}


ngx_int_t
ngx_ur_thread_start(ngx_ur_thread_t *thread)
{
    int             err;
    sigset_t        all, old;
    pthread_attr_t  attr;

    err = pthread_attr_init(&attr);
    if (err) {
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    (void) pthread_attr_setstacksize(&attr, NGX_UR_THREAD_STACK);

    /* as in nginx's own threads: signals are to wake the event loop */

    sigfillset(&all);

    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);

    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    err = pthread_create(&thread->tid, &attr, ngx_ur_thread_run, thread);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    (void) pthread_attr_destroy(&attr);

    if (err) {
        ngx_set_errno(err);
        return NGX_ERROR;
    }

    ngx_ur_threads++;

    return NGX_OK;
}


static void *
ngx_ur_thread_run(void *data)
{
    ngx_ur_thread_t *thread = data;

    thread->run(thread->data);

    /* so little is written in one piece or, after a signal, not at all */

    while (write(ngx_ur_thread_pipe[1], &data, sizeof(data))
           == -1
           && ngx_errno == NGX_EINTR)
    {
        /* void */
    }

    return NULL;
}


static void
ngx_ur_thread_handler(ngx_event_t *rev)
{
    ngx_ur_thread_read();
}


static void
ngx_ur_thread_read(void)
{
    ngx_ur_thread_t  *thread;

    while (read(ngx_ur_thread_pipe[0], &thread, sizeof(thread))
           == sizeof(thread))
    {
        /* it is about to end, and would run code that exit may unload */

        (void) pthread_join(thread->tid, NULL);

        ngx_ur_threads--;

        thread->done(thread->data);
    }
}


ngx_int_t
ngx_ur_thread_wait(ngx_msec_t deadline)
{
    struct pollfd   pfd;
    ngx_msec_int_t  left;

    ngx_time_update();

    left = (ngx_msec_int_t) (deadline - ngx_current_msec);

    if (ngx_ur_threads == 0 || left <= 0) {
        return NGX_DECLINED;
    }

    pfd.fd = ngx_ur_thread_pipe[0];
    pfd.events = POLLIN;

    if (poll(&pfd, 1, (int) left) > 0) {
        ngx_ur_thread_read();
    }

    return NGX_OK;
}


/* a thread is inside of libpq or libcrypto, and nothing can end it */

static void
ngx_ur_thread_exit(void)
{
    if (ngx_ur_threads) {
        _exit(0);
    }
}
