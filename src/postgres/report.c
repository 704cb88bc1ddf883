
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an operator is told of a range: why it is not granted from, and the SQL
 * that mends it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/reservation.h"
#include "pool.h"
#include "postgres/postgres.h"
#include "postgres/report.h"
#include "postgres/session.h"
#include "zone/account.h"
#include "zone/domain.h"


/* what to skip for grants that this nginx has not seen: a proposal */
#define NGX_UR_ADVANCE  100000


typedef struct {
    ngx_str_t            text;
    u_char               buf[NGX_MAX_ERROR_STR];
} ngx_ur_report_sql_t;


static void ngx_ur_report_missing(ngx_ur_range_t *range, reservation_t *reply);
static void ngx_ur_report_fenced(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known);
static void ngx_ur_report_gone(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known);
static void ngx_ur_report_lost(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known);
static uint64_t ngx_ur_report_skip(ngx_ur_range_t *range, uint64_t known);
static void ngx_ur_report_stale(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known);
static void ngx_ur_report_deferred(ngx_ur_range_t *range,
    reservation_t *reply);
static ngx_str_t *ngx_ur_report_cure(ngx_ur_range_t *range,
    ngx_ur_report_sql_t *sql, const char *fmt, ...);


void
ngx_ur_report(ngx_ur_range_t *range, reservation_t *reply, uint64_t known)
{
    ngx_log_t  *log;
    ngx_str_t  *shard;

    log = range->shard->session->pg.log;
    shard = &range->shard->name;

    switch (reply->outcome) {

    case RESERVATION_GRANTED:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "range %uL-%uL of shard \"%V\" is granted from",
                      range->first, range->last, shard);
        return;

    case RESERVATION_EXHAUSTED:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "range %uL-%uL of shard \"%V\" is used up", range->first,
                      range->last, shard);
        return;

    case RESERVATION_MISSING:
        ngx_ur_report_missing(range, reply);
        return;

    case RESERVATION_DOMAIN:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL of shard \"%V\" cannot be used: %s",
                      range->first, range->last, shard, reply->detail);
        return;

    case RESERVATION_MISMATCH:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL is %uL-%uL in shard \"%V\": a range "
                      "never changes, configure it as it is there",
                      range->first, range->last, range->first, reply->last,
                      shard);
        return;

    case RESERVATION_STALE:
        ngx_ur_report_stale(range, reply, known);
        return;

    case RESERVATION_DEFERRED:
        ngx_ur_report_deferred(range, reply);
        return;

    default: /* RESERVATION_FENCED */
        ngx_ur_report_fenced(range, reply, known);
    }
}


/*
 * No word of add() where the database has something to say of it: for the
 * numbers of another pool it would make a second key.
 */

static void
ngx_ur_report_missing(ngx_ur_range_t *range, reservation_t *reply)
{
    ngx_log_t            *log;
    ngx_str_t            *cure, *pool, *shard;
    ngx_ur_report_sql_t   sql;

    log = range->shard->session->pg.log;
    pool = &range->shard->pool->literal;
    shard = &range->shard->name;

    if (range->adopted) {

        /* add() would make it of all numbers, those of the table, too */

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL is missing or not visible in shard "
                      "\"%V\": %s", range->first, range->last, shard,
                      reply->detail[0] ? reply->detail
                                       : RESERVATION_UNADOPTED);
        return;
    }

    if (reply->detail[0] && !reply->no_schema) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL is missing or not visible in shard "
                      "\"%V\": %s; it must not be made again for pool %V",
                      range->first, range->last, shard, reply->detail, pool);
        return;
    }

    cure = ngx_ur_report_cure(range, &sql,
                              "SELECT unique_random.add(%V, %uL, %uL);",
                              pool, range->first, range->last);

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "range %uL-%uL is missing or not visible in shard "
                  "\"%V\"%s%s; if it is the right database, run %s%V",
                  range->first, range->last, shard,
                  reply->detail[0] ? ": " : "", reply->detail,
                  reply->no_schema ? "sql/schema.sql and then " : "",
                  cure);
}


static void
ngx_ur_report_fenced(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known)
{
    ngx_log_t  *log;
    ngx_str_t  *shard;

    log = range->shard->session->pg.log;
    shard = &range->shard->name;

    if (reply->gone) {
        ngx_ur_report_gone(range, reply, known);
        return;
    }

    if (reservation_stale(reply)) {
        ngx_ur_report_stale(range, reply, known);
        return;
    }

    if (ngx_strncmp(reply->detail, RESERVATION_CLOSED,
                    sizeof(RESERVATION_CLOSED) - 1)
        == 0)
    {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL of shard \"%V\" is %s: configure it "
                      "where it is now",
                      range->first, range->last, shard, reply->detail);
        return;
    }

    if (ngx_strcmp(reply->detail, RESERVATION_KEY) == 0) {

        /* accept() would not help this nginx, and harm those who are right */

        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "range %uL-%uL of shard \"%V\" is fenced: %s; %uL of "
                      "its positions are known to be reserved by the key that "
                      "this nginx remembers; configure the database that has "
                      "that key, or restore it",
                      range->first, range->last, shard, reply->detail, known);
        return;
    }

    ngx_ur_report_lost(range, reply, known);
}


/*
 * A copy beside the row that is elsewhere would grant the same numbers: no word
 * of add() where the database has something to say of it.
 */

static void
ngx_ur_report_gone(ngx_ur_range_t *range, reservation_t *reply, uint64_t known)
{
    ngx_log_t            *log;
    ngx_str_t            *cure, *shard;
    ngx_ur_report_sql_t   sql;

    log = range->shard->session->pg.log;
    shard = &range->shard->name;

    if (reply->detail[0]) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "range %uL-%uL of shard \"%V\" is fenced: "
                      RESERVATION_GONE ": %s; %uL of its positions are known "
                      "to be reserved; let nginx see it, configure the "
                      "database that has it, or restore it; it must not be "
                      "made again while it is anywhere",
                      range->first, range->last, shard, reply->detail, known);
        return;
    }

    cure = ngx_ur_report_cure(range, &sql,
                              "SELECT unique_random.add(%V, %uL, %uL, "
                              "key => ..., reserved => %uL%s); "
                              "-- if it is nowhere else",
                              &range->shard->pool->literal, range->first,
                              range->last,
                              known + ngx_ur_report_skip(range, known),
                              range->adopted ? ", domain => ..." : "");

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "range %uL-%uL of shard \"%V\" is fenced: "
                  RESERVATION_GONE "; %uL of its positions are known to be "
                  "reserved; %sif this is the right database and no other has "
                  "the range, restore its row or, from a copy of its key, run "
                  "%V",
                  range->first, range->last, shard, known,
                  reply->no_schema ? "there is no schema; " : "", cure);
}


/* the SQL to go on with; who said so comes last, as a comment of it */

static void
ngx_ur_report_lost(ngx_ur_range_t *range, reservation_t *reply, uint64_t known)
{
    ngx_str_t            *cure, reason;
    const char           *said;
    ngx_ur_report_sql_t   sql;

    said = ngx_strstr(reply->detail, RESERVATION_SAID);

    reason.data = (u_char *) reply->detail;
    reason.len = said ? (size_t) (said - reply->detail)
                      : ngx_strlen(reply->detail);

    cure = ngx_ur_report_cure(range, &sql,
                              "SELECT unique_random.accept(%V, %uL, "
                              "at_least => %uL, advance => %uL);",
                              &range->shard->pool->literal, range->first,
                              known, ngx_ur_report_skip(range, known));

    ngx_log_error(NGX_LOG_ALERT, range->shard->session->pg.log, 0,
                  "range %uL-%uL of shard \"%V\" is fenced: %V; %uL of "
                  "its positions are known to be reserved; once it is "
                  "known how far the lost database had got, run %V%s%s",
                  range->first, range->last, &range->shard->name, &reason,
                  known, cure, said ? " --" : "", said ? said + 1 : "");
}


static uint64_t
ngx_ur_report_skip(ngx_ur_range_t *range, uint64_t known)
{
    uint64_t  skip;

    skip = (ngx_ur_domain_size(range) - known) / 2;

    return ngx_min(skip, NGX_UR_ADVANCE);
}


/*
 * No word of accept(): through a stale address it would bless the copy that was
 * left behind.
 */

static void
ngx_ur_report_stale(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known)
{
    ngx_log_error(NGX_LOG_ALERT, range->shard->session->pg.log, 0,
                  "range %uL-%uL of shard \"%V\" is a stale copy: %s; %uL of "
                  "its positions are known to be reserved",
                  range->first, range->last, &range->shard->name,
                  reply->detail[0] ? reply->detail : RESERVATION_LATER_LIFE,
                  known);
}


/* to set what it waits for would be wrong where the standby may have lagged */

static void
ngx_ur_report_deferred(ngx_ur_range_t *range, reservation_t *reply)
{
    ngx_str_t            *cure;
    ngx_ur_shard_t       *shard;
    ngx_ur_report_sql_t   sql;

    shard = range->shard;

    cure = ngx_ur_report_cure(range, &sql,
                              "SELECT unique_random.set_failover(%V, "
                              "%uL, 'fence');",
                              &shard->pool->literal, range->first);

    ngx_log_error(NGX_LOG_WARN, shard->session->pg.log, 0,
                  "range %uL-%uL of shard \"%V\" is not granted from yet: %s; "
                  "with failover=trust it goes on by itself once that is set; "
                  "if the promoted standby was not a synchronous one, run %V "
                  "instead, and go on as without trust",
                  range->first, range->last, &shard->name, reply->detail,
                  cure);
}


/* the status shows it, too */

static ngx_str_t *
ngx_ur_report_cure(ngx_ur_range_t *range, ngx_ur_report_sql_t *sql,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);

    sql->text.data = sql->buf;
    sql->text.len = ngx_vslprintf(sql->buf, sql->buf + sizeof(sql->buf), fmt,
                                  args)
                    - sql->buf;

    va_end(args);

    ngx_ur_account_cure(range, &sql->text);

    return &sql->text;
}


void
ngx_ur_report_refused(ngx_ur_shard_t *shard, const char *state)
{
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;

    if (ngx_strcmp(state, "42883") == 0) {
        ngx_ur_postgres_error(pg, "its schema is of an older version than this "
                              "module, run sql/schema.sql there as its owner "
                              "(%s)", pg->error);

    } else if (ngx_strcmp(state, "42501") == 0) {
        ngx_ur_postgres_error(pg, "%s, as the owner of the schema run GRANT "
                              "unique_random TO \"%s\";",
                              pg->error, PQuser(pg->conn));
    }
}


void
ngx_ur_report_bootstrap(ngx_ur_shard_t *shard)
{
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;

    if (ngx_strcmp(pg->sqlstate, "42501") == 0) {
        ngx_ur_postgres_error(pg, "%s, so \"bootstrap\" cannot do it: run "
                              "sql/schema.sql, unique_random.add() and GRANT "
                              "unique_random TO the role of nginx as the owner "
                              "of the database", pg->error);
    }
}


void
ngx_ur_report_failover(ngx_ur_range_t *range, reservation_t *reply)
{
    ngx_ur_shard_t  *shard;

    shard = range->shard;

    if (reply->has_key
        && ngx_strcmp(shard->failover, reply->failover) != 0)
    {
        ngx_log_error(NGX_LOG_WARN, shard->session->pg.log, 0,
                      "range %uL-%uL of shard \"%V\" has failover=%s in its "
                      "row, which is what counts; to change it, run SELECT "
                      "unique_random.set_failover(%V, %uL, '%s');",
                      range->first, range->last, &shard->name,
                      reply->failover, &shard->pool->literal, range->first,
                      shard->failover);
    }
}


void
ngx_ur_report_began(ngx_ur_range_t *range, reservation_t *reply)
{
    ngx_ur_shard_t  *shard;

    shard = range->shard;

    ngx_log_error(NGX_LOG_ALERT, shard->session->pg.log, 0,
                  "range %uL-%uL of shard \"%V\" went on after a failover "
                  "with failover=%s: %s; the lost primary must not come back "
                  "as a primary",
                  range->first, range->last, &shard->name, reply->failover,
                  reply->began);
}
