
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Tables of HTML, which are all there is to see without script.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/overview.h"
#include "http/tables.h"
#include "http/text.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/snapshot.h"


static void ngx_ur_tables_pools(ngx_ur_text_t *text,
    ngx_ur_overview_t *overview);
static void ngx_ur_tables_range(ngx_ur_text_t *text,
    ngx_ur_range_snapshot_t *r);
static void ngx_ur_tables_shard(ngx_ur_text_t *text,
    ngx_ur_shard_snapshot_t *d);
static void ngx_ur_tables_head(ngx_ur_text_t *text, const char *name,
    const char *caption, const char **columns);
static void ngx_ur_tables_name(ngx_ur_text_t *text, ngx_str_t *name);
static void ngx_ur_tables_text(ngx_ur_text_t *text, const char *tag,
    u_char *s);


static const char  *ngx_ur_tables_of_pools[] = {
    "pool", "state", "size", "remaining", "leased", "issued", "excluded",
    "leased at once", "waited", "exhausted", "unavailable", "waiting", NULL
};

static const char  *ngx_ur_tables_of_ranges[] = {
    "pool", "range", "shard", "state", "size", "reserved", "remaining",
    "leased", "issued", "excluded", "reason", "SQL", NULL
};

static const char  *ngx_ur_tables_of_shards[] = {
    "pool", "shard", "state", "reservations", "failures", "idle", "busy",
    "connecting", "last error", NULL
};


void
ngx_ur_tables(ngx_ur_text_t *text, ngx_ur_overview_t *overview)
{
    ngx_uint_t          i, j;
    ngx_ur_snapshot_t  *s;

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
        ngx_ur_text_add(text, "<td>%V</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                        "<td>%uL</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                        "<td>%uL</td><td>%uL</td><td>%uL</td></tr>\n",
                        &ngx_ur_condition_states[s->state], s->size,
                        s->remaining, s->leased, s->issued, s->excluded,
                        s->statuses[NGX_UR_LEASED],
                        s->statuses[NGX_UR_WAITED],
                        s->statuses[NGX_UR_EXHAUSTED],
                        s->statuses[NGX_UR_UNAVAILABLE], s->waiting);
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
    ngx_ur_text_add(text, "<td>%V</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                    "<td>%uL</td><td>%uL</td><td>%uL</td>",
                    &ngx_ur_condition_ranges[r->state], r->size, r->reserved,
                    r->remaining, r->leased, r->account.issued,
                    r->account.excluded);
    ngx_ur_tables_text(text, NULL, r->account.reason);
    ngx_ur_tables_text(text, "code", r->account.sql);
    ngx_ur_text_add(text, "</tr>\n");
}


static void
ngx_ur_tables_shard(ngx_ur_text_t *text, ngx_ur_shard_snapshot_t *d)
{
    ngx_ur_text_add(text, "<tr class=\"state-%V\">",
                    &ngx_ur_condition_shards[d->state]);
    ngx_ur_tables_name(text, &d->shard->pool->name);
    ngx_ur_tables_name(text, &d->shard->name);
    ngx_ur_text_add(text, "<td>%V</td><td>%uL</td><td>%uL</td><td>%uL</td>"
                    "<td>%uL</td><td>%uL</td>",
                    &ngx_ur_condition_shards[d->state], d->account.reservations,
                    d->account.failures,
                    d->connections[NGX_UR_CONNECTION_IDLE],
                    d->connections[NGX_UR_CONNECTION_BUSY],
                    d->connections[NGX_UR_CONNECTION_CONNECTING]);
    ngx_ur_tables_text(text, NULL, d->account.error);
    ngx_ur_text_add(text, "</tr>\n");
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
