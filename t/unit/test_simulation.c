
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The sizes of leases, played through: how long somebody waits, how often the
 * database is asked, how much is held (which is what a crash wastes), and that
 * every position is issued once.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "world.h"


static void
test_steady(void **state)
{
    size_t  i, j;

    static const uint64_t  rates[] = { 1, 10, 100, 1000, 10000, 40000 };
    static const uint64_t  round_trips[] = { 1, 10, 50, 200 };

    (void) state;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        for (j = 0; j < sizeof(round_trips) / sizeof(round_trips[0]); j++) {
            world_begin(ENDLESS, 1, round_trips[j], 60);

            world_play(20 * SECOND, rates[i]);
            world_forget();
            world_play(20 * SECOND, rates[i]);

            /* nobody notices the database, and it is left in peace */

            assert_int_equal(world.waited, 0);
            assert_true(world.asks <= 2 * 20);
            assert_true(world_held()
                        <= 2 * (rates[i] > 16 ? rates[i] : 16));

            world_end();
        }
    }
}


static void
test_idle_holds_min(void **state)
{
    (void) state;

    world_begin(ENDLESS, 1, 10, 60);

    world_play(1, 1000);
    world_play(SECOND, 0);

    assert_int_equal(world_held(), 15);
    assert_int_equal(world.asks, 1);

    /* a few requests a minute: never more than a second lease of min */

    world_play(30 * SECOND, 1);
    assert_true(world_held() <= 2 * 16);

    world_end();
}


static void
test_single_burst(void **state)
{
    (void) state;

    world_begin(ENDLESS, 1, 50, 60);

    world_play(1, 256 * 1000);
    world_play(10 * SECOND, 0);

    assert_int_equal(world.issued, 256);
    assert_true(world.longest <= 2 * 50);
    assert_true(world_held() <= 5 * 256);

    world_end();
}


static void
test_cold_start_under_full_load(void **state)
{
    size_t  i;

    static const uint64_t  round_trips[] = { 1, 10, 50, 200 };

    (void) state;

    for (i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
        world_begin(ENDLESS, 1, round_trips[i], 60);

        world_play(20 * SECOND, 40000);

        assert_true(world.longest < 3 * round_trips[i]);

        /* adapted within a second and some round trips */

        world_forget();
        world_play(10 * SECOND, 40000);
        assert_int_equal(world.waited, 0);

        world_end();
    }
}


static void
test_bursts_and_lulls(void **state)
{
    unsigned  i;
    uint64_t  asks;

    (void) state;

    world_begin(ENDLESS, 1, 10, 900);

    for (i = 0; i < 5; i++) {
        world_play(5 * SECOND, 20000);
        assert_true(world.longest < 3 * 10);
        assert_true(world_held() <= 2 * 20000);

        /* what was reserved for the burst is issued before more is */

        asks = world.asks;
        world_play(30 * SECOND, 500);
        assert_true(world.asks - asks <= 2 * 30);

        world_play(50 * SECOND, 500);
        assert_true(world_held() <= 2 * 500);

        world_play(31 * SECOND, 16);
        world_play(2 * SECOND, 1000);
    }

    /* calm again: down to min */

    world_play(8 * SECOND, 1000);
    world_play(120 * SECOND, 20);
    world_play(20 * SECOND, 1);
    assert_true(world_held() <= 2 * 20);

    world_end();
}


/* load that comes and goes finds leases as large as it left them */

static void
test_load_that_comes_back(void **state)
{
    unsigned  i;

    (void) state;

    world_begin(ENDLESS, 1, 10, 900);

    world_play(10 * SECOND, 20000);
    world_forget();

    for (i = 0; i < 20; i++) {
        world_play(30 * SECOND, 0);
        world_play(SECOND, 20000);
    }

    assert_int_equal(world.waited, 0);
    assert_true(world.asks <= 20 * 17 / 16 + 1);

    world_end();
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
        world_begin(size, instances[i], 5, 120);

        while (world.reserved < size) {
            world_play(1, 20000 / instances[i]);

            /* what a crash of all of them would burn now */

            assert_true(world_held()
                        <= 2 * 20000 + 2 * 16 * instances[i]);
        }

        /* none sits on what the others could issue */

        for (j = 0, most = 0; j < instances[i]; j++) {
            if (world_held_by(&world.instance[j]) > most) {
                most = world_held_by(&world.instance[j]);
            }
        }

        assert_true(world_held() <= 20000);
        assert_true(most <= 4 * (20000 / instances[i]) + 16);
        assert_true(world.longest < 3 * 5 + 1);

        /* and then the rest, to the last number */

        world_play(20 * SECOND, 20000 / instances[i]);
        assert_int_equal(world.issued, size);

        world_end();
    }
}


static void
test_far_database(void **state)
{
    (void) state;

    /* half a lease is less than what is drawn during a round trip */

    world_begin(ENDLESS, 1, 900, 60);
    world_play(40 * SECOND, 1000);
    assert_true(world.longest < 3 * 900);

    world_end();
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
