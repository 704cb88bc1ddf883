
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Keeps I2: a grant reaches the zone only when its commit has been
 * acknowledged, is durable, and the server did not warn of it.
 *
 * A row is taken in by itself: what is wrong with one is no reason to burn what
 * others have granted.  Ranges that have to be asked once more, on another
 * host or after the schema has been made, stay in "sent".
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/reservation.h"
#include "event/timer.h"
#include "pool.h"
#include "postgres/bootstrap.h"
#include "postgres/connect.h"
#include "postgres/postgres.h"
#include "postgres/replies.h"
#include "postgres/report.h"
#include "postgres/session.h"
#include "zone/account.h"
#include "zone/asks.h"
#include "zone/health.h"
#include "zone/reply.h"
#include "zone/slot.h"


/* how long to leave a range alone whose row is locked */
#define NGX_UR_BUSY  250


static void ngx_ur_replies_error(ngx_ur_shard_t *shard,
    ngx_ur_verdict_t *verdict);
static ngx_uint_t ngx_ur_replies_is_any(const char *state,
    const char **states);
static void ngx_ur_replies_locked(ngx_ur_shard_t *shard);
static void ngx_ur_replies_busy(ngx_ur_range_t *range);
static void ngx_ur_replies_no_schema(ngx_ur_shard_t *shard);
static void ngx_ur_replies_rows(ngx_ur_shard_t *shard, PGresult *result,
    ngx_ur_verdict_t *verdict);
static ngx_ur_next_e ngx_ur_replies_row(ngx_ur_range_t *range,
    reservation_t *reply, ngx_ur_verdict_t *verdict);
static ngx_int_t ngx_ur_replies_check(ngx_ur_shard_t *shard,
    reservation_t *reply, ngx_ur_verdict_t *verdict);
static void ngx_ur_replies_take_in(ngx_ur_range_t *range,
    reservation_t *reply);
static void ngx_ur_replies_healthy(ngx_ur_shard_t *shard);


/* serialization_failure, deadlock_detected: the price of a race */

static const char  *ngx_ur_replies_races[] = { "40001", "40P01", NULL };


/* invalid_schema_name, undefined_table, _function, _object (of a type) */

static const char  *ngx_ur_replies_missing[] = {
    "3F000", "42P01", "42883", "42704", NULL
};


void
ngx_ur_replies(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict)
{
    PGresult           *result;
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;
    result = pg->result;

    ngx_memzero(verdict, sizeof(ngx_ur_verdict_t));

    if (pg->failure) {
        ngx_ur_replies_error(shard, verdict);

    } else if (result && reservation_answers(result, shard->asks->nsent)) {
        ngx_ur_replies_rows(shard, result, verdict);

    } else {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "shard \"%V\" sent an invalid reply: it has not one row "
                      "for each range", &shard->name);

        verdict->next = NGX_UR_NEXT_INVALID;
    }

    if (result) {
        reservation_wipe(result);
    }

    if (verdict->next == NGX_UR_NEXT_DONE) {
        ngx_ur_replies_healthy(shard);
    }
}


void
ngx_ur_replies_lost(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict)
{
    /* it tells more than the end of the connection, which may follow */

    if (shard->session->doubt[0]) {
        ngx_ur_postgres_error(&shard->session->pg,
                              "its commit may not be on its standby: %s",
                              shard->session->doubt);
    }

    verdict->next = NGX_UR_NEXT_FAILED;
    verdict->result = NGX_UR_FAILED;
    verdict->lost = 1;
}


/* an error instead of rows: the transaction is rolled back */

static void
ngx_ur_replies_error(ngx_ur_shard_t *shard, ngx_ur_verdict_t *verdict)
{
    const char        *state;
    ngx_ur_session_t  *session;

    session = shard->session;

    state = PQresultErrorField(session->pg.failure, PG_DIAG_SQLSTATE);
    if (state == NULL) {
        state = "";
    }

    if (ngx_ur_replies_is_any(state, ngx_ur_replies_races)
        && !ngx_ur_timer_past(session->deadline))
    {
        verdict->next = NGX_UR_NEXT_AGAIN;
        return;
    }

    /* lock_not_available: of one row, and the shard has others */

    if (ngx_strcmp(state, "55P03") == 0 && shard->ranges.nelts > 1) {
        ngx_ur_replies_locked(shard);
        return;
    }

    /* read_only_sql_transaction */

    if (ngx_strcmp(state, "25006") == 0) {
        verdict->next = NGX_UR_NEXT_HOST;
        return;
    }

    if (ngx_ur_replies_is_any(state, ngx_ur_replies_missing)) {

        if (ngx_ur_bootstrap_allowed(shard)) {
            verdict->next = NGX_UR_NEXT_SCHEMA;
            return;
        }

        /* without a function, the schema may be of another version */

        if (ngx_strcmp(state, "42883") != 0) {
            ngx_ur_replies_no_schema(shard);
            return;
        }
    }

    ngx_ur_report_refused(shard, state);

    verdict->next = NGX_UR_NEXT_FAILED;
    verdict->result = ngx_ur_health_of(state);
}


static ngx_uint_t
ngx_ur_replies_is_any(const char *state, const char **states)
{
    while (*states) {
        if (ngx_strcmp(state, *states++) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_ur_replies_locked(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *sent;
    ngx_ur_range_t  *range;

    sent = &shard->asks->sent;

    while (!ngx_queue_empty(sent)) {
        range = ngx_ur_asks_range(ngx_queue_head(sent));

        if (range->ask->params.want) {
            ngx_ur_replies_busy(range);
        }

        ngx_ur_asks_end(range);
    }
}


static void
ngx_ur_replies_busy(ngx_ur_range_t *range)
{
    ngx_uint_t  level;

    range->ask->busy_until = ngx_current_msec + NGX_UR_BUSY;

    level = range->ask->locked ? NGX_LOG_INFO : NGX_LOG_NOTICE;

    ngx_log_error(level, range->shard->session->pg.log, 0,
                  "the row of range %uL-%uL of shard \"%V\" is locked by "
                  "somebody else", range->first, range->last,
                  &range->shard->name);

    range->ask->locked = 1;
}


static void
ngx_ur_replies_no_schema(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *sent;
    reservation_t    reply;
    ngx_ur_range_t  *range;

    sent = &shard->asks->sent;

    while (!ngx_queue_empty(sent)) {
        range = ngx_ur_asks_range(ngx_queue_head(sent));

        ngx_memzero(&reply, sizeof(reservation_t));

        reply.outcome = RESERVATION_MISSING;
        reply.detail = (char *) shard->session->pg.error;
        reply.no_schema = 1;

        ngx_ur_replies_take_in(range, &reply);
        ngx_ur_asks_end(range);
    }
}


static void
ngx_ur_replies_rows(ngx_ur_shard_t *shard, PGresult *result,
    ngx_ur_verdict_t *verdict)
{
    int              i;
    const char      *error;
    ngx_queue_t     *q, *following, *sent;
    ngx_ur_next_e    next;
    reservation_t    reply;
    ngx_ur_range_t  *range;

    i = 0;
    sent = &shard->asks->sent;

    for (q = ngx_queue_head(sent); q != sent; q = following) {

        following = ngx_queue_next(q);
        range = ngx_ur_asks_range(q);

        if (reservation_parse(&reply, result, i++,
                              (char *) shard->pool->name.data,
                              &range->ask->params, &error)
            == 0)
        {
            next = ngx_ur_replies_row(range, &reply, verdict);

        } else {
            ngx_log_error(NGX_LOG_ERR, shard->session->pg.log, 0,
                          "shard \"%V\" sent an invalid reply for range "
                          "%uL-%uL: %s", &shard->name, range->first,
                          range->last, error);

            ngx_ur_slot_lost(range, range->ask->params.want);
            next = NGX_UR_NEXT_INVALID;
        }

        if (next == NGX_UR_NEXT_DONE || next == NGX_UR_NEXT_INVALID) {
            ngx_ur_asks_end(range);
        }

        ngx_explicit_memzero(reply.key, RESERVATION_KEY_LEN);

        verdict->next = ngx_max(verdict->next, next);

        if (next == NGX_UR_NEXT_FAILED) {
            return;
        }
    }
}


static ngx_ur_next_e
ngx_ur_replies_row(ngx_ur_range_t *range, reservation_t *reply,
    ngx_ur_verdict_t *verdict)
{
    ngx_ur_shard_t     *shard;
    ngx_ur_postgres_t  *pg;

    shard = range->shard;
    pg = &shard->session->pg;

    if (reply->outcome == RESERVATION_STANDBY) {
        ngx_ur_postgres_set_error(pg, "it does not accept writes");
        return NGX_UR_NEXT_HOST;
    }

    if (reservation_stale(reply) && ngx_ur_connect_has_others(shard)) {
        ngx_ur_postgres_set_error(pg, RESERVATION_LATER_LIFE);
        return NGX_UR_NEXT_HOST;
    }

    if (reply->outcome == RESERVATION_BUSY) {
        ngx_ur_replies_busy(range);
        return NGX_UR_NEXT_DONE;
    }

    if (reply->outcome == RESERVATION_MISSING
        && ngx_ur_bootstrap_allowed(shard))
    {
        return NGX_UR_NEXT_BOOTSTRAP;
    }

    if ((reply->count || reply->outcome == RESERVATION_VOLATILE)
        && ngx_ur_replies_check(shard, reply, verdict) != NGX_OK)
    {
        return NGX_UR_NEXT_FAILED;
    }

    ngx_ur_replies_take_in(range, reply);

    return NGX_UR_NEXT_DONE;
}


/* I2: a commit that may yet be undone is worth nothing, in none of the rows */

static ngx_int_t
ngx_ur_replies_check(ngx_ur_shard_t *shard, reservation_t *reply,
    ngx_ur_verdict_t *verdict)
{
    if (!reservation_durable(reply)) {
        ngx_ur_postgres_error(&shard->session->pg,
                              "its commits are not durable: fsync is %s, "
                              "synchronous_commit is %s",
                              reply->fsync, reply->synchronous_commit);

        verdict->result = NGX_UR_BROKEN;
        verdict->lost = (reply->count != 0);
        return NGX_ERROR;
    }

    if (shard->session->doubt[0]) {
        ngx_ur_replies_lost(shard, verdict);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_ur_replies_take_in(ngx_ur_range_t *range, reservation_t *reply)
{
    uint64_t   known;
    ngx_int_t  rc;

    range->ask->locked = 0;
    range->shard->session->stale |= reservation_stale(reply);

    ngx_ur_report_failover(range, reply);

    rc = ngx_ur_reply(range, &range->ask->params, reply, &known);

    if (reply->began[0]) {
        ngx_ur_report_began(range, reply);
    }

    if (rc == NGX_OK) {
        ngx_ur_report(range, reply, known);
    }
}


static void
ngx_ur_replies_healthy(ngx_ur_shard_t *shard)
{
    if (!shard->session->stale) {
        ngx_ur_connect_prefer(shard);
    }

    ngx_ur_account_succeeded(shard, ngx_current_msec
                                    - shard->session->started);

    if (ngx_ur_health_report(shard, NGX_UR_HEALTHY) == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, shard->session->pg.log, 0,
                      "shard \"%V\" is available again", &shard->name);
    }
}
