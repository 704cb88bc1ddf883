
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The attempt is the thread's while it runs.  The event loop waits for it no
 * longer than connect_timeout: a thread that has not come back by then is left
 * alone, and the shard is not connected to until it does.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "blocking/attempt.h"
#include "event/thread.h"
#include "event/timer.h"
#include "pool.h"
#include "postgres/connect.h"
#include "postgres/postgres.h"
#include "postgres/session.h"
#include "zone/account.h"
#include "zone/health.h"

#include <openssl/err.h>


/* how long after it was given up a thread is told of, in milliseconds */
#define NGX_UR_CONNECT_LATE  500


/*
 * Made with the first attempt, for as long as the shard is there.  While it
 * runs, the attempt is the thread's, but for attempt_host().
 */

struct ngx_ur_connect_s {
    ngx_ur_thread_t   thread;
    attempt_t        *attempt;
    ngx_ur_shard_t   *shard;

    ngx_event_t       timer;
    ngx_msec_t        started;          /* the thread */
    ngx_uint_t        told;             /* failures */

    unsigned          running:1;
    unsigned          given_up:1;       /* nobody waits for it */
    unsigned          reported:1;       /* and that was logged */
    unsigned          reused:1;         /* the connection, by an ask that has
                                           not made it */
};


static ngx_ur_connect_t *ngx_ur_connect_get(ngx_ur_shard_t *shard);
static void ngx_ur_connect_begin(ngx_ur_connect_t *c);
static ngx_uint_t ngx_ur_connect_start(ngx_ur_connect_t *c);
static void ngx_ur_connect_run(void *data);
static void ngx_ur_connect_done(void *data);
static ngx_uint_t ngx_ur_connect_take_over(ngx_ur_connect_t *c);
static ngx_uint_t ngx_ur_connect_failed(ngx_ur_connect_t *c);
static void ngx_ur_connect_late(ngx_ur_connect_t *c);
static void ngx_ur_connect_tell(ngx_ur_connect_t *c);
static void ngx_ur_connect_timer_handler(ngx_event_t *ev);


ngx_uint_t
ngx_ur_connect(ngx_ur_shard_t *shard)
{
    ngx_ur_connect_t  *c;

    c = ngx_ur_connect_get(shard);

    if (c == NULL) {
        ngx_ur_postgres_set_error(&shard->session->pg, "out of memory");
        return NGX_UR_SHORT;
    }

    if (c->running) {
        ngx_ur_postgres_set_error(&shard->session->pg,
                                  "the last attempt has not come back yet");
        return NGX_UR_AWAY;
    }

    ngx_ur_connect_begin(c);

    return ngx_ur_connect_start(c);
}


ngx_uint_t
ngx_ur_connect_next(ngx_ur_shard_t *shard)
{
    ngx_ur_connect_t  *c;

    c = shard->session->connect;

    ngx_ur_postgres_close(&shard->session->pg, "next host");

    if (c->reused) {

        /* what did not answer then may do so by now */

        ngx_ur_connect_begin(c);
    }

    ngx_ur_connect_fail(shard);

    return attempt_has_more(c->attempt)
           ? ngx_ur_connect_start(c)
           : ngx_ur_connect_failed(c);
}


void
ngx_ur_connect_reuse(ngx_ur_shard_t *shard)
{
    shard->session->connect->reused = 1;
}


void
ngx_ur_connect_fail(ngx_ur_shard_t *shard)
{
    attempt_fail(shard->session->connect->attempt,
                 (char *) shard->session->pg.error);
}


void
ngx_ur_connect_prefer(ngx_ur_shard_t *shard)
{
    attempt_prefer(shard->session->connect->attempt);
}


ngx_uint_t
ngx_ur_connect_has_others(ngx_ur_shard_t *shard)
{
    return shard->session->connect->attempt->left != 0;
}


void
ngx_ur_connect_abort(ngx_ur_shard_t *shard, char *reason)
{
    ngx_ur_connect_t  *c;

    c = shard->session->connect;

    if (c && c->running) {
        c->given_up = 1;
    }

    if (shard->session->pg.state != NGX_UR_POSTGRES_CLOSED) {
        ngx_ur_postgres_close(&shard->session->pg, reason);
    }
}


attempt_t *
ngx_ur_connect_borrow(ngx_ur_shard_t *shard)
{
    ngx_ur_connect_t  *c;

    c = ngx_ur_connect_get(shard);

    if (c == NULL || c->running) {
        return NULL;
    }

    c->running = 1;

    return c->attempt;
}


void
ngx_ur_connect_give_back(ngx_ur_shard_t *shard)
{
    shard->session->connect->running = 0;
}


void
ngx_ur_connect_notice(ngx_ur_shard_t *shard)
{
    attempt_t  *attempt;

    attempt = shard->session->connect->attempt;

    if (attempt->notice[0]) {
        ngx_log_error(NGX_LOG_INFO, shard->session->pg.log, 0,
                      "shard \"%V\" sent a notice: %s", &shard->name,
                      attempt->notice);
    }
}


void
ngx_ur_connect_destroy(ngx_ur_shard_t *shard)
{
    ngx_ur_connect_t  *c;

    c = shard->session->connect;

    if (c == NULL) {
        return;
    }

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    /* the process ends: a thread that is out may go on with it until then */

    if (c->running) {
        return;
    }

    attempt_destroy(c->attempt);

    ERR_clear_error();

    ngx_free(c);
}


/* one for each shard, for as long as the shard is there */

static ngx_ur_connect_t *
ngx_ur_connect_get(ngx_ur_shard_t *shard)
{
    ngx_ur_connect_t  *c;

    if (shard->session->connect) {
        return shard->session->connect;
    }

    c = ngx_calloc(sizeof(ngx_ur_connect_t), shard->session->pg.log);
    if (c == NULL) {
        return NULL;
    }

    c->attempt = attempt_create((char *) shard->text.data);

    if (c->attempt == NULL) {
        ngx_free(c);
        return NULL;
    }

    c->shard = shard;

    c->thread.run = ngx_ur_connect_run;
    c->thread.done = ngx_ur_connect_done;
    c->thread.data = c;

    c->timer.handler = ngx_ur_connect_timer_handler;
    c->timer.data = c;
    c->timer.log = shard->session->pg.log;

    /* a worker that exits does not wait for it, unless requests do */
    c->timer.cancelable = 1;

    shard->session->connect = c;

    return c;
}


static void
ngx_ur_connect_begin(ngx_ur_connect_t *c)
{
    ngx_msec_t  timeout;

    timeout = c->shard->pool->connect_timeout;

    c->reused = 0;
    c->told = 0;

    /* a part is left to the thread, so that it may say what it waited for */

    attempt_begin(c->attempt, (int64_t) (timeout - timeout / 20));
}


static ngx_uint_t
ngx_ur_connect_start(ngx_ur_connect_t *c)
{
    u_char           text[128], *p;
    ngx_msec_t       timeout;
    ngx_ur_shard_t  *shard;

    shard = c->shard;

    if (ngx_cycle->free_connection_n == 0
        && ngx_cycle->reusable_connections_n == 0)
    {
        ngx_ur_postgres_set_error(&shard->session->pg,
                                  "no connection available");
        return NGX_UR_SHORT;
    }

    /* what a standby took to say that it is one is no loss of the others */

    timeout = shard->pool->connect_timeout / 20
              + (ngx_msec_t) (c->attempt->patience / 1000);

    if (ngx_ur_thread_start(&c->thread) != NGX_OK) {
        p = ngx_cpymem(text, "no thread: ", sizeof("no thread: ") - 1);
        p = ngx_strerror(ngx_errno, p, text + sizeof(text) - 1 - p);
        *p = '\0';

        ngx_ur_postgres_set_error(&shard->session->pg, (char *) text);
        return NGX_UR_SHORT;
    }

    c->running = 1;
    *c->shard->connection = NGX_UR_CONNECTION_CONNECTING;
    c->given_up = 0;
    c->reported = 0;
    c->started = ngx_current_msec;

    ngx_ur_timer_set(&c->timer, timeout);

    return NGX_UR_HEALTHY;
}


static void
ngx_ur_connect_run(void *data)
{
    ngx_ur_connect_t *c = data;

    attempt_run(c->attempt);
}


static void
ngx_ur_connect_done(void *data)
{
    ngx_ur_connect_t *c = data;

    c->running = 0;
    *c->shard->connection = NGX_UR_CONNECTION_NONE;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    ngx_ur_connect_tell(c);

    if (c->given_up) {
        ngx_ur_connect_late(c);
        return;
    }

    c->shard->session->connected(c->shard, ngx_ur_connect_take_over(c));
}


/* the connection of an attempt becomes that of the shard */

static ngx_uint_t
ngx_ur_connect_take_over(ngx_ur_connect_t *c)
{
    ngx_int_t           rc;
    attempt_t          *attempt;
    ngx_ur_postgres_t  *pg;

    attempt = c->attempt;
    pg = &c->shard->session->pg;

    if (attempt->conn == NULL) {
        ngx_ur_postgres_set_error(pg, attempt->error);

        return attempt->short_of ? NGX_UR_SHORT : ngx_ur_connect_failed(c);
    }

    rc = ngx_ur_postgres_open(pg, attempt->conn);

    attempt->conn = NULL;

    return (rc == NGX_OK) ? NGX_UR_HEALTHY : NGX_UR_SHORT;
}


/* it is the operator's to mend only if that is so with each host */

static ngx_uint_t
ngx_ur_connect_failed(ngx_ur_connect_t *c)
{
    attempt_t   *attempt;
    ngx_uint_t   i;

    attempt = c->attempt;

    for (i = 0; i < attempt->nfailures; i++) {
        if (ngx_ur_health_of(attempt->failures[i].sqlstate) != NGX_UR_BROKEN) {
            return NGX_UR_FAILED;
        }
    }

    return NGX_UR_BROKEN;
}


/* nobody waits for it any more, but it may serve the next one */

static void
ngx_ur_connect_late(ngx_ur_connect_t *c)
{
    ngx_uint_t          level;
    ngx_ur_postgres_t  *pg;

    pg = &c->shard->session->pg;

    level = c->reported ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, pg->log, 0,
                  "the thread that connects to shard \"%V\" has come back "
                  "after %M ms: %s", &c->shard->name,
                  ngx_current_msec - c->started,
                  c->attempt->conn ? "it is connected" : c->attempt->error);

    if (c->attempt->conn == NULL) {
        return;
    }

    if (ngx_exiting || ngx_terminate || ngx_quit) {
        attempt_drop(c->attempt);
        ERR_clear_error();
        return;
    }

    if (ngx_ur_connect_take_over(c) == NGX_UR_HEALTHY) {
        ngx_ur_postgres_park(pg);
    }
}


static void
ngx_ur_connect_tell(ngx_ur_connect_t *c)
{
    ngx_log_t          *log;
    attempt_t          *attempt;
    ngx_ur_shard_t     *shard;
    attempt_failure_t  *failure;

    attempt = c->attempt;
    shard = c->shard;
    log = shard->session->pg.log;

    /* without a connection the last one is the reason why the shard failed */

    while (c->told + (attempt->conn == NULL) < attempt->nfailures) {
        failure = &attempt->failures[c->told++];

        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "shard \"%V\": %s, trying the next host", &shard->name,
                      failure->error);
    }

    ngx_ur_connect_notice(shard);
}


static void
ngx_ur_connect_timer_handler(ngx_event_t *ev)
{
    const char        *host;
    ngx_ur_shard_t    *shard;
    ngx_ur_connect_t  *c;

    c = ev->data;
    shard = c->shard;
    host = attempt_host(c->attempt);

    if (c->given_up) {
        c->reported = 1;

        ngx_log_error(NGX_LOG_WARN, shard->session->pg.log, 0,
                      "a thread that connects to host \"%s\" of shard \"%V\" "
                      "has not come back for %M ms, the shard is not asked "
                      "until it does", host, &shard->name,
                      ngx_current_msec - c->started);
        return;
    }

    c->given_up = 1;

    ngx_ur_timer_set(&c->timer, NGX_UR_CONNECT_LATE);

    ngx_ur_postgres_error(&shard->session->pg, "connect to \"%s\" timed out",
                          host);

    shard->session->connected(shard, NGX_UR_FAILED);
}
