
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Tables of HTML, which are all there is to see without script.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/history.h"
#include "core/version.h"
#include "http/loads.h"
#include "http/overview.h"
#include "http/tables.h"
#include "http/text.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/snapshot.h"


static void ngx_ur_tables_build(ngx_ur_text_t *text,
    ngx_ur_overview_t *overview);
static void ngx_ur_tables_pools(ngx_ur_text_t *text,
    ngx_ur_overview_t *overview);
static void ngx_ur_tables_range(ngx_ur_text_t *text,
    ngx_ur_range_snapshot_t *r);
static void ngx_ur_tables_drawn(ngx_ur_text_t *text,
    ngx_ur_range_snapshot_t *r);
static void ngx_ur_tables_shard(ngx_ur_text_t *text,
    ngx_ur_shard_snapshot_t *d);
static void ngx_ur_tables_latency(ngx_ur_text_t *text,
    ngx_ur_shard_account_t *a);
static void ngx_ur_tables_head(ngx_ur_text_t *text, const char *name,
    const char *caption, const char **columns);
static void ngx_ur_tables_name(ngx_ur_text_t *text, ngx_str_t *name);
static void ngx_ur_tables_time(ngx_ur_text_t *text, uint64_t time);
static void ngx_ur_tables_lasts(ngx_ur_text_t *text, const history_t *used,
    uint64_t remaining);
static void ngx_ur_tables_text(ngx_ur_text_t *text, const char *tag,
    u_char *s);


static const char  *ngx_ur_tables_of_builds[] = {
    "made", "nginx started", "configuration read", "module", "nginx", "libpq",
    "OpenSSL", NULL
};

static const char  *ngx_ur_tables_of_pools[] = {
    "pool", "state", "size", "remaining", "lasts", "leased", "issued",
    "excluded", "leased at once", "waited", "exhausted", "unavailable",
    "waiting", "at most", "the oldest for", NULL
};

static const char  *ngx_ur_tables_of_ranges[] = {
    "pool", "range", "shard", "state", "reason", "SQL", "since", "size",
    "reserved", "returned", "remaining", "lasts", "leased", "issued",
    "excluded", "burned", "a second", "last reservation", NULL
};

static const char  *ngx_ur_tables_of_shards[] = {
    "pool", "shard", "state", "reservations", "mean time", "failures",
    "idle", "busy", "connecting", "last error", "at", NULL
};


void
ngx_ur_tables(ngx_ur_text_t *text, ngx_ur_overview_t *overview)
{
    ngx_uint_t          i, j;
    ngx_ur_snapshot_t  *s;

    ngx_ur_tables_build(text, overview);
    ngx_ur_tables_pools(text, overview);

    ngx_ur_tables_head(text, "ranges", "Ranges", ngx_ur_tables_of_ranges);

    for (i = 0; i < overview->n; i++) {
        s = &overview->pools[i];

        for (j = 0; j < s->pool->ranges.nelts; j++) {
            ngx_ur_tables_range(text, &s->ranges[j]);
        }
    }

    ngx_ur_text_add(text, "</tbody></table>\n");

    ngx_ur_tables_head(text, "shards", "Shards", ngx_ur_tables_of_shards);

    for (i = 0; i < overview->n; i++) {
        s = &overview->pools[i];

        for (j = 0; j < s->pool->shards.nelts; j++) {
            ngx_ur_tables_shard(text, &s->shards[j]);
        }
    }

    ngx_ur_text_add(text, "</tbody></table>\n");
}


static void
ngx_ur_tables_build(ngx_ur_text_t *text, ngx_ur_overview_t *overview)
{
    ngx_ur_tables_head(text, "build", "Snapshot", ngx_ur_tables_of_builds);

    ngx_ur_text_add(text, "<tr class=\"state-%V\">",
                    &ngx_ur_condition_states[overview->state]);
    ngx_ur_tables_time(text, overview->now);
    ngx_ur_tables_time(text, ngx_ur_loads.started);
    ngx_ur_tables_time(text, ngx_ur_loads.loaded);
    ngx_ur_text_add(text, "<td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n"
                    "</tbody></table>\n",
                    NGX_UR_VERSION, NGINX_VER, overview->libpq,
                    overview->openssl);
}


static void
ngx_ur_tables_pools(ngx_ur_text_t *text, ngx_ur_overview_t *overview)
{
    ngx_uint_t          i;
    ngx_ur_snapshot_t  *s;

    ngx_ur_tables_head(text, "pools", "Pools", ngx_ur_tables_of_pools);

    for (i = 0; i < overview->n; i++) {
        s = &overview->pools[i];

        ngx_ur_text_add(text, "<tr class=\"state-%V\">",
                        &ngx_ur_condition_states[s->state]);
        ngx_ur_tables_name(text, &s->pool->name);
        ngx_ur_text_add(text, "<td>%V</td><td>%uL</td><td>%uL</td>",
                        &ngx_ur_condition_states[s->state], s->size,
                        s->remaining);
        ngx_ur_tables_lasts(text, &s->used_up, s->remaining);
        ngx_ur_text_add(text, "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                        "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                        "<td>%uL</td><td>%uL.%03uL s</td></tr>\n",
                        s->leased, s->issued, s->excluded,
                        s->statuses[NGX_UR_LEASED],
                        s->statuses[NGX_UR_WAITED],
                        s->statuses[NGX_UR_EXHAUSTED],
                        s->statuses[NGX_UR_UNAVAILABLE], s->waiting, s->queue,
                        s->oldest / 1000, s->oldest % 1000);
    }

    ngx_ur_text_add(text, "</tbody></table>\n");
}


static void
ngx_ur_tables_range(ngx_ur_text_t *text, ngx_ur_range_snapshot_t *r)
{
    ngx_ur_range_t  *range;

    range = r->range;

    ngx_ur_text_add(text, "<tr class=\"state-%V\">",
                    &ngx_ur_condition_ranges[r->state]);
    ngx_ur_tables_name(text, &range->shard->pool->name);
    ngx_ur_text_add(text, "<td>%uL-%uL</td>", range->first, range->last);
    ngx_ur_tables_name(text, &range->shard->name);
    ngx_ur_text_add(text, "<td>%V</td>", &ngx_ur_condition_ranges[r->state]);
    ngx_ur_tables_text(text, NULL, r->account.reason);
    ngx_ur_tables_text(text, "code", r->account.sql);
    ngx_ur_tables_time(text, r->account.since);
    ngx_ur_text_add(text, "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>",
                    r->size, r->reserved, r->returned, r->remaining);
    ngx_ur_tables_lasts(text, &r->account.used, r->remaining);
    ngx_ur_tables_drawn(text, r);
    ngx_ur_text_add(text, "</tr>\n");
}


static void
ngx_ur_tables_drawn(ngx_ur_text_t *text, ngx_ur_range_snapshot_t *r)
{
    double             rate;
    ngx_ur_account_t  *a;

    a = &r->account;

    ngx_ur_text_add(text, "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>",
                    r->leased, a->issued, a->excluded,
                    ngx_ur_account_burned_all(a));

    rate = history_rate(&a->drawn, HISTORY_MINUTE, ngx_current_msec);

    if (rate < 0) {
        ngx_ur_text_add(text, "<td></td>");

    } else {
        ngx_ur_text_add(text, "<td>%.2f</td>", rate);
    }

    ngx_ur_tables_time(text, a->reserved_at);
}


static void
ngx_ur_tables_shard(ngx_ur_text_t *text, ngx_ur_shard_snapshot_t *d)
{
    ngx_ur_text_add(text, "<tr class=\"state-%V\">",
                    &ngx_ur_condition_shards[d->state]);
    ngx_ur_tables_name(text, &d->shard->pool->name);
    ngx_ur_tables_name(text, &d->shard->name);
    ngx_ur_text_add(text, "<td>%V</td><td>%uL</td>",
                    &ngx_ur_condition_shards[d->state],
                    d->account.reservations);
    ngx_ur_tables_latency(text, &d->account);
    ngx_ur_text_add(text, "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>",
                    d->account.failures,
                    d->connections[NGX_UR_CONNECTION_IDLE],
                    d->connections[NGX_UR_CONNECTION_BUSY],
                    d->connections[NGX_UR_CONNECTION_CONNECTING]);
    ngx_ur_tables_text(text, NULL, d->account.error);
    ngx_ur_tables_time(text, d->account.failed_at);
    ngx_ur_text_add(text, "</tr>\n");
}


static void
ngx_ur_tables_latency(ngx_ur_text_t *text, ngx_ur_shard_account_t *a)
{
    uint64_t  answered;

    answered = a->reservations - a->failures;

    if (answered) {
        ngx_ur_text_add(text, "<td>%.1f ms</td>",
                        (double) a->took.sum / answered);

    } else {
        ngx_ur_text_add(text, "<td></td>");
    }
}


static void
ngx_ur_tables_head(ngx_ur_text_t *text, const char *name, const char *caption,
    const char **columns)
{
    ngx_ur_text_add(text, "<table class=\"%s\"><caption>%s</caption>"
                    "<thead><tr>", name, caption);

    while (*columns) {
        ngx_ur_text_add(text, "<th scope=\"col\">%s</th>", *columns++);
    }

    ngx_ur_text_add(text, "</tr></thead><tbody>\n");
}


static void
ngx_ur_tables_name(ngx_ur_text_t *text, ngx_str_t *name)
{
    ngx_ur_text_add(text, "<td>");
    ngx_ur_text_escape(text, NGX_UR_TEXT_HTML, name->data, name->len);
    ngx_ur_text_add(text, "</td>");
}


/* empty for never */

static void
ngx_ur_tables_time(ngx_ur_text_t *text, uint64_t time)
{
    ngx_tm_t  tm;

    if (time == 0) {
        ngx_ur_text_add(text, "<td></td>");
        return;
    }

    ngx_gmtime(time / 1000, &tm);

    ngx_ur_text_add(text, "<td>%4d-%02d-%02d %02d:%02d:%02d UTC</td>",
                    tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                    tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}


/* empty: it is not known */

static void
ngx_ur_tables_lasts(ngx_ur_text_t *text, const history_t *used,
    uint64_t remaining)
{
    double  left;

    left = ngx_ur_snapshot_soonest(used, remaining);

    if (left < 0) {
        ngx_ur_text_add(text, "<td></td>");

    } else if (left < 2 * 3600) {
        ngx_ur_text_add(text, "<td>%.1f min</td>", left / 60);

    } else if (left < 2 * 24 * 3600) {
        ngx_ur_text_add(text, "<td>%.1f h</td>", left / 3600);

    } else {
        ngx_ur_text_add(text, "<td>%.1f d</td>", left / (24 * 3600));
    }
}


static void
ngx_ur_tables_text(ngx_ur_text_t *text, const char *tag, u_char *s)
{
    ngx_ur_text_add(text, "<td>");

    if (tag && s[0]) {
        ngx_ur_text_add(text, "<%s>", tag);
    }

    ngx_ur_text_escape(text, NGX_UR_TEXT_HTML, s, ngx_strlen(s));

    if (tag && s[0]) {
        ngx_ur_text_add(text, "</%s>", tag);
    }

    ngx_ur_text_add(text, "</td>");
}
