
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A world in which the sizes of leases are played through: instances that draw
 * from one range at changing rates, by steps of a millisecond, with a database
 * that takes its time.  Asserts that every position is issued once.
 */


#ifndef _WORLD_H_INCLUDED_
#define _WORLD_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "core/lease.h"


#define SECOND  1000
#define MANY    100
#define ENDLESS INT64_MAX


typedef struct {
    leases_t        leases;
    uint64_t        next;               /* of its worker's batch */
    uint64_t        batch;
    uint64_t        granted;
    lease_rate_t    rate;
    uint64_t        remaining;
    int             exhausted;

    int             asked;
    uint64_t        want;
    uint64_t        reply_at;

    /* requests that wait, by the millisecond of their arrival */
    uint64_t       *waiters;
    uint64_t        oldest;
    uint64_t        waiting;

    uint64_t        owed;               /* thousandths of a request */
} instance_t;


typedef struct {
    lease_policy_t  policy;
    uint64_t        round_trip;
    uint64_t        size;
    unsigned        n;
    uint64_t        length;             /* milliseconds, at most */

    uint64_t        now;
    uint64_t        reserved;
    uint64_t        issued;
    uint64_t        waited;
    uint64_t        longest;
    uint64_t        asks;
    unsigned char  *seen;               /* of each position, or NULL */
    instance_t      instance[MANY];
} world_t;


extern world_t  world;


/* "size" may be ENDLESS; "round_trip" is milliseconds */
void world_begin(uint64_t size, unsigned n, uint64_t round_trip,
    uint64_t seconds);

void world_end(void);

/* who has waited, and how often the database was asked */
void world_forget(void);

/* "rate" requests a second to each instance */
void world_play(uint64_t milliseconds, uint64_t rate);

/* positions that one, or all of them, have and have yet to issue */
uint64_t world_held_by(const instance_t *in);
uint64_t world_held(void);


#endif /* _WORLD_H_INCLUDED_ */
