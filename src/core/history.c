
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include "core/history.h"


#define HISTORY_5_SECONDS  5000
#define HISTORY_5_MINUTES  (300 * 1000)
#define HISTORY_1_HOUR     (3600 * 1000)


typedef struct {
    size_t    ring;                     /* its offset in history_t */
    uint64_t  n;
    uint64_t  length;                   /* of a span */
} history_kind_t;


typedef struct {
    int       kind;
    uint64_t  spans;
} history_view_t;


enum { SECONDS, MINUTES, HOURS, KINDS };


static const history_kind_t  history_kinds[KINDS] = {
    { offsetof(history_t, seconds), HISTORY_SECONDS_MAX, HISTORY_5_SECONDS },
    { offsetof(history_t, minutes), HISTORY_MINUTES_MAX, HISTORY_5_MINUTES },
    { offsetof(history_t, hours), HISTORY_HOURS_MAX, HISTORY_1_HOUR }
};


static const history_view_t  history_views[HISTORY_WINDOWS] = {
    { SECONDS, 2 }, { SECONDS, 12 }, { MINUTES, 12 }, { HOURS, 24 }
};


static uint64_t *history_now(history_t *history, int kind, uint64_t now);
static uint64_t history_then(const history_t *history, int kind,
    uint64_t span);


void
history_count(history_t *history, uint64_t n, uint64_t now)
{
    int  kind;

    for (kind = 0; kind < KINDS; kind++) {
        *history_now(history, kind, now) += n;
    }
}


/* a span has at least none, wherever they were counted */

void
history_uncount(history_t *history, uint64_t n, uint64_t now)
{
    int        kind;
    uint64_t  *count;

    for (kind = 0; kind < KINDS; kind++) {
        count = history_now(history, kind, now);

        *count -= (*count < n) ? *count : n;
    }
}


/* the clocks of processes need not agree to the last of them */

static uint64_t *
history_now(history_t *history, int kind, uint64_t now)
{
    uint64_t               i, n, span, *last, *counts;
    const history_kind_t  *k;

    k = &history_kinds[kind];

    n = k->n;
    span = now / k->length;
    last = (uint64_t *) ((char *) history + k->ring);
    counts = last + 1;

    if (span > *last) {
        i = (span - *last > n) ? span - n : *last;

        while (i < span) {
            counts[++i % n] = 0;
        }

        *last = span;
    }

    return &counts[*last % n];
}


static uint64_t
history_then(const history_t *history, int kind, uint64_t span)
{
    const uint64_t        *last;
    const history_kind_t  *k;

    k = &history_kinds[kind];
    last = (const uint64_t *) ((const char *) history + k->ring);

    return (span <= *last && *last - span < k->n) ? last[1 + span % k->n] : 0;
}


double
history_rate(const history_t *history, history_window_e window, uint64_t now)
{
    uint64_t               end, start, span, sum, length;
    const history_view_t  *view;

    view = &history_views[window];
    length = history_kinds[view->kind].length;

    end = now / length;
    start = (end > view->spans) ? end - view->spans : 0;

    sum = 0;

    for (span = start; span < end; span++) {
        sum += history_then(history, view->kind, span);
    }

    end *= length;
    start *= length;

    if (history->born > start) {
        start = history->born;
    }

    if (start + length > end) {
        return -1;
    }

    return (double) sum * 1000 / (double) (end - start);
}


size_t
history_seconds(const history_t *history, uint64_t *counts, size_t n,
    uint64_t now)
{
    size_t    i;
    uint64_t  end, start;

    end = now / HISTORY_5_SECONDS;
    start = history->born / HISTORY_5_SECONDS + 1;

    if (n > HISTORY_SECONDS_MAX - 1) {
        n = HISTORY_SECONDS_MAX - 1;
    }

    if (end > n && start < end - n) {
        start = end - n;
    }

    for (i = 0; start + i < end; i++) {
        counts[i] = history_then(history, SECONDS, start + i);
    }

    return i;
}
