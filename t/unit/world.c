
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * An instance is one worker and asks as nginx does: ahead of need when its
 * leases are low, for all who wait when it has none, and once at a time.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "world.h"


#define BATCH  64


world_t  world;


static void world_ask(instance_t *in);
static int world_draw(instance_t *in);
static void world_serve(instance_t *in);
static void world_reply(instance_t *in);


void
world_begin(uint64_t size, unsigned n, uint64_t round_trip, uint64_t seconds)
{
    unsigned  i;

    memset(&world, 0, sizeof(world_t));

    world.policy.min = 16;
    world.policy.max = 65536;
    world.policy.ahead = SECOND;

    world.size = size;
    world.n = n;
    world.round_trip = round_trip;
    world.length = seconds * SECOND;

    if (size != ENDLESS) {
        world.seen = calloc(size, 1);
        assert_non_null(world.seen);
    }

    for (i = 0; i < n; i++) {
        leases_init(&world.instance[i].leases);

        world.instance[i].remaining = size;
        world.instance[i].waiters = calloc(world.length + 1, sizeof(uint64_t));
        assert_non_null(world.instance[i].waiters);
    }
}


void
world_end(void)
{
    unsigned  i;

    for (i = 0; i < world.n; i++) {
        free(world.instance[i].waiters);
    }

    free(world.seen);
}


void
world_forget(void)
{
    world.waited = 0;
    world.longest = 0;
    world.asks = 0;
}


void
world_play(uint64_t milliseconds, uint64_t rate)
{
    unsigned     i;
    uint64_t     last;
    instance_t  *in;

    for (last = world.now + milliseconds; world.now < last; world.now++) {
        assert_true(world.now < world.length);

        for (i = 0; i < world.n; i++) {
            in = &world.instance[i];

            if (in->asked && in->reply_at == world.now) {
                world_reply(in);
            }

            for (in->owed += rate; in->owed >= 1000; in->owed -= 1000) {

                if (in->waiting == 0 && world_draw(in)) {
                    continue;
                }

                if (in->waiting == 0) {
                    in->oldest = world.now;
                }

                in->waiters[world.now]++;
                in->waiting++;
                world.waited++;
            }

            if (in->waiting) {
                world_ask(in);
            }
        }
    }
}


uint64_t
world_held_by(const instance_t *in)
{
    return leases_left(&in->leases) + in->batch;
}


uint64_t
world_held(void)
{
    unsigned  i;
    uint64_t  sum;

    for (i = 0, sum = 0; i < world.n; i++) {
        sum += world_held_by(&world.instance[i]);
    }

    return sum;
}


static void
world_ask(instance_t *in)
{
    uint64_t  size;

    if (in->asked || in->exhausted) {
        return;
    }

    size = lease_size(&world.policy, &in->rate, in->remaining);

    in->want = (in->waiting > size) ? in->waiting : size;
    in->asked = 1;
    in->reply_at = world.now + world.round_trip;

    world.asks++;
}


static int
world_draw(instance_t *in)
{
    if (in->batch == 0) {
        in->batch = leases_take(&in->leases, BATCH, &in->next);

        if (in->batch == 0) {
            return 0;
        }

        lease_rate_count(&in->rate, &world.policy, in->batch, world.now);

        if (leases_low(&in->leases, in->granted)) {
            world_ask(in);
        }
    }

    if (world.seen) {
        assert_true(in->next < world.size);
        assert_int_equal(world.seen[in->next]++, 0);
    }

    in->next++;
    in->batch--;
    world.issued++;

    return 1;
}


static void
world_serve(instance_t *in)
{
    uint64_t  wait;

    while (in->waiting) {

        if (in->waiters[in->oldest] == 0) {
            in->oldest++;
            continue;
        }

        if (!world_draw(in)) {
            return;
        }

        wait = world.now - in->oldest;

        if (wait > world.longest) {
            world.longest = wait;
        }

        in->waiters[in->oldest]--;
        in->waiting--;
    }
}


static void
world_reply(instance_t *in)
{
    uint64_t  count;

    in->asked = 0;

    count = world.size - world.reserved;

    if (count > in->want) {
        count = in->want;
    }

    if (count) {
        assert_int_equal(leases_put(&in->leases, world.reserved,
                                    world.reserved + count), 0);
        in->granted = count;
        lease_rate_start(&in->rate);
    }

    world.reserved += count;
    in->remaining = world.size - world.reserved;
    in->exhausted = (in->remaining == 0);

    world_serve(in);
}
