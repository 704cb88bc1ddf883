
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Prometheus' text format 0.0.4, and OpenMetrics 1.0: families one after the
 * other, each of all pools.  Where they differ: the type of a counter has no
 * "_total" in the latter, which also knows units, and says where it ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/histogram.h"
#include "core/version.h"
#include "http/family.h"
#include "http/loads.h"
#include "http/metrics.h"
#include "http/overview.h"
#include "http/text.h"
#include "pool.h"
#include "zone/snapshot.h"


/* the labels of a pool, and of all that it has: made once for all families */

typedef struct {
    ngx_str_t                pool;
    ngx_str_t               *shards;
    ngx_str_t               *ranges;
} ngx_ur_labels_t;


/* what samples of a family are written with */

typedef struct {
    ngx_ur_text_t           *text;
    const ngx_ur_family_t   *family;
    ngx_ur_labels_t         *labels;    /* of the pool */
    ngx_str_t               *of;        /* those of what it is of */
} ngx_ur_sample_t;


static void ngx_ur_metrics_of_nginx(ngx_ur_text_t *text,
    ngx_ur_overview_t *overview, ngx_uint_t open);
static void ngx_ur_metrics_time(ngx_ur_text_t *text, const char *name,
    const char *help, uint64_t time, ngx_uint_t open);
static void ngx_ur_metrics_head(ngx_ur_text_t *text, const char *name,
    const char *type, const char *unit, const char *help, ngx_uint_t open);
static ngx_ur_labels_t *ngx_ur_metrics_labels(ngx_pool_t *memory,
    ngx_ur_overview_t *overview);
static ngx_int_t ngx_ur_metrics_labels_of_pool(ngx_pool_t *memory,
    ngx_ur_labels_t *labels, ngx_ur_pool_t *pool);
static ngx_int_t ngx_ur_metrics_label(ngx_pool_t *memory, ngx_str_t *label,
    ngx_ur_pool_t *pool, ngx_ur_shard_t *shard, ngx_ur_range_t *range);
static void ngx_ur_metrics_family(ngx_ur_sample_t *sample,
    ngx_ur_overview_t *overview, ngx_uint_t open);
static void ngx_ur_metrics_pool(ngx_ur_sample_t *sample, ngx_ur_snapshot_t *s);
static void ngx_ur_metrics_samples(ngx_ur_sample_t *sample, void *data);
static void ngx_ur_metrics_histogram(ngx_ur_sample_t *sample,
    histogram_t *histogram);
static void ngx_ur_metrics_sample(ngx_ur_sample_t *sample, ngx_uint_t i,
    uint64_t value);
static void ngx_ur_metrics_name(ngx_ur_sample_t *sample, const char *suffix);


void
ngx_ur_metrics(ngx_ur_text_t *text, ngx_ur_overview_t *overview,
    ngx_uint_t open)
{
    ngx_ur_sample_t  sample;

    sample.text = text;
    sample.labels = ngx_ur_metrics_labels(text->pool, overview);

    if (sample.labels == NULL) {
        text->failed = 1;
        return;
    }

    ngx_ur_metrics_of_nginx(text, overview, open);

    for (sample.family = ngx_ur_family; sample.family->name; sample.family++) {
        ngx_ur_metrics_family(&sample, overview, open);
    }

    if (open) {
        ngx_ur_text_add(text, "# EOF\n");
    }
}


static ngx_ur_labels_t *
ngx_ur_metrics_labels(ngx_pool_t *memory, ngx_ur_overview_t *overview)
{
    ngx_uint_t        i;
    ngx_ur_labels_t  *labels;

    labels = ngx_palloc(memory, (overview->n + 1) * sizeof(ngx_ur_labels_t));
    if (labels == NULL) {
        return NULL;
    }

    for (i = 0; i < overview->n; i++) {
        if (ngx_ur_metrics_labels_of_pool(memory, &labels[i],
                                          overview->pools[i].pool)
            != NGX_OK)
        {
            return NULL;
        }
    }

    return labels;
}


static ngx_int_t
ngx_ur_metrics_labels_of_pool(ngx_pool_t *memory, ngx_ur_labels_t *labels,
    ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    labels->shards = ngx_palloc(memory, pool->shards.nelts
                                        * sizeof(ngx_str_t));
    labels->ranges = ngx_palloc(memory, pool->ranges.nelts
                                        * sizeof(ngx_str_t));

    if (labels->shards == NULL
        || labels->ranges == NULL
        || ngx_ur_metrics_label(memory, &labels->pool, pool, NULL, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        if (ngx_ur_metrics_label(memory, &labels->shards[i], pool, shards[i],
                                 NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (ngx_ur_metrics_label(memory, &labels->ranges[i], pool,
                                 ranges[i]->shard, ranges[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* without the end: more may follow */

static ngx_int_t
ngx_ur_metrics_label(ngx_pool_t *memory, ngx_str_t *label,
    ngx_ur_pool_t *pool, ngx_ur_shard_t *shard, ngx_ur_range_t *range)
{
    size_t   len;
    u_char  *p;

    len = sizeof("{pool=\"\",shard=\"\",range=\"-\"") + 2 * NGX_INT64_LEN
          + (pool->name.len + (shard ? shard->name.len : 0))
            * NGX_UR_TEXT_CHAR;

    p = ngx_pnalloc(memory, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    label->data = p;

    p = ngx_sprintf(p, "{pool=\"");
    p = ngx_ur_text_write(p, NGX_UR_TEXT_LABEL, pool->name.data,
                          pool->name.len);

    if (shard) {
        p = ngx_sprintf(p, "\",shard=\"");
        p = ngx_ur_text_write(p, NGX_UR_TEXT_LABEL, shard->name.data,
                              shard->name.len);
    }

    if (range) {
        p = ngx_sprintf(p, "\",range=\"%uL-%uL", range->first, range->last);
    }

    *p++ = '"';

    label->len = p - label->data;

    return NGX_OK;
}


static void
ngx_ur_metrics_of_nginx(ngx_ur_text_t *text, ngx_ur_overview_t *overview,
    ngx_uint_t open)
{
    ngx_ur_metrics_head(text, "build_info", "gauge", NULL,
                        "Versions, as labels.", open);

    ngx_ur_text_add(text, NGX_UR_FAMILY_PREFIX "build_info{version=\"%s\","
                    "nginx=\"%s\",libpq=\"%s\",openssl=\"%s\"} 1\n",
                    NGX_UR_VERSION, NGINX_VER, overview->libpq,
                    overview->openssl);

    ngx_ur_metrics_time(text, "start_timestamp_seconds",
                        "When nginx was started.", ngx_ur_loads.started, open);
    ngx_ur_metrics_time(text, "config_load_timestamp_seconds",
                        "When its configuration was loaded.",
                        ngx_ur_loads.loaded, open);

    ngx_ur_metrics_head(text, "config_loads", "counter", NULL,
                        "Configurations that were loaded.", open);

    ngx_ur_text_add(text, NGX_UR_FAMILY_PREFIX "config_loads_total %ui\n",
                    ngx_ur_loads.n);
}


static void
ngx_ur_metrics_time(ngx_ur_text_t *text, const char *name, const char *help,
    uint64_t time, ngx_uint_t open)
{
    ngx_ur_metrics_head(text, name, "gauge", "seconds", help, open);

    ngx_ur_text_add(text, NGX_UR_FAMILY_PREFIX "%s %uL.%03uL\n", name,
                    time / 1000, time % 1000);
}


static void
ngx_ur_metrics_head(ngx_ur_text_t *text, const char *name, const char *type,
    const char *unit, const char *help, ngx_uint_t open)
{
    const char  *total;

    total = (!open && ngx_strcmp(type, "counter") == 0) ? "_total" : "";

    ngx_ur_text_add(text, "# TYPE " NGX_UR_FAMILY_PREFIX "%s%s %s\n",
                    name, total, type);

    if (open && unit) {
        ngx_ur_text_add(text, "# UNIT " NGX_UR_FAMILY_PREFIX "%s %s\n",
                        name, unit);
    }

    ngx_ur_text_add(text, "# HELP " NGX_UR_FAMILY_PREFIX "%s%s %s\n",
                    name, total, help);
}


static void
ngx_ur_metrics_family(ngx_ur_sample_t *sample, ngx_ur_overview_t *overview,
    ngx_uint_t open)
{
    ngx_uint_t              i;
    ngx_ur_labels_t        *labels;
    const ngx_ur_family_t  *family;

    family = sample->family;

    ngx_ur_metrics_head(sample->text, family->name,
                        ngx_ur_family_types[family->type], family->unit,
                        family->help, open);

    labels = sample->labels;

    for (i = 0; i < overview->n; i++) {
        sample->labels = &labels[i];

        ngx_ur_metrics_pool(sample, &overview->pools[i]);
    }

    sample->labels = labels;
}


static void
ngx_ur_metrics_pool(ngx_ur_sample_t *sample, ngx_ur_snapshot_t *s)
{
    ngx_uint_t  i;

    sample->of = &sample->labels->pool;

    switch (sample->family->of) {

    case NGX_UR_FAMILY_POOL:
        ngx_ur_metrics_samples(sample, s);
        return;

    case NGX_UR_FAMILY_STATE:

        if (s->pool->state.len) {
            ngx_ur_metrics_samples(sample, s);
        }

        return;

    case NGX_UR_FAMILY_RANGE:

        for (i = 0; i < s->pool->ranges.nelts; i++) {
            sample->of = &sample->labels->ranges[i];

            ngx_ur_metrics_samples(sample, &s->ranges[i]);
        }

        return;

    case NGX_UR_FAMILY_SHARD:

        for (i = 0; i < s->pool->shards.nelts; i++) {
            sample->of = &sample->labels->shards[i];

            ngx_ur_metrics_samples(sample, &s->shards[i]);
        }
    }
}


static void
ngx_ur_metrics_samples(ngx_ur_sample_t *sample, void *data)
{
    uint64_t               *value;
    ngx_uint_t              i;
    const ngx_ur_family_t  *family;

    family = sample->family;
    value = (uint64_t *) ((u_char *) data + family->offset);

    switch (family->type) {

    case NGX_UR_FAMILY_HISTOGRAM:
        ngx_ur_metrics_histogram(sample, (histogram_t *) value);
        return;

    case NGX_UR_FAMILY_ONE_OF:

        for (i = 0; i < family->n; i++) {
            ngx_ur_metrics_sample(sample, i, *value == i);
        }

        return;

    default:

        for (i = 0; i < ngx_max(family->n, 1); i++) {
            ngx_ur_metrics_sample(sample, i, value[i]);
        }
    }
}


/* buckets have what is in those before them, too */

static void
ngx_ur_metrics_histogram(ngx_ur_sample_t *sample, histogram_t *histogram)
{
    uint64_t       count;
    ngx_uint_t     i, ms;
    ngx_ur_text_t  *text;

    text = sample->text;
    count = 0;

    for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        count += histogram->counts[i];
        ms = histogram_bounds[i];

        ngx_ur_metrics_name(sample, "_bucket");

        /* in the one canonical form */

        if (ms % 100 == 0) {
            ngx_ur_text_add(text, ",le=\"%ui.%ui\"} %uL\n", ms / 1000,
                            ms % 1000 / 100, count);

        } else if (ms % 10 == 0) {
            ngx_ur_text_add(text, ",le=\"%ui.%02ui\"} %uL\n", ms / 1000,
                            ms % 1000 / 10, count);

        } else {
            ngx_ur_text_add(text, ",le=\"%ui.%03ui\"} %uL\n", ms / 1000,
                            ms % 1000, count);
        }
    }

    count += histogram->counts[i];

    ngx_ur_metrics_name(sample, "_bucket");
    ngx_ur_text_add(text, ",le=\"+Inf\"} %uL\n", count);

    ngx_ur_metrics_name(sample, "_count");
    ngx_ur_text_add(text, "} %uL\n", count);

    ngx_ur_metrics_name(sample, "_sum");
    ngx_ur_text_add(text, "} %uL.%03uL\n", histogram->sum / 1000,
                    histogram->sum % 1000);
}


static void
ngx_ur_metrics_sample(ngx_ur_sample_t *sample, ngx_uint_t i, uint64_t value)
{
    const ngx_ur_family_t  *family;

    family = sample->family;

    if (value == 0
        && (family->type == NGX_UR_FAMILY_TIME
            || family->type == NGX_UR_FAMILY_KNOWN))
    {
        return;
    }

    ngx_ur_metrics_name(sample, family->type == NGX_UR_FAMILY_COUNTER
                                ? "_total" : "");

    if (family->label) {
        ngx_ur_text_add(sample->text, ",%s=\"%V\"", family->label,
                        &family->names[i]);
    }

    if (family->type == NGX_UR_FAMILY_TIME
        || family->type == NGX_UR_FAMILY_SECONDS)
    {
        ngx_ur_text_add(sample->text, "} %uL.%03uL\n", value / 1000,
                        value % 1000);

    } else {
        ngx_ur_text_add(sample->text, "} %uL\n", value);
    }
}


/* with the labels, but for their end */

static void
ngx_ur_metrics_name(ngx_ur_sample_t *sample, const char *suffix)
{
    ngx_ur_text_add(sample->text, NGX_UR_FAMILY_PREFIX "%s%s",
                    sample->family->name, suffix);
    ngx_ur_text_put(sample->text, sample->of);
}
