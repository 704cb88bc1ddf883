
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The queue of leases and the arithmetic of their size.  Keeps I4: a position
 * is passed by one store before it is used, a lease is written before it is
 * counted.
 */


#include <stddef.h>

#include "core/barrier.h"
#include "core/lease.h"


/*
 * Instances share what a range has left: one that takes no more than a fourth
 * leaves some for the others, and the last positions come one by one.
 */
#define LEASE_FAIR_PART  4

/*
 * Likewise the workers of an instance, who take many positions at a time: with
 * 64 workers that hold such a part each, more than a third is left.
 */
#define LEASE_BATCH_PART  64

/*
 * A rate that was measured for a moment only says little about the time ahead:
 * a single burst of n requests makes for a lease of at most so many times n,
 * and a lasting one for leases that each are so many times the last.
 */
#define LEASE_GROWTH     4

/*
 * At most one part in so many of "ahead" counts of a pause: the next burst may
 * be like the one before.  Fewer draws in "ahead" are taken for as many.
 */
#define LEASE_PAUSE      16


static lease_t *leases_current(leases_t *leases);


void
leases_init(leases_t *leases)
{
    leases->tail = 0;
    leases->head = 0;
}


int
leases_put(leases_t *leases, uint64_t start, uint64_t end)
{
    lease_t   *lease;
    uint32_t   i;

    (void) leases_current(leases);

    for (i = leases->tail; i != leases->head; i++) {
        lease = &leases->lease[i % LEASES_MAX];

        if (lease->end == start) {
            lease->end = end;
            return 0;
        }
    }

    if (leases->head - leases->tail == LEASES_MAX) {
        return -1;
    }

    lease = &leases->lease[leases->head % LEASES_MAX];

    lease->next = start;
    lease->end = end;

    barrier_stores();

    leases->head++;

    return 0;
}


uint64_t
leases_take(leases_t *leases, uint64_t n, uint64_t *start)
{
    uint64_t  fair;

    fair = leases_left(leases) / LEASE_BATCH_PART;

    if (n > fair) {
        n = fair ? fair : 1;
    }

    return leases_cut(leases, n, start);
}


uint64_t
leases_cut(leases_t *leases, uint64_t n, uint64_t *start)
{
    lease_t  *lease;

    lease = leases_current(leases);

    if (lease == NULL) {
        return 0;
    }

    if (n > lease->end - lease->next) {
        n = lease->end - lease->next;
    }

    *start = lease->next;

    lease->next += n;

    barrier_stores();

    return n;
}


int
leases_return(leases_t *leases, uint64_t start, uint64_t end)
{
    lease_t  *lease;

    lease = leases_current(leases);

    if (lease && lease->next == end) {
        lease->next = start;
        return 0;
    }

    if (leases->head - leases->tail >= LEASES_RETURNED_MAX) {
        return -1;
    }

    lease = &leases->lease[(leases->tail - 1) % LEASES_MAX];

    lease->next = start;
    lease->end = end;

    barrier_stores();

    leases->tail--;

    return 0;
}


/* the lease to take from, past those that are used up */

static lease_t *
leases_current(leases_t *leases)
{
    lease_t  *lease;

    while (leases->tail != leases->head) {
        lease = &leases->lease[leases->tail % LEASES_MAX];

        if (lease->next < lease->end) {
            return lease;
        }

        leases->tail++;
    }

    return NULL;
}


uint64_t
leases_left(const leases_t *leases)
{
    uint32_t        i;
    uint64_t        left;
    const lease_t  *lease;

    left = 0;

    for (i = leases->tail; i != leases->head; i++) {
        lease = &leases->lease[i % LEASES_MAX];
        left += lease->end - lease->next;
    }

    return left;
}


uint64_t
leases_places(const leases_t *leases)
{
    return LEASES_MAX - (leases->head - leases->tail);
}


int
leases_low(const leases_t *leases, uint64_t granted)
{
    return leases_left(leases) <= granted / 2;
}


uint64_t
leases_drop(leases_t *leases)
{
    uint64_t  left;

    left = leases_left(leases);

    leases->tail = leases->head;

    barrier_stores();

    return left;
}


void
leases_move(leases_t *to, leases_t *leases)
{
    *to = *leases;

    (void) leases_drop(leases);
}


void
lease_rate_start(lease_rate_t *rate)
{
    rate->drawn = 0;
    rate->elapsed = 0;
}


void
lease_rate_count(lease_rate_t *rate, const lease_policy_t *policy, uint64_t n,
    uint64_t now)
{
    uint64_t  pause, longest;

    rate->drawn += n;

    longest = policy->ahead / LEASE_PAUSE;

    if (longest == 0) {
        longest = 1;
    }

    /* now, or a little later by the clock of another worker */

    if (rate->last - now < longest) {
        return;
    }

    pause = now - rate->last;

    rate->elapsed += (pause < longest) ? pause : longest;
    rate->last = now;
}


void
lease_rate_return(lease_rate_t *rate, uint64_t n)
{
    /* some of them may have been counted before the last grant */

    rate->drawn -= (n < rate->drawn) ? n : rate->drawn;
}


uint64_t
lease_size(const lease_policy_t *policy, const lease_rate_t *rate,
    uint64_t remaining)
{
    uint64_t  size, fair, ahead, drawn, elapsed;

    /* numbers that would overflow are far beyond max */

    drawn = (rate->drawn < UINT32_MAX) ? rate->drawn : UINT32_MAX;
    ahead = (policy->ahead < UINT32_MAX) ? policy->ahead : UINT32_MAX;
    elapsed = rate->elapsed;

    if (elapsed < ahead / LEASE_GROWTH) {
        elapsed = ahead / LEASE_GROWTH;
    }

    size = elapsed ? drawn * ahead / elapsed : drawn;

    if (size < policy->min) {
        size = policy->min;
    }

    if (size > policy->max) {
        size = policy->max;
    }

    fair = remaining / LEASE_FAIR_PART;

    if (size > fair) {
        size = fair;
    }

    return size ? size : 1;
}
