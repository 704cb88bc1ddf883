
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


#include "postgres/bootstrap.h"
#include "postgres/connect.h"
#include "postgres/replies.h"
#include "postgres/report.h"
#include "postgres/reserve.h"
#include "zone/health.h"
#include "zone/slot.h"


/* how long to leave a range alone whose row is locked */
#define NGX_UR_BUSY  250


/* what is to be done after all rows; the higher ones win */

typedef enum {
    NGX_UR_NEXT_DONE = 0,
    NGX_UR_NEXT_BOOTSTRAP,
    NGX_UR_NEXT_HOST,
    NGX_UR_NEXT_INVALID,
    NGX_UR_NEXT_FAILED
} ngx_ur_next_e;


static void ngx_ur_replies_error(ngx_ur_shard_t *shard);
static void ngx_ur_replies_locked(ngx_ur_shard_t *shard);
static void ngx_ur_replies_busy(ngx_ur_range_t *range);
static void ngx_ur_replies_refused(ngx_ur_shard_t *shard, const char *state);
static void ngx_ur_replies_no_schema(ngx_ur_shard_t *shard);
static ngx_ur_next_e ngx_ur_replies_rows(ngx_ur_shard_t *shard,
    PGresult *result);
static ngx_ur_next_e ngx_ur_replies_row(ngx_ur_shard_t *shard,
    ngx_ur_range_t *range, reservation_t *reply);
static ngx_int_t ngx_ur_replies_check(ngx_ur_shard_t *shard,
    reservation_t *reply);
static void ngx_ur_replies_take_in(ngx_ur_range_t *range,
    reservation_t *reply);
static void ngx_ur_replies_next(ngx_ur_shard_t *shard, ngx_ur_next_e next,
    ngx_uint_t schema);
static void ngx_ur_replies_healthy(ngx_ur_shard_t *shard);
static void ngx_ur_replies_invalid(ngx_ur_shard_t *shard);


void
ngx_ur_replies(ngx_ur_shard_t *shard)
{
    size_t              n;
    PGresult           *result;
    ngx_queue_t        *q;
    ngx_ur_next_e       next;
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;
    result = pg->result;

    if (pg->failure) {
        ngx_ur_replies_error(shard);
        return;
    }

    n = 0;

    for (q = ngx_queue_head(&shard->sent);
         q != ngx_queue_sentinel(&shard->sent);
         q = ngx_queue_next(q))
    {
        n++;
    }

    if (result == NULL || !reservation_answers(result, n)) {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "shard \"%V\" sent an invalid reply: it has not one row "
                      "for each range", &shard->name);

        next = NGX_UR_NEXT_INVALID;

    } else {
        next = ngx_ur_replies_rows(shard, result);
    }

    if (result) {
        reservation_wipe(result);
    }

    ngx_ur_replies_next(shard, next, 0);
}


void
ngx_ur_replies_lost(ngx_ur_shard_t *shard)
{
    u_char              text[256];
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;

    /* it tells more than the end of the connection, which may follow */

    if (shard->doubt[0]) {
        ngx_snprintf(text, sizeof(text),
                     "its commit may not be on its standby: %s%Z",
                     shard->doubt);
        text[sizeof(text) - 1] = '\0';

        ngx_ur_postgres_set_error(pg, (char *) text);
    }

    ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 1);
}


/* an error instead of rows: the transaction is rolled back */

static void
ngx_ur_replies_error(ngx_ur_shard_t *shard)
{
    const char         *state;
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;

    state = PQresultErrorField(pg->failure, PG_DIAG_SQLSTATE);
    if (state == NULL) {
        state = "";
    }

    /* serialization_failure, deadlock_detected: the price of a race */

    if ((ngx_strcmp(state, "40001") == 0 || ngx_strcmp(state, "40P01") == 0)
        && (ngx_msec_int_t) (shard->deadline - ngx_current_msec) > 0)
    {
        ngx_ur_reserve_send(shard);
        return;
    }

    /* lock_not_available: of one row, and the shard has others */

    if (ngx_strcmp(state, "55P03") == 0 && shard->ranges.nelts > 1) {
        ngx_ur_replies_locked(shard);
        return;
    }

    /* read_only_sql_transaction */

    if (ngx_strcmp(state, "25006") == 0) {
        ngx_ur_reserve_next_host(shard);
        return;
    }

    /* invalid_schema_name, undefined_table, _function, _object (of a type) */

    if (ngx_strcmp(state, "3F000") == 0
        || ngx_strcmp(state, "42P01") == 0
        || ngx_strcmp(state, "42883") == 0
        || ngx_strcmp(state, "42704") == 0)
    {
        if (ngx_ur_bootstrap_allowed(shard)) {
            ngx_ur_replies_next(shard, NGX_UR_NEXT_BOOTSTRAP, 1);
            return;
        }

        if (ngx_strcmp(state, "42883") != 0) {
            ngx_ur_replies_no_schema(shard);
            return;
        }
    }

    ngx_ur_replies_refused(shard, state);
}


static void
ngx_ur_replies_locked(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *q;
    ngx_ur_range_t  *range;

    while (!ngx_queue_empty(&shard->sent)) {
        q = ngx_queue_head(&shard->sent);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        if (range->ask.want) {
            ngx_ur_replies_busy(range);
        }

        ngx_ur_reserve_end(range);
    }

    ngx_ur_replies_next(shard, NGX_UR_NEXT_DONE, 0);
}


static void
ngx_ur_replies_busy(ngx_ur_range_t *range)
{
    ngx_uint_t  level;

    range->busy_until = ngx_current_msec + NGX_UR_BUSY;

    level = range->locked ? NGX_LOG_INFO : NGX_LOG_NOTICE;

    ngx_log_error(level, range->shard->postgres.log, 0,
                  "the row of range %uL-%uL of shard \"%V\" is locked by "
                  "somebody else", range->first, range->last,
                  &range->shard->name);

    range->locked = 1;
}


static void
ngx_ur_replies_refused(ngx_ur_shard_t *shard, const char *state)
{
    ngx_ur_report_refused(shard, state);

    ngx_ur_reserve_failed(shard, ngx_ur_health_of(state), 0);
}


static void
ngx_ur_replies_no_schema(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *q;
    reservation_t    reply;
    ngx_ur_range_t  *range;

    while (!ngx_queue_empty(&shard->sent)) {
        q = ngx_queue_head(&shard->sent);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        ngx_memzero(&reply, sizeof(reservation_t));

        reply.outcome = RESERVATION_MISSING;
        reply.detail = (char *) shard->postgres.error;
        reply.no_schema = 1;

        ngx_ur_replies_take_in(range, &reply);
        ngx_ur_reserve_end(range);
    }

    ngx_ur_replies_next(shard, NGX_UR_NEXT_DONE, 0);
}


static ngx_ur_next_e
ngx_ur_replies_rows(ngx_ur_shard_t *shard, PGresult *result)
{
    int              i;
    const char      *error;
    ngx_queue_t     *q, *following;
    reservation_t    reply;
    ngx_ur_next_e    next, row;
    ngx_ur_range_t  *range;

    i = 0;
    next = NGX_UR_NEXT_DONE;

    for (q = ngx_queue_head(&shard->sent);
         q != ngx_queue_sentinel(&shard->sent);
         q = following)
    {
        following = ngx_queue_next(q);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        if (reservation_parse(&reply, result, i++,
                              (char *) shard->pool->name.data, &range->ask,
                              &error)
            != 0)
        {
            ngx_log_error(NGX_LOG_ERR, shard->postgres.log, 0,
                          "shard \"%V\" sent an invalid reply for range "
                          "%uL-%uL: %s", &shard->name, range->first,
                          range->last, error);

            ngx_ur_slot_failed(range, 1);
            ngx_ur_reserve_end(range);

            row = NGX_UR_NEXT_INVALID;

        } else {
            row = ngx_ur_replies_row(shard, range, &reply);

            if (row == NGX_UR_NEXT_DONE) {
                ngx_ur_reserve_end(range);
            }
        }

        ngx_explicit_memzero(reply.key, RESERVATION_KEY_LEN);

        next = ngx_max(next, row);

        if (next == NGX_UR_NEXT_FAILED) {
            break;
        }
    }

    return next;
}


static ngx_ur_next_e
ngx_ur_replies_row(ngx_ur_shard_t *shard, ngx_ur_range_t *range,
    reservation_t *reply)
{
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;

    if (reply->outcome == RESERVATION_STANDBY
        || (reservation_stale(reply)
            && shard->connect->attempt->left))
    {
        ngx_ur_postgres_set_error(pg,
                               reply->outcome == RESERVATION_STANDBY
                               ? "it does not accept writes"
                               : RESERVATION_LATER_LIFE);
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
        && ngx_ur_replies_check(shard, reply) != NGX_OK)
    {
        return NGX_UR_NEXT_FAILED;
    }

    ngx_ur_replies_take_in(range, reply);

    return NGX_UR_NEXT_DONE;
}


/* I2: a commit that may yet be undone is worth nothing, in none of the rows */

static ngx_int_t
ngx_ur_replies_check(ngx_ur_shard_t *shard, reservation_t *reply)
{
    u_char              text[128];
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;

    if (!reservation_durable(reply)) {
        ngx_snprintf(text, sizeof(text), "its commits are not durable: fsync "
                     "is %s, synchronous_commit is %s%Z",
                     reply->fsync, reply->synchronous_commit);
        text[sizeof(text) - 1] = '\0';

        ngx_ur_postgres_set_error(pg, (char *) text);
        ngx_ur_reserve_failed(shard, NGX_UR_BROKEN, reply->count != 0);
        return NGX_ERROR;
    }

    if (shard->doubt[0]) {
        ngx_ur_replies_lost(shard);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_ur_replies_take_in(ngx_ur_range_t *range, reservation_t *reply)
{
    uint64_t  known;

    range->locked = 0;
    range->shard->stale |= reservation_stale(reply);

    ngx_ur_report_failover(range, reply);

    if (ngx_ur_slot_reply(range, reply, &known) == NGX_OK) {
        ngx_ur_report(range, reply, known);
    }
}


static void
ngx_ur_replies_next(ngx_ur_shard_t *shard, ngx_ur_next_e next,
    ngx_uint_t schema)
{
    switch (next) {

    case NGX_UR_NEXT_DONE:
        ngx_ur_replies_healthy(shard);
        ngx_ur_reserve_done(shard);
        return;

    case NGX_UR_NEXT_BOOTSTRAP:

        if (ngx_ur_bootstrap(shard, schema) != NGX_OK) {
            ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 0);
        }

        return;

    case NGX_UR_NEXT_HOST:
        ngx_ur_reserve_next_host(shard);
        return;

    case NGX_UR_NEXT_INVALID:
        ngx_ur_replies_invalid(shard);
        return;

    default: /* NGX_UR_NEXT_FAILED */
        return;
    }
}


static void
ngx_ur_replies_healthy(ngx_ur_shard_t *shard)
{
    if (!shard->stale) {
        attempt_prefer(shard->connect->attempt);
    }

    if (ngx_ur_health_report(shard, NGX_UR_HEALTHY) == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, shard->postgres.log, 0,
                      "shard \"%V\" is available again", &shard->name);
    }
}


static void
ngx_ur_replies_invalid(ngx_ur_shard_t *shard)
{
    ngx_ur_postgres_set_error(&shard->postgres, "invalid reply");
    ngx_ur_connect_abort(shard, "invalid reply");
    ngx_ur_reserve_failed(shard, NGX_UR_BROKEN, 1);
}
