
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include "core/histogram.h"


const unsigned  histogram_bounds[HISTOGRAM_BUCKETS - 1] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000
};


void
histogram_count(histogram_t *histogram, uint64_t milliseconds)
{
    int  i;

    for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        if (milliseconds <= histogram_bounds[i]) {
            break;
        }
    }

    histogram->counts[i]++;
    histogram->sum += milliseconds;
}


void
histogram_add(histogram_t *to, const histogram_t *from)
{
    int  i;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
        to->counts[i] += from->counts[i];
    }

    to->sum += from->sum;
}
