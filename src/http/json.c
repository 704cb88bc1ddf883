
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/histogram.h"
#include "core/history.h"
#include "core/version.h"
#include "http/loads.h"
#include "http/json.h"
#include "http/overview.h"
#include "http/text.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/snapshot.h"


/* whether it is the first of a list or an object */
#define ngx_ur_json_comma(i)  ((i) ? "," : "")


static void ngx_ur_json_pool(ngx_ur_text_t *text, ngx_ur_snapshot_t *s);
static void ngx_ur_json_requests(ngx_ur_text_t *text, ngx_ur_snapshot_t *s);
static void ngx_ur_json_range(ngx_ur_text_t *text, ngx_ur_range_snapshot_t *r);
static void ngx_ur_json_positions(ngx_ur_text_t *text,
    ngx_ur_range_snapshot_t *r);
static void ngx_ur_json_shard(ngx_ur_text_t *text, ngx_ur_shard_snapshot_t *d);
static void ngx_ur_json_rates(ngx_ur_text_t *text, const history_t *drawn);
static void ngx_ur_json_forecast(ngx_ur_text_t *text, const history_t *used,
    uint64_t remaining);
static void ngx_ur_json_history(ngx_ur_text_t *text, const history_t *drawn);
static void ngx_ur_json_histogram(ngx_ur_text_t *text, const char *name,
    const histogram_t *histogram);
static void ngx_ur_json_text(ngx_ur_text_t *text, const char *name, u_char *s);
static void ngx_ur_json_time(ngx_ur_text_t *text, const char *name,
    uint64_t time);
static void ngx_ur_json_number(ngx_ur_text_t *text, const char *name,
    double value);


void
ngx_ur_json(ngx_ur_text_t *text, ngx_ur_overview_t *overview)
{
    ngx_uint_t  i;

    ngx_ur_text_add(text, "{\"version\":1");

    ngx_ur_json_time(text, ",\"now\"", overview->now);

    ngx_ur_text_add(text, ",\"build\":{\"module\":\"%s\",\"nginx\":\"%s\","
                    "\"libpq\":\"%s\",\"openssl\":\"%s\"}",
                    NGX_UR_VERSION, NGINX_VER, overview->libpq,
                    overview->openssl);

    ngx_ur_json_time(text, ",\"process_started\"", ngx_ur_loads.started);
    ngx_ur_json_time(text, ",\"config_loaded\"", ngx_ur_loads.loaded);

    ngx_ur_text_add(text,
                    ",\"config_loads\":%ui,\"state\":\"%V\",\"pools\":[",
                    ngx_ur_loads.n, &ngx_ur_condition_states[overview->state]);

    for (i = 0; i < overview->n; i++) {
        ngx_ur_text_add(text, ngx_ur_json_comma(i));
        ngx_ur_json_pool(text, &overview->pools[i]);
    }

    ngx_ur_text_add(text, "]}\n");
}


static void
ngx_ur_json_pool(ngx_ur_text_t *text, ngx_ur_snapshot_t *s)
{
    ngx_uint_t  i;

    ngx_ur_text_add(text, "{\"name\":\"");
    ngx_ur_text_escape(text, NGX_UR_TEXT_JSON, s->pool->name.data,
                       s->pool->name.len);
    ngx_ur_text_add(text, "\",\"state\":\"%V\",\"zone\":{",
                    &ngx_ur_condition_states[s->state]);

    ngx_ur_json_time(text, "\"created\"", s->created);

    ngx_ur_text_add(text, ",\"size_bytes\":%uL,\"ranges\":%uL,"
                    "\"free_ranges\":%uL}",
                    s->zone_size, s->used_places, s->free_places);

    if (s->pool->state.len) {
        ngx_ur_text_add(text, ",\"state_file\":{\"unsaved_ranges\":%uL",
                        s->unsaved);
        ngx_ur_json_time(text, ",\"written\"", s->written);
        ngx_ur_text_add(text, "}");

    } else {
        ngx_ur_text_add(text, ",\"state_file\":null");
    }

    ngx_ur_json_requests(text, s);

    ngx_ur_text_add(text, ",\"size\":%uL,\"reserved\":%uL,\"returned\":%uL,"
                    "\"remaining\":%uL,\"leased\":%uL,\"batched\":%uL,"
                    "\"issued\":%uL,\"excluded\":%uL",
                    s->size, s->reserved, s->returned, s->remaining, s->leased,
                    s->batched, s->issued, s->excluded);

    ngx_ur_json_rates(text, &s->drawn);
    ngx_ur_json_forecast(text, &s->used_up, s->remaining);
    ngx_ur_json_history(text, &s->drawn);

    ngx_ur_text_add(text, ",\"ranges\":[");

    for (i = 0; i < s->pool->ranges.nelts; i++) {
        ngx_ur_text_add(text, ngx_ur_json_comma(i));
        ngx_ur_json_range(text, &s->ranges[i]);
    }

    ngx_ur_text_add(text, "],\"shards\":[");

    for (i = 0; i < s->pool->shards.nelts; i++) {
        ngx_ur_text_add(text, ngx_ur_json_comma(i));
        ngx_ur_json_shard(text, &s->shards[i]);
    }

    ngx_ur_text_add(text, "]}");
}


static void
ngx_ur_json_requests(ngx_ur_text_t *text, ngx_ur_snapshot_t *s)
{
    ngx_ur_text_add(text, ",\"requests\":{\"leased\":%uL,\"waited\":%uL,"
                    "\"exhausted\":%uL,\"unavailable\":%uL}",
                    s->statuses[NGX_UR_LEASED], s->statuses[NGX_UR_WAITED],
                    s->statuses[NGX_UR_EXHAUSTED],
                    s->statuses[NGX_UR_UNAVAILABLE]);

    ngx_ur_text_add(text, ",\"waiting\":{\"now\":%uL,"
                    "\"oldest_seconds\":%uL.%03uL,\"limit\":%uL}",
                    s->waiting, s->oldest / 1000, s->oldest % 1000, s->queue);

    ngx_ur_json_histogram(text, "waits", &s->waits);
}


static void
ngx_ur_json_range(ngx_ur_text_t *text, ngx_ur_range_snapshot_t *r)
{
    ngx_ur_range_t    *range;
    ngx_ur_account_t  *a;

    a = &r->account;
    range = r->range;

    ngx_ur_text_add(text, "{\"range\":\"%uL-%uL\",\"first\":%uL,\"last\":%uL,"
                    "\"shard\":\"", range->first, range->last, range->first,
                    range->last);
    ngx_ur_text_escape(text, NGX_UR_TEXT_JSON, range->shard->name.data,
                       range->shard->name.len);
    ngx_ur_text_add(text, "\",\"adopted\":%s,\"state\":\"%V\"",
                    range->adopted ? "true" : "false",
                    &ngx_ur_condition_ranges[r->state]);

    ngx_ur_json_time(text, ",\"since\"", a->since);
    ngx_ur_json_text(text, ",\"reason\"", a->reason);
    ngx_ur_json_text(text, ",\"sql\"", a->sql);

    ngx_ur_json_positions(text, r);

    ngx_ur_json_rates(text, &a->drawn);
    ngx_ur_json_forecast(text, &a->used, r->remaining);

    ngx_ur_text_add(text, ",\"serial\":%uL,\"epoch\":%uL", r->serial,
                    r->epoch);

    if (a->reserved_at == 0) {
        ngx_ur_text_add(text, ",\"last_reservation\":null}");
        return;
    }

    ngx_ur_text_add(text, ",\"last_reservation\":{\"size\":%uL,"
                    "\"seconds\":%uL.%03uL", a->reserved, a->took / 1000,
                    a->took % 1000);
    ngx_ur_json_time(text, ",\"time\"", a->reserved_at);
    ngx_ur_text_add(text, "}}");
}


static void
ngx_ur_json_positions(ngx_ur_text_t *text, ngx_ur_range_snapshot_t *r)
{
    ngx_uint_t         i;
    ngx_ur_account_t  *a;

    a = &r->account;

    ngx_ur_text_add(text, ",\"size\":%uL,\"reserved\":%uL,\"returned\":%uL,"
                    "\"remaining\":%uL,\"granted\":%uL,\"issued\":%uL,"
                    "\"excluded\":%uL,\"leased\":%uL,\"batched\":%uL,"
                    "\"given_back\":%uL,\"burned\":{",
                    r->size, r->reserved, r->returned, r->remaining,
                    a->granted, a->issued, a->excluded, r->leased, r->batched,
                    a->given_back);

    for (i = 0; i < NGX_UR_BURNED; i++) {
        ngx_ur_text_add(text, "%s\"%V\":%uL", ngx_ur_json_comma(i),
                        &ngx_ur_snapshot_burned[i], a->burned[i]);
    }

    ngx_ur_text_add(text, "}");
}


static void
ngx_ur_json_shard(ngx_ur_text_t *text, ngx_ur_shard_snapshot_t *d)
{
    ngx_ur_shard_account_t  *a;

    a = &d->account;

    ngx_ur_text_add(text, "{\"name\":\"");
    ngx_ur_text_escape(text, NGX_UR_TEXT_JSON, d->shard->name.data,
                       d->shard->name.len);
    ngx_ur_text_add(text, "\",\"state\":\"%V\",\"fails\":%uL,"
                    "\"reservations\":%uL,\"failures\":%uL",
                    &ngx_ur_condition_shards[d->state], d->fails,
                    a->reservations, a->failures);

    ngx_ur_json_time(text, ",\"last_success\"", a->succeeded_at);

    if (a->failed_at) {
        ngx_ur_json_time(text, ",\"last_error\":{\"time\"", a->failed_at);
        ngx_ur_json_text(text, ",\"text\"", a->error);
        ngx_ur_text_add(text, "}");

    } else {
        ngx_ur_text_add(text, ",\"last_error\":null");
    }

    ngx_ur_text_add(text, ",\"connections\":{\"idle\":%uL,\"busy\":%uL,"
                    "\"connecting\":%uL}",
                    d->connections[NGX_UR_CONNECTION_IDLE],
                    d->connections[NGX_UR_CONNECTION_BUSY],
                    d->connections[NGX_UR_CONNECTION_CONNECTING]);

    ngx_ur_json_histogram(text, "latency", &a->took);

    ngx_ur_text_add(text, "}");
}


static void
ngx_ur_json_rates(ngx_ur_text_t *text, const history_t *drawn)
{
    ngx_uint_t  i;

    static const char  *names[] = {
        ",\"rate\":{\"seconds\"", ",\"minute\"", ",\"hour\"", ",\"day\""
    };

    for (i = 0; i < HISTORY_WINDOWS; i++) {
        ngx_ur_json_number(text, names[i],
                           history_rate(drawn, i, ngx_current_msec));
    }

    ngx_ur_text_add(text, "}");
}


static void
ngx_ur_json_forecast(ngx_ur_text_t *text, const history_t *used,
    uint64_t remaining)
{
    ngx_ur_json_number(text, ",\"exhausted_in_seconds\":{\"hour\"",
                       ngx_ur_snapshot_forecast(used, remaining,
                                                HISTORY_HOUR));
    ngx_ur_json_number(text, ",\"day\"",
                       ngx_ur_snapshot_forecast(used, remaining, HISTORY_DAY));
    ngx_ur_text_add(text, "}");
}


static void
ngx_ur_json_history(ngx_ur_text_t *text, const history_t *drawn)
{
    size_t    i, n;
    uint64_t  counts[HISTORY_SECONDS_MAX];

    n = history_seconds(drawn, counts, HISTORY_SECONDS_MAX, ngx_current_msec);

    ngx_ur_text_add(text, ",\"history\":{\"step_seconds\":5,\"issued\":[");

    for (i = 0; i < n; i++) {
        ngx_ur_text_add(text, "%s%uL", ngx_ur_json_comma(i), counts[i]);
    }

    ngx_ur_text_add(text, "]}");
}


/* buckets have what is in those before them, too */

static void
ngx_ur_json_histogram(ngx_ur_text_t *text, const char *name,
    const histogram_t *histogram)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    ngx_ur_text_add(text, ",\"%s\":{\"buckets\":[", name);

    for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        count += histogram->counts[i];

        ngx_ur_text_add(text, "{\"le\":%ui.%03ui,\"count\":%uL},",
                        (ngx_uint_t) histogram_bounds[i] / 1000,
                        (ngx_uint_t) histogram_bounds[i] % 1000, count);
    }

    count += histogram->counts[i];

    ngx_ur_text_add(text, "{\"le\":null,\"count\":%uL}],\"count\":%uL,"
                    "\"sum_seconds\":%uL.%03uL}", count, count,
                    histogram->sum / 1000, histogram->sum % 1000);
}


static void
ngx_ur_json_text(ngx_ur_text_t *text, const char *name, u_char *s)
{
    if (s[0] == '\0') {
        ngx_ur_text_add(text, "%s:null", name);
        return;
    }

    ngx_ur_text_add(text, "%s:\"", name);
    ngx_ur_text_escape(text, NGX_UR_TEXT_JSON, s, ngx_strlen(s));
    ngx_ur_text_add(text, "\"");
}


static void
ngx_ur_json_time(ngx_ur_text_t *text, const char *name, uint64_t time)
{
    if (time == 0) {
        ngx_ur_text_add(text, "%s:null", name);

    } else {
        ngx_ur_text_add(text, "%s:%uL.%03uL", name, time / 1000, time % 1000);
    }
}


/* one that is below 0 is not known */

static void
ngx_ur_json_number(ngx_ur_text_t *text, const char *name, double value)
{
    if (value < 0) {
        ngx_ur_text_add(text, "%s:null", name);

    } else {
        ngx_ur_text_add(text, "%s:%.3f", name, value);
    }
}
