
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * How many there were in the last seconds, minutes and hours.
 *
 * Plain C with no clock of its own: the caller holds the lock of the memory
 * where it lives, and tells the time, in milliseconds of any beginning.
 */


#ifndef _HISTORY_H_INCLUDED_
#define _HISTORY_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* spans that are kept, with the one of now */
#define HISTORY_SECONDS_MAX  61         /* of 5 seconds each */
#define HISTORY_MINUTES_MAX  13         /* of 5 minutes */
#define HISTORY_HOURS_MAX    25


typedef enum {
    HISTORY_SECONDS = 0,                /* ten of them */
    HISTORY_MINUTE,
    HISTORY_HOUR,
    HISTORY_DAY,
    HISTORY_WINDOWS
} history_window_e;


/*
 * Begins all zero but for "born".  The first element of each is which span the
 * last one is, since the beginning.
 */

typedef struct {
    uint64_t            born;
    uint64_t            seconds[1 + HISTORY_SECONDS_MAX];
    uint64_t            minutes[1 + HISTORY_MINUTES_MAX];
    uint64_t            hours[1 + HISTORY_HOURS_MAX];
} history_t;


void history_count(history_t *history, uint64_t n, uint64_t now);

/* n of those that were counted lately were not there */
void history_uncount(history_t *history, uint64_t n, uint64_t now);

/*
 * How many a second in the window that ended with the last whole span, or since
 * it was born; -1 if no span has been whole yet.
 */
double history_rate(const history_t *history, history_window_e window,
    uint64_t now);

/*
 * Writes the counts of up to n whole spans of 5 seconds, the oldest first, and
 * returns how many.
 */
size_t history_seconds(const history_t *history, uint64_t *counts, size_t n,
    uint64_t now);


#pragma GCC visibility pop


#endif /* _HISTORY_H_INCLUDED_ */
