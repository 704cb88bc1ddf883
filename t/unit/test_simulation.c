
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The sizes of leases, played through: instances that draw from one range at
 * changing rates, by steps of a millisecond, with a database that takes its
 * time.  Asserts how long somebody waits, how often the database is asked, how
 * much is held (which is what a crash wastes), and that every position is
 * issued once.
 *
 * An instance is one worker and asks as nginx does: ahead of need when its
 * leases are low, for all who wait when it has none, and once at a time.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/lease.h"


#define SECOND  1000
#define MANY    100
#define BATCH   64
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


static world_t  world;


static void
begin(uint64_t size, unsigned n, uint64_t round_trip, uint64_t seconds)
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


static void
end(void)
{
    unsigned  i;

    for (i = 0; i < world.n; i++) {
        free(world.instance[i].waiters);
    }

    free(world.seen);
}


static void
forget(void)
{
    world.waited = 0;
    world.longest = 0;
    world.asks = 0;
}


static void
ask(instance_t *in)
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
draw(instance_t *in)
{
    if (in->batch == 0) {
        in->batch = leases_take(&in->leases, BATCH, &in->next);

        if (in->batch == 0) {
            return 0;
        }

        lease_rate_count(&in->rate, &world.policy, in->batch, world.now);

        if (leases_low(&in->leases, in->granted)) {
            ask(in);
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
serve(instance_t *in)
{
    uint64_t  wait;

    while (in->waiting) {

        if (in->waiters[in->oldest] == 0) {
            in->oldest++;
            continue;
        }

        if (!draw(in)) {
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
reply(instance_t *in)
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

    serve(in);
}


/* "rate" requests a second to each instance */

static void
play(uint64_t milliseconds, uint64_t rate)
{
    unsigned     i;
    uint64_t     last;
    instance_t  *in;

    for (last = world.now + milliseconds; world.now < last; world.now++) {
        assert_true(world.now < world.length);

        for (i = 0; i < world.n; i++) {
            in = &world.instance[i];

            if (in->asked && in->reply_at == world.now) {
                reply(in);
            }

            for (in->owed += rate; in->owed >= 1000; in->owed -= 1000) {

                if (in->waiting == 0 && draw(in)) {
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
                ask(in);
            }
        }
    }
}


static uint64_t
held(const instance_t *in)
{
    return leases_left(&in->leases) + in->batch;
}


static uint64_t
held_by_all(void)
{
    unsigned  i;
    uint64_t  sum;

    for (i = 0, sum = 0; i < world.n; i++) {
        sum += held(&world.instance[i]);
    }

    return sum;
}


static void
test_steady(void **state)
{
    size_t  i, j;

    static const uint64_t  rates[] = { 1, 10, 100, 1000, 10000, 40000 };
    static const uint64_t  round_trips[] = { 1, 10, 50, 200 };

    (void) state;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (j = 0; j < sizeof(round_trips) / sizeof(round_trips[0]); j++) {
            begin(ENDLESS, 1, round_trips[j], 60);

            play(20 * SECOND, rates[i]);
            forget();
            play(20 * SECOND, rates[i]);

            /* nobody notices the database, and it is left in peace */

            assert_int_equal(world.waited, 0);
            assert_true(world.asks <= 2 * 20);
            assert_true(held_by_all()
                        <= 2 * (rates[i] > 16 ? rates[i] : 16));

            end();
        }
    }
}


static void
test_idle_holds_min(void **state)
{
    (void) state;

    begin(ENDLESS, 1, 10, 60);

    play(1, 1000);
    play(SECOND, 0);

    assert_int_equal(held_by_all(), 15);
    assert_int_equal(world.asks, 1);

    /* a few requests a minute: never more than a second lease of min */

    play(30 * SECOND, 1);
    assert_true(held_by_all() <= 2 * 16);

    end();
}


static void
test_single_burst(void **state)
{
    (void) state;

    begin(ENDLESS, 1, 50, 60);

    play(1, 256 * 1000);
    play(10 * SECOND, 0);

    assert_int_equal(world.issued, 256);
    assert_true(world.longest <= 2 * 50);
    assert_true(held_by_all() <= 5 * 256);

    end();
}


static void
test_cold_start_under_full_load(void **state)
{
    size_t  i;

    static const uint64_t  round_trips[] = { 1, 10, 50, 200 };

    (void) state;

    for (i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
        begin(ENDLESS, 1, round_trips[i], 60);

        play(20 * SECOND, 40000);

        assert_true(world.longest < 3 * round_trips[i]);

        /* adapted within a second and some round trips */

        forget();
        play(10 * SECOND, 40000);
        assert_int_equal(world.waited, 0);

        end();
    }
}


static void
test_bursts_and_lulls(void **state)
{
    unsigned  i;
    uint64_t  asks;

    (void) state;

    begin(ENDLESS, 1, 10, 900);

    for (i = 0; i < 5; i++) {
        play(5 * SECOND, 20000);
        assert_true(world.longest < 3 * 10);
        assert_true(held_by_all() <= 2 * 20000);

        /* what was reserved for the burst is issued before more is */

        asks = world.asks;
        play(30 * SECOND, 500);
        assert_true(world.asks - asks <= 2 * 30);

        play(50 * SECOND, 500);
        assert_true(held_by_all() <= 2 * 500);

        play(31 * SECOND, 16);
        play(2 * SECOND, 1000);
    }

    /* calm again: down to min */

    play(8 * SECOND, 1000);
    play(120 * SECOND, 20);
    play(20 * SECOND, 1);
    assert_true(held_by_all() <= 2 * 20);

    end();
}


/* load that comes and goes finds leases as large as it left them */

static void
test_load_that_comes_back(void **state)
{
    unsigned  i;

    (void) state;

    begin(ENDLESS, 1, 10, 900);

    play(10 * SECOND, 20000);
    forget();

    for (i = 0; i < 20; i++) {
        play(30 * SECOND, 0);
        play(SECOND, 20000);
    }

    assert_int_equal(world.waited, 0);
    assert_true(world.asks <= 20 * 17 / 16 + 1);

    end();
}


static void
test_many_until_the_end(void **state)
{
    size_t    i;
    unsigned  j;
    uint64_t  most, size;

    static const unsigned  instances[] = { 1, 2, 10, MANY };

    (void) state;

    size = 300000;

    for (i = 0; i < sizeof(instances) / sizeof(instances[0]); i++) {
        begin(size, instances[i], 5, 120);

        while (world.reserved < size) {
            play(1, 20000 / instances[i]);

            /* what a crash of all of them would burn now */

            assert_true(held_by_all()
                        <= 2 * 20000 + 2 * 16 * instances[i]);
        }

        /* none sits on what the others could issue */

        for (j = 0, most = 0; j < instances[i]; j++) {
            if (held(&world.instance[j]) > most) {
                most = held(&world.instance[j]);
            }
        }

        assert_true(held_by_all() <= 20000);
        assert_true(most <= 4 * (20000 / instances[i]) + 16);
        assert_true(world.longest < 3 * 5 + 1);

        /* and then the rest, to the last number */

        play(20 * SECOND, 20000 / instances[i]);
        assert_int_equal(world.issued, size);

        end();
    }
}


static void
test_far_database(void **state)
{
    (void) state;

    /* half a lease is less than what is drawn during a round trip */

    begin(ENDLESS, 1, 900, 60);
    play(40 * SECOND, 1000);
    assert_true(world.longest < 3 * 900);

    end();
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_idle_holds_min),
        cmocka_unit_test(test_single_burst),
        cmocka_unit_test(test_cold_start_under_full_load),
        cmocka_unit_test(test_bursts_and_lulls),
        cmocka_unit_test(test_load_that_comes_back),
        cmocka_unit_test(test_many_until_the_end),
        cmocka_unit_test(test_far_database),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("simulation", tests, NULL, NULL);
}
