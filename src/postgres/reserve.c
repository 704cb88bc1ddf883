
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Asks for ranges, all of a shard that are wanted at the time in one statement.
 * Keeps I3: where a reply does not arrive, what it may have granted is burned.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/statement.h"
#include "pool.h"
#include "postgres/bootstrap.h"
#include "postgres/connect.h"
#include "postgres/fetch.h"
#include "postgres/notice.h"
#include "postgres/postgres.h"
#include "postgres/replies.h"
#include "postgres/report.h"
#include "postgres/reserve.h"
#include "postgres/send.h"
#include "postgres/session.h"
#include "zone/account.h"
#include "zone/asks.h"
#include "zone/health.h"
#include "zone/need.h"
#include "zone/zone.h"


/* how long to leave a shard alone that this worker cannot connect to */
#define NGX_UR_PAUSE  250


static ngx_int_t ngx_ur_reserve_create_session(ngx_conf_t *cf,
    ngx_ur_shard_t *shard);
static void ngx_ur_reserve_cleanup(void *data);
static ngx_msec_t ngx_ur_reserve_time(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_start(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_begun(ngx_ur_shard_t *shard, ngx_uint_t result);
static void ngx_ur_reserve_connected(ngx_ur_shard_t *shard, ngx_uint_t result);
static void ngx_ur_reserve_send(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_handler(ngx_ur_postgres_t *pg, ngx_int_t rc);
static void ngx_ur_reserve_go_on(ngx_ur_shard_t *shard,
    ngx_ur_verdict_t *verdict);
static void ngx_ur_reserve_fetched(ngx_ur_shard_t *shard, ngx_int_t rc);
static void ngx_ur_reserve_bootstrap(ngx_ur_shard_t *shard, ngx_uint_t schema);
static void ngx_ur_reserve_bootstrapped(ngx_ur_shard_t *shard, ngx_int_t rc);
static void ngx_ur_reserve_done(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_failed(ngx_ur_shard_t *shard, ngx_uint_t result,
    ngx_uint_t lost);


ngx_int_t
ngx_ur_reserve_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_shard_t  **shards;

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        if (ngx_ur_reserve_create_session(cf, shards[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_reserve_create_session(ngx_conf_t *cf, ngx_ur_shard_t *shard)
{
    ngx_ur_session_t    *session;
    ngx_ur_postgres_t   *pg;
    ngx_pool_cleanup_t  *cln;

    session = ngx_pcalloc(cf->pool, sizeof(ngx_ur_session_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (session == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    session->connected = ngx_ur_reserve_connected;

    pg = &session->pg;

    pg->handler = ngx_ur_reserve_handler;
    pg->notice = ngx_ur_notice;
    pg->data = shard;
    pg->shown = &shard->connection;
    pg->name = &shard->name;
    pg->idle_timeout = shard->pool->idle_timeout;

    /* of a cycle that is yet to be the one that runs */
    pg->log = &cf->cycle->new_log;

    shard->session = session;
    shard->connection = &session->unshown;

    cln->handler = ngx_ur_reserve_cleanup;
    cln->data = shard;

    return NGX_OK;
}


static void
ngx_ur_reserve_cleanup(void *data)
{
    ngx_ur_shard_t *shard = data;

    if (shard->session->pg.state != NGX_UR_POSTGRES_CLOSED) {
        ngx_ur_postgres_close(&shard->session->pg, "shutdown");
    }

    ngx_ur_fetch_end(shard);
    ngx_ur_connect_destroy(shard);
}


void
ngx_ur_reserve(ngx_ur_pool_t *pool, ngx_ur_cause_t *cause)
{
    ngx_uint_t        i;
    ngx_ur_need_e     need;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    ranges = pool->ranges.elts;
    shards = pool->shards.elts;

    ngx_ur_zone_lock(pool);

    for (i = 0; i < pool->ranges.nelts; i++) {
        need = ngx_ur_need_now(ranges[i], cause);

        if (need != NGX_UR_NEED_NONE) {
            ngx_ur_asks_claim(ranges[i], need, ranges[i] == cause->range,
                              ngx_ur_reserve_time(ranges[i]->shard));
        }
    }

    ngx_ur_zone_unlock(pool);

    for (i = 0; i < pool->shards.nelts; i++) {

        if (!shards[i]->asks->busy
            && !ngx_queue_empty(&shards[i]->asks->pending))
        {
            shards[i]->asks->busy = 1;
            ngx_ur_reserve_start(shards[i]);
        }
    }
}


/*
 * How long it may take at most, with a second attempt to connect, and a
 * bootstrap.  It ends with the worker in any case.
 */

static ngx_msec_t
ngx_ur_reserve_time(ngx_ur_shard_t *shard)
{
    return shard->pool->reserve_timeout * 3 + shard->pool->connect_timeout * 2;
}


static void
ngx_ur_reserve_start(ngx_ur_shard_t *shard)
{
    ngx_ur_session_t  *session;

    session = shard->session;

    session->started = ngx_current_msec;
    session->deadline = ngx_current_msec + shard->pool->reserve_timeout;
    session->bootstrapped = 0;

    if (session->pg.state == NGX_UR_POSTGRES_IDLE) {
        ngx_ur_connect_reuse(shard);
        ngx_ur_reserve_send(shard);
        return;
    }

    ngx_ur_reserve_begun(shard, ngx_ur_connect(shard));
}


/* if it is healthy, "connected" is called */

static void
ngx_ur_reserve_begun(ngx_ur_shard_t *shard, ngx_uint_t result)
{
    if (result != NGX_UR_HEALTHY) {
        ngx_ur_reserve_failed(shard, result, 0);
    }
}


static void
ngx_ur_reserve_connected(ngx_ur_shard_t *shard, ngx_uint_t result)
{
    if (result != NGX_UR_HEALTHY) {
        ngx_ur_reserve_failed(shard, result, 0);
        return;
    }

    ngx_ur_reserve_send(shard);
}


/* a domain is fetched when there is nothing else to ask */

static void
ngx_ur_reserve_send(ngx_ur_shard_t *shard)
{
    ngx_int_t  rc;

    do {
        ngx_ur_asks_gather(shard, NGX_UR_SEND_MAX, ngx_ur_reserve_time(shard));

        if (shard->asks->nsent) {
            if (ngx_ur_send(shard) != NGX_OK) {
                ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 1);
            }

            return;
        }

        if (ngx_queue_empty(&shard->asks->pending)) {
            ngx_ur_reserve_done(shard);
            return;
        }

        rc = ngx_ur_fetch(shard);

    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK) {
        ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 0);
    }
}


static void
ngx_ur_reserve_handler(ngx_ur_postgres_t *pg, ngx_int_t rc)
{
    ngx_ur_shard_t    *shard;
    ngx_ur_verdict_t   verdict;

    shard = pg->data;

    switch (shard->session->step) {

    case NGX_UR_STEP_RESERVE:
        break;

    case NGX_UR_STEP_FETCH:
        ngx_ur_reserve_fetched(shard, rc);
        return;

    default: /* bootstrap */
        ngx_ur_reserve_bootstrapped(shard, rc);
        return;
    }

    if (rc == NGX_OK) {
        ngx_ur_replies(shard, &verdict);

    } else {
        ngx_ur_connect_fail(shard);
        ngx_ur_replies_lost(shard, &verdict);
    }

    ngx_ur_reserve_go_on(shard, &verdict);
}


static void
ngx_ur_reserve_go_on(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict)
{
    switch (verdict->next) {

    case NGX_UR_NEXT_DONE:
        ngx_ur_reserve_done(shard);
        return;

    case NGX_UR_NEXT_BOOTSTRAP:
        ngx_ur_reserve_bootstrap(shard, 0);
        return;

    case NGX_UR_NEXT_SCHEMA:
        ngx_ur_reserve_bootstrap(shard, 1);
        return;

    case NGX_UR_NEXT_AGAIN:
        ngx_ur_reserve_send(shard);
        return;

    case NGX_UR_NEXT_HOST:
        ngx_ur_reserve_begun(shard, ngx_ur_connect_next(shard));
        return;

    case NGX_UR_NEXT_INVALID:
        ngx_ur_postgres_set_error(&shard->session->pg, "invalid reply");
        ngx_ur_connect_abort(shard, "invalid reply");
        ngx_ur_reserve_failed(shard, NGX_UR_BROKEN, 1);
        return;

    default: /* NGX_UR_NEXT_FAILED */
        ngx_ur_reserve_failed(shard, verdict->result, verdict->lost);
    }
}


static void
ngx_ur_reserve_fetched(ngx_ur_shard_t *shard, ngx_int_t rc)
{
    if (rc != NGX_OK) {
        ngx_ur_connect_fail(shard);
        ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 0);
        return;
    }

    if (ngx_ur_fetch_handler(shard) != NGX_OK) {
        ngx_ur_reserve_begun(shard, ngx_ur_connect_next(shard));
        return;
    }

    /* what is asked for next did not take as long as the domain does */

    shard->session->started = ngx_current_msec;
    shard->session->deadline = ngx_current_msec + shard->pool->reserve_timeout;

    ngx_ur_reserve_send(shard);
}


static void
ngx_ur_reserve_bootstrap(ngx_ur_shard_t *shard, ngx_uint_t schema)
{
    if (ngx_ur_bootstrap(shard, schema) != NGX_OK) {
        ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 0);
    }
}


static void
ngx_ur_reserve_bootstrapped(ngx_ur_shard_t *shard, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        rc = ngx_ur_bootstrap_handler(shard);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_ur_report_bootstrap(shard);
        ngx_ur_reserve_failed(shard, NGX_UR_BROKEN, 0);
        return;
    }

    ngx_ur_reserve_send(shard);
}


static void
ngx_ur_reserve_done(ngx_ur_shard_t *shard)
{
    if (shard->session->stale) {

        /* its name may lead elsewhere by now */

        shard->session->stale = 0;
        ngx_ur_connect_abort(shard, "stale");
    }

    if (shard->session->fetch
        && shard->session->pg.state == NGX_UR_POSTGRES_IDLE)
    {
        /* its turn, or what is asked all the time would leave it none */

        if (ngx_ur_fetch(shard) != NGX_OK) {
            ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 0);
        }

        return;
    }

    if (!ngx_queue_empty(&shard->asks->pending)) {
        ngx_ur_reserve_start(shard);
        return;
    }

    shard->asks->busy = 0;

    if (shard->session->pg.state == NGX_UR_POSTGRES_IDLE) {
        ngx_ur_postgres_park(&shard->session->pg);
    }
}


static void
ngx_ur_reserve_failed(ngx_ur_shard_t *shard, ngx_uint_t result,
    ngx_uint_t lost)
{
    ngx_int_t           rc;
    ngx_uint_t          level;
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;

    if (result == NGX_UR_SHORT || result == NGX_UR_AWAY) {
        /* it tells nothing of the shard, and other workers may ask it */

        shard->asks->short_until = ngx_current_msec + NGX_UR_PAUSE;

        level = (result == NGX_UR_SHORT) ? NGX_LOG_ALERT : NGX_LOG_INFO;

        ngx_log_error(level, pg->log, 0,
                      "this worker cannot connect to shard \"%V\": %s",
                      &shard->name, pg->error);

    } else {
        rc = ngx_ur_health_report(shard, result);

        ngx_ur_account_failed(shard, pg->error);

        level = (rc == NGX_OK) ? NGX_LOG_ERR
                               : (rc == NGX_AGAIN) ? NGX_LOG_WARN
                                                   : NGX_LOG_INFO;

        ngx_log_error(level, pg->log, 0, "could not reserve from shard \"%V\""
                      "%s: %s%s", &shard->name,
                      rc == NGX_OK ? ", it is unavailable for now" : "",
                      pg->error,
                      lost ? ", what was asked for is burned" : "");
    }

    ngx_ur_fetch_end(shard);
    ngx_ur_asks_end_all(shard, lost);
    ngx_ur_reserve_done(shard);
}


ngx_connection_t *
ngx_ur_reserve_pending(ngx_ur_shard_t *shard)
{
    ngx_ur_session_t  *session;

    session = shard->session;

    ngx_ur_fetch_end(shard);
    ngx_ur_asks_end_pending(shard);

    return (session->pg.state == NGX_UR_POSTGRES_BUSY
            && session->step == NGX_UR_STEP_RESERVE)
           ? session->pg.connection : NULL;
}


void
ngx_ur_reserve_abort(ngx_ur_shard_t *shard)
{
    ngx_uint_t  lost;

    lost = (ngx_ur_reserve_pending(shard) != NULL);

    ngx_ur_connect_abort(shard, "exiting");

    ngx_ur_asks_end_all(shard, lost);

    shard->asks->busy = 0;
}
