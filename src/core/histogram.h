
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Durations, counted in buckets that are the same in all builds.
 */


#ifndef _HISTOGRAM_H_INCLUDED_
#define _HISTOGRAM_H_INCLUDED_


#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* with the last one, which has no bound */
#define HISTOGRAM_BUCKETS  13


typedef struct {
    uint64_t            counts[HISTOGRAM_BUCKETS];
    uint64_t            sum;            /* milliseconds */
} histogram_t;


/* up to how many milliseconds a bucket goes, but for the last */
extern const unsigned  histogram_bounds[HISTOGRAM_BUCKETS - 1];


void histogram_count(histogram_t *histogram, uint64_t milliseconds);

/* adds what "from" has */
void histogram_add(histogram_t *to, const histogram_t *from);


#pragma GCC visibility pop


#endif /* _HISTOGRAM_H_INCLUDED_ */
