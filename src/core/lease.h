
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Leases: positions of one range that are reserved and not yet issued.
 *
 * Plain C with no input, output, lock or clock of its own: the caller holds
 * the lock of the memory where leases_t lives, and tells the time.
 */


#ifndef _LEASE_H_INCLUDED_
#define _LEASE_H_INCLUDED_


#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/*
 * A worker asks for its waiting requests only when it found no lease, and
 * once at a time: so there are at most as many leases as workers, and one
 * fetched ahead.  More find no place, unless they continue one that is here.
 * What is put back leaves some places to grants.
 */
#define LEASES_MAX           64
#define LEASES_RETURNED_MAX  48


/* positions [next, end) */

typedef struct {
    uint64_t             next;
    uint64_t             end;
} lease_t;


/*
 * A queue: lease[tail % LEASES_MAX] is drawn from, lease[head % LEASES_MAX]
 * is the first free place.  Every change becomes visible by the store of one
 * word, so whoever is killed at any instruction leaves a queue that may have
 * lost positions but has none twice (I4).
 */

typedef struct {
    volatile uint32_t    tail;
    volatile uint32_t    head;
    lease_t              lease[LEASES_MAX];
} leases_t;


/* how many positions to reserve at a time */

typedef struct {
    uint64_t             min;
    uint64_t             max;
    uint64_t             ahead;      /* milliseconds */
} lease_policy_t;


/*
 * How fast positions were drawn while they were: of a pause, that between two
 * bursts, only the beginning counts.
 */

typedef struct {
    uint64_t             drawn;      /* since the last grant */
    uint64_t             elapsed;    /* milliseconds, without pauses */
    uint64_t             last;       /* when the last ones were drawn */
} lease_rate_t;


void leases_init(leases_t *leases);

/* adds [start, end); -1 if there is no place for it */
int leases_put(leases_t *leases, uint64_t start, uint64_t end);

/*
 * Takes up to n positions from *start on, and returns how many: no more than
 * a fair part of those that are left, for others may need them before they are
 * issued, and 0 only if there is none.
 */
uint64_t leases_take(leases_t *leases, uint64_t n, uint64_t *start);

/* likewise, but all n if the first lease has them; others may have more */
uint64_t leases_cut(leases_t *leases, uint64_t n, uint64_t *start);

/*
 * Puts [start, end) back, which were taken and not issued, to be taken before
 * all others; -1 if there is no place for them.
 */
int leases_return(leases_t *leases, uint64_t start, uint64_t end);

/* leases_put() has place for at least so many more intervals */
uint64_t leases_places(const leases_t *leases);

/* number of positions that can be taken */
uint64_t leases_left(const leases_t *leases);

/* whether it is time to fetch ahead, "granted" being the last grant's size */
int leases_low(const leases_t *leases, uint64_t granted);

/* drops them, by one store, and returns how many positions */
uint64_t leases_drop(leases_t *leases);

/* moves all there is to "to", which need not be initialized */
void leases_move(leases_t *to, leases_t *leases);

/* measures anew, from a grant on */
void lease_rate_start(lease_rate_t *rate);

/*
 * Counts n positions that are drawn "now", in milliseconds of any beginning.
 * The clocks of workers need not agree to the last of them.
 */
void lease_rate_count(lease_rate_t *rate, const lease_policy_t *policy,
    uint64_t n, uint64_t now);

/* n of those that were counted have been put back */
void lease_rate_return(lease_rate_t *rate, uint64_t n);

/*
 * The size of the next lease of a range that has "remaining" positions to
 * reserve and is drawn from at that rate.  At least 1.
 */
uint64_t lease_size(const lease_policy_t *policy, const lease_rate_t *rate,
    uint64_t remaining);


#pragma GCC visibility pop


#endif /* _LEASE_H_INCLUDED_ */
