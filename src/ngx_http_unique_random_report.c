
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an operator is told of a range: why it is not granted from, and the SQL
 * that mends it.
 */


#include "ngx_http_unique_random_report.h"


/* what to skip for grants that this nginx has not seen: a proposal */
#define NGX_HTTP_UNIQUE_RANDOM_ADVANCE  100000


static void ngx_http_unique_random_report_fenced(
    ngx_http_unique_random_range_t *range, reservation_t *reply);
static void ngx_http_unique_random_report_stale(
    ngx_http_unique_random_range_t *range);


void
ngx_http_unique_random_report(ngx_http_unique_random_range_t *range,
    reservation_t *reply)
{
    ngx_log_t  *log;
    ngx_str_t  *pool, *shard;

    log = range->shard->postgres.log;
    pool = &range->shard->pool->literal;
    shard = &range->shard->name;

    switch (reply->outcome) {

    case RESERVATION_GRANTED:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "range %uL-%uL of shard \"%V\" is granted from",
                      range->first, range->last, shard);
        return;

    case RESERVATION_EXHAUSTED:
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "range %uL-%uL of shard \"%V\" is used up",
                      range->first, range->last, shard);
        return;

    case RESERVATION_MISSING:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL is missing or not visible in shard "
                      "\"%V\"%s%s; if it is the right database, run "
                      "%sSELECT unique_random.add(%V, %uL, %uL);",
                      range->first, range->last, shard,
                      reply->detail[0] ? ": " : "", reply->detail,
                      reply->detail[0] ? "sql/schema.sql and then " : "",
                      pool, range->first, range->last);
        return;

    case RESERVATION_MISMATCH:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL is %uL-%uL in shard \"%V\": a range "
                      "never changes, configure it as it is there",
                      range->first, range->last, range->first, reply->last,
                      shard);
        return;

    case RESERVATION_STALE:
        ngx_http_unique_random_report_stale(range);
        return;

    default: /* RESERVATION_FENCED */
        ngx_http_unique_random_report_fenced(range, reply);
    }
}


static void
ngx_http_unique_random_report_fenced(ngx_http_unique_random_range_t *range,
    reservation_t *reply)
{
    uint64_t    left;
    ngx_log_t  *log;
    ngx_str_t  *pool, *shard;

    log = range->shard->postgres.log;
    pool = &range->shard->pool->literal;
    shard = &range->shard->name;
    left = range->last - range->first + 1 - reply->seen;

    if (ngx_strcmp(reply->detail, RESERVATION_LATER_LIFE) == 0) {
        ngx_http_unique_random_report_stale(range);
        return;
    }

    if (ngx_strncmp(reply->detail, "closed:", 7) == 0) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "range %uL-%uL of shard \"%V\" is %s: configure it "
                      "where it is now",
                      range->first, range->last, shard, reply->detail);
        return;
    }

    if (ngx_strcmp(reply->detail, RESERVATION_GONE) == 0) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "range %uL-%uL of shard \"%V\" is fenced: %s; %uL of "
                      "its positions are known to be reserved; restore "
                      "its row or, from a copy of its key, run SELECT "
                      "unique_random.add(%V, %uL, %uL, key => ..., "
                      "reserved => %uL);",
                      range->first, range->last, shard, reply->detail,
                      reply->seen, pool, range->first, range->last,
                      reply->seen
                      + ngx_min(left / 2, NGX_HTTP_UNIQUE_RANDOM_ADVANCE));
        return;
    }

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "range %uL-%uL of shard \"%V\" is fenced: %s; %uL of "
                  "its positions are known to be reserved; once it is "
                  "known how far the lost database had got, run SELECT "
                  "unique_random.accept(%V, %uL, at_least => %uL, "
                  "advance => %uL);",
                  range->first, range->last, shard, reply->detail,
                  reply->seen, pool, range->first, reply->seen,
                  ngx_min(left / 2, NGX_HTTP_UNIQUE_RANDOM_ADVANCE));
}


/*
 * No word of accept(): through a stale address it would bless the copy that was
 * left behind.
 */

static void
ngx_http_unique_random_report_stale(ngx_http_unique_random_range_t *range)
{
    ngx_log_error(NGX_LOG_ALERT, range->shard->postgres.log, 0,
                  "range %uL-%uL of shard \"%V\" is a stale copy: "
                  RESERVATION_LATER_LIFE, range->first, range->last,
                  &range->shard->name);
}


void
ngx_http_unique_random_report_failover(ngx_http_unique_random_range_t *range,
    reservation_t *reply)
{
    ngx_http_unique_random_shard_t  *shard;

    shard = range->shard;

    if (reply->has_key
        && shard->trust != (ngx_strcmp(reply->failover, "trust") == 0))
    {
        ngx_log_error(NGX_LOG_WARN, shard->postgres.log, 0,
                      "range %uL-%uL of shard \"%V\" has failover=%s in its "
                      "row, which is what counts; to change it, run SELECT "
                      "unique_random.set_failover(%V, %uL, '%s');",
                      range->first, range->last, &shard->name,
                      reply->failover, &shard->pool->literal, range->first,
                      shard->trust ? "trust" : "fence");
    }
}
