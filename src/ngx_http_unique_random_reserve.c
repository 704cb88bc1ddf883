
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Asks for the ranges of a shard, one after the other, and takes the replies
 * in.  Keeps I2: a grant reaches the zone only when its commit has been
 * acknowledged, is durable, and came without a warning; and I3: a reply that
 * did not arrive whole burns what it may have granted.
 */


#include "ngx_http_unique_random_bootstrap.h"
#include "ngx_http_unique_random_connect.h"
#include "ngx_http_unique_random_report.h"
#include "ngx_http_unique_random_reserve.h"


static void ngx_http_unique_random_reserve_start(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_next_peer(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_send(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_refused(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_replied(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_reply(
    ngx_http_unique_random_shard_t *shard, reservation_t *reply);
static ngx_int_t ngx_http_unique_random_reserve_check(
    ngx_http_unique_random_shard_t *shard, reservation_t *reply);
static void ngx_http_unique_random_reserve_done(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_reserve_failed(
    ngx_http_unique_random_shard_t *shard, ngx_uint_t result, ngx_uint_t lost);
static void ngx_http_unique_random_reserve_end_all(
    ngx_http_unique_random_shard_t *shard, ngx_uint_t lost);
static void ngx_http_unique_random_reserve_end(
    ngx_http_unique_random_range_t *range);


#define ngx_http_unique_random_reserve_head(shard)                            \
    ngx_queue_data(ngx_queue_head(&(shard)->asks),                            \
                   ngx_http_unique_random_range_t, queue)


void
ngx_http_unique_random_reserve(ngx_http_unique_random_range_t *range)
{
    ngx_uint_t                       busy;
    ngx_http_unique_random_shard_t  *shard;

    if (range->asked) {
        return;
    }

    shard = range->shard;
    busy = !ngx_queue_empty(&shard->asks);

    range->asked = 1;
    shard->pool->nasked++;

    ngx_queue_insert_tail(&shard->asks, &range->queue);

    ngx_http_unique_random_zone_begin(range);

    if (!busy) {
        ngx_http_unique_random_reserve_start(shard);
    }
}


void
ngx_http_unique_random_reserve_handler(ngx_http_unique_random_postgres_t *pg,
    ngx_int_t rc)
{
    ngx_http_unique_random_shard_t  *shard;

    shard = pg->data;

    switch (shard->step) {

    case NGX_HTTP_UNIQUE_RANDOM_STEP_CONNECT:

        if (rc == NGX_OK && ngx_http_unique_random_postgres_standby(pg)) {
            ngx_http_unique_random_postgres_set_error(pg,
                                                "it does not accept writes");
            rc = NGX_ERROR;
        }

        if (rc != NGX_OK) {
            ngx_http_unique_random_reserve_next_peer(shard);
            return;
        }

        ngx_http_unique_random_reserve_send(shard);
        return;

    case NGX_HTTP_UNIQUE_RANDOM_STEP_RESERVE:

        if (rc != NGX_OK) {
            ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 1);
            return;
        }

        if (pg->failure) {
            ngx_http_unique_random_reserve_refused(shard);
            return;
        }

        ngx_http_unique_random_reserve_replied(shard);
        return;

    default: /* bootstrap */

        if (rc == NGX_OK) {
            rc = ngx_http_unique_random_bootstrap_handler(shard);
        }

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK) {
            ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_BROKEN, 0);
            return;
        }

        ngx_http_unique_random_reserve_send(shard);
    }
}


ngx_connection_t *
ngx_http_unique_random_reserve_pending(ngx_http_unique_random_shard_t *shard)
{
    ngx_queue_t                        *q;
    ngx_http_unique_random_range_t     *range;
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;

    if (pg->state != NGX_HTTP_UNIQUE_RANDOM_POSTGRES_BUSY
        || shard->step != NGX_HTTP_UNIQUE_RANDOM_STEP_RESERVE)
    {
        return NULL;
    }

    for ( ;; ) {
        q = ngx_queue_last(&shard->asks);

        if (q == ngx_queue_head(&shard->asks)) {
            return pg->connection;
        }

        range = ngx_queue_data(q, ngx_http_unique_random_range_t, queue);

        ngx_http_unique_random_zone_failed(range, 0);
        ngx_http_unique_random_reserve_end(range);
    }
}


void
ngx_http_unique_random_reserve_abort(ngx_http_unique_random_shard_t *shard)
{
    ngx_uint_t  lost;

    lost = (shard->postgres.state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_BUSY
            && shard->step == NGX_HTTP_UNIQUE_RANDOM_STEP_RESERVE);

    ngx_http_unique_random_connect_abort(shard, "exiting");

    ngx_http_unique_random_reserve_end_all(shard, lost);
}


static void
ngx_http_unique_random_reserve_start(ngx_http_unique_random_shard_t *shard)
{
    shard->deadline = ngx_current_msec + shard->pool->reserve_timeout;
    shard->bootstrapped = 0;

    if (shard->postgres.state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_IDLE) {
        ngx_http_unique_random_reserve_send(shard);
        return;
    }

    shard->step = NGX_HTTP_UNIQUE_RANDOM_STEP_CONNECT;

    if (ngx_http_unique_random_connect(shard) != NGX_OK) {
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 0);
    }
}


static void
ngx_http_unique_random_reserve_next_peer(ngx_http_unique_random_shard_t *shard)
{
    shard->step = NGX_HTTP_UNIQUE_RANDOM_STEP_CONNECT;

    if (ngx_http_unique_random_connect_next(shard) != NGX_OK) {
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 0);
    }
}


static void
ngx_http_unique_random_reserve_send(ngx_http_unique_random_shard_t *shard)
{
    reservation_ask_t                ask;
    ngx_http_unique_random_range_t  *range;

    range = ngx_http_unique_random_reserve_head(shard);

    ngx_http_unique_random_zone_ask(range, shard->pool->nwaiters, &ask);

    reservation_params(&range->params, &ask);

    shard->step = NGX_HTTP_UNIQUE_RANDOM_STEP_RESERVE;

    if (ngx_http_unique_random_postgres_query(&shard->postgres,
                                              reservation_statement,
                                              RESERVATION_NPARAMS,
                                              range->params.values,
                                              shard->pool->reserve_timeout)
        != NGX_OK)
    {
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 1);
    }
}


/* an error instead of a row: the transaction is rolled back */

static void
ngx_http_unique_random_reserve_refused(ngx_http_unique_random_shard_t *shard)
{
    const char                         *state;
    reservation_t                       reply;
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;

    state = PQresultErrorField(pg->failure, PG_DIAG_SQLSTATE);
    if (state == NULL) {
        state = "";
    }

    /* serialization_failure, deadlock_detected: the price of a race */

    if ((ngx_strcmp(state, "40001") == 0 || ngx_strcmp(state, "40P01") == 0)
        && (ngx_msec_int_t) (shard->deadline - ngx_current_msec) > 0)
    {
        ngx_http_unique_random_reserve_send(shard);
        return;
    }

    /* read_only_sql_transaction */

    if (ngx_strcmp(state, "25006") == 0) {
        ngx_http_unique_random_reserve_next_peer(shard);
        return;
    }

    /* invalid_schema_name, undefined_table, _function, _object (of a type) */

    if (ngx_strcmp(state, "3F000") == 0
        || ngx_strcmp(state, "42P01") == 0
        || ngx_strcmp(state, "42883") == 0
        || ngx_strcmp(state, "42704") == 0)
    {
        ngx_memzero(&reply, sizeof(reservation_t));
        reply.outcome = RESERVATION_MISSING;
        reply.detail = (char *) pg->error;

        ngx_http_unique_random_reserve_reply(shard, &reply);
        return;
    }

    /* the operator's: authorization, catalog name, access rule, syntax */

    ngx_http_unique_random_reserve_failed(shard,
                          (ngx_strncmp(state, "28", 2) == 0
                           || ngx_strncmp(state, "3D", 2) == 0
                           || ngx_strncmp(state, "42", 2) == 0)
                          ? NGX_HTTP_UNIQUE_RANDOM_BROKEN
                          : NGX_HTTP_UNIQUE_RANDOM_FAILED, 0);
}


static void
ngx_http_unique_random_reserve_replied(ngx_http_unique_random_shard_t *shard)
{
    const char                         *error;
    PGresult                           *result;
    reservation_t                       reply;
    ngx_http_unique_random_range_t     *range;
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;
    result = pg->result;
    range = ngx_http_unique_random_reserve_head(shard);

    if (result == NULL
        || reservation_parse(&reply, result, &range->params.ask, &error) != 0)
    {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "shard \"%V\" sent an invalid reply for range %uL-%uL: "
                      "%s", &shard->name, range->first, range->last,
                      result ? error : "no row");

        ngx_http_unique_random_postgres_set_error(pg, "invalid reply");
        ngx_http_unique_random_connect_abort(shard, "invalid reply");
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_BROKEN, 1);

    } else {
        ngx_http_unique_random_reserve_reply(shard, &reply);
    }

    if (result) {
        reservation_wipe(&reply, result);
    }
}


static void
ngx_http_unique_random_reserve_reply(ngx_http_unique_random_shard_t *shard,
    reservation_t *reply)
{
    ngx_int_t                           rc;
    ngx_uint_t                          stale;
    ngx_http_unique_random_range_t     *range;
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;
    range = ngx_http_unique_random_reserve_head(shard);

    stale = reply->outcome == RESERVATION_STALE
            || (reply->outcome == RESERVATION_FENCED
                && ngx_strcmp(reply->detail, RESERVATION_LATER_LIFE) == 0);

    if (reply->outcome == RESERVATION_STANDBY
        || (stale && shard->tried + 1 < shard->peers.nelts))
    {
        ngx_http_unique_random_postgres_set_error(pg,
                               reply->outcome == RESERVATION_STANDBY
                               ? "it does not accept writes"
                               : RESERVATION_LATER_LIFE);
        ngx_http_unique_random_reserve_next_peer(shard);
        return;
    }

    if (reply->outcome == RESERVATION_MISSING) {

        rc = ngx_http_unique_random_bootstrap(shard, reply->detail[0] != '\0');

        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 0);
            return;
        }
    }

    if ((reply->count || reply->outcome == RESERVATION_VOLATILE)
        && ngx_http_unique_random_reserve_check(shard, reply) != NGX_OK)
    {
        return;
    }

    ngx_http_unique_random_report_failover(range, reply);

    if (ngx_http_unique_random_zone_reply(range, reply) == NGX_OK) {
        ngx_http_unique_random_report(range, reply);
    }

    if (ngx_http_unique_random_zone_health(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_HEALTHY)
        == NGX_OK)
    {
        ngx_log_error(NGX_LOG_NOTICE, pg->log, 0,
                      "shard \"%V\" is available again", &shard->name);
    }

    ngx_http_unique_random_reserve_done(shard);
}


/* I2: a commit that may yet be undone is worth nothing */

static ngx_int_t
ngx_http_unique_random_reserve_check(ngx_http_unique_random_shard_t *shard,
    reservation_t *reply)
{
    u_char                              text[128];
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;

    if (!reservation_durable(reply)) {
        ngx_snprintf(text, sizeof(text), "its commits are not durable: fsync "
                     "is %s, synchronous_commit is %s%Z",
                     reply->fsync, reply->synchronous_commit);
        text[sizeof(text) - 1] = '\0';

        ngx_http_unique_random_postgres_set_error(pg, (char *) text);
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_BROKEN,
                                           reply->count != 0);
        return NGX_ERROR;
    }

    if (pg->warned) {
        ngx_http_unique_random_postgres_set_error(pg,
                   "it committed with a warning, perhaps without its standby");
        ngx_http_unique_random_reserve_failed(shard,
                                           NGX_HTTP_UNIQUE_RANDOM_FAILED, 1);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_unique_random_reserve_done(ngx_http_unique_random_shard_t *shard)
{
    shard->tried = 0;

    ngx_http_unique_random_reserve_end(
                                   ngx_http_unique_random_reserve_head(shard));

    if (ngx_queue_empty(&shard->asks)) {
        ngx_http_unique_random_postgres_park(&shard->postgres);
        return;
    }

    ngx_http_unique_random_reserve_start(shard);
}


static void
ngx_http_unique_random_reserve_failed(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t result, ngx_uint_t lost)
{
    ngx_int_t                           rc;
    ngx_uint_t                          level;
    ngx_http_unique_random_postgres_t  *pg;

    pg = &shard->postgres;

    rc = ngx_http_unique_random_zone_health(shard, result);

    level = (rc == NGX_OK) ? NGX_LOG_ERR
                           : (rc == NGX_AGAIN) ? NGX_LOG_WARN : NGX_LOG_INFO;

    ngx_log_error(level, pg->log, 0, "could not reserve from shard \"%V\"%s: "
                  "%s%s", &shard->name,
                  rc == NGX_OK ? ", it is unavailable for now" : "",
                  pg->error, lost ? ", what was asked for is burned" : "");

    ngx_http_unique_random_reserve_end_all(shard, lost);

    if (pg->state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_IDLE) {
        ngx_http_unique_random_postgres_park(pg);
    }
}


/* none was granted; "lost" tells of the one that was sent */

static void
ngx_http_unique_random_reserve_end_all(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t lost)
{
    ngx_http_unique_random_range_t  *range;

    while (!ngx_queue_empty(&shard->asks)) {
        range = ngx_http_unique_random_reserve_head(shard);

        ngx_http_unique_random_zone_failed(range, lost);
        ngx_http_unique_random_reserve_end(range);

        lost = 0;
    }
}


static void
ngx_http_unique_random_reserve_end(ngx_http_unique_random_range_t *range)
{
    ngx_http_unique_random_pool_t  *pool;

    pool = range->shard->pool;

    ngx_queue_remove(&range->queue);

    range->asked = 0;

    /* what still does not answer is no reason to have more patience */

    pool->nasked--;
    pool->patient = 0;

    if (pool->nwaiters) {
        ngx_post_event(&pool->wake, &ngx_posted_events);
    }
}
