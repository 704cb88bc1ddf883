
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Leases: positions come out once and in order, whatever is put in, and the
 * size of the next lease stays within its bounds.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lease.h"


static const lease_policy_t  policy = { 16, 65536, 1000 };


static void
test_empty(void **state)
{
    leases_t  leases;
    uint64_t  position;

    (void) state;

    leases_init(&leases);

    assert_int_equal(leases_take(&leases, 1, &position), 0);
    assert_int_equal(leases_left(&leases), 0);
    assert_true(leases_low(&leases, 0));
}


static void
test_in_order_and_once(void **state)
{
    leases_t  leases;
    uint64_t  i, position;

    (void) state;

    leases_init(&leases);

    assert_int_equal(leases_put(&leases, 100, 103), 0);
    assert_int_equal(leases_put(&leases, 7, 9), 0);
    assert_int_equal(leases_left(&leases), 5);

    static const uint64_t  expected[] = { 100, 101, 102, 7, 8 };

    for (i = 0; i < 5; i++) {
        assert_int_equal(leases_take(&leases, 1, &position), 1);
        assert_int_equal(position, expected[i]);
    }

    assert_int_equal(leases_take(&leases, 1, &position), 0);
}


static void
test_the_largest_positions(void **state)
{
    leases_t  leases;
    uint64_t  position;

    (void) state;

    leases_init(&leases);

    assert_int_equal(leases_put(&leases, INT64_MAX - 1, INT64_MAX), 0);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, INT64_MAX - 1);
    assert_int_equal(leases_take(&leases, 1, &position), 0);
}


/* a 64th of what is left, of one lease, and at least one */

static void
test_many_at_a_time(void **state)
{
    leases_t  leases;
    uint64_t  position;

    (void) state;

    leases_init(&leases);
    leases_put(&leases, 0, 64);

    assert_int_equal(leases_take(&leases, 64, &position), 1);
    assert_int_equal(leases_take(&leases, 64, &position), 1);
    assert_int_equal(position, 1);

    leases_put(&leases, 1000, 1000 + 640 - 62);

    assert_int_equal(leases_take(&leases, 3, &position), 3);
    assert_int_equal(position, 2);
    assert_int_equal(leases_take(&leases, 64, &position), 9);
    assert_int_equal(position, 5);

    leases_init(&leases);
    leases_put(&leases, 0, 3);
    leases_put(&leases, 100, 100 + 64 * 64);

    assert_int_equal(leases_take(&leases, 64, &position), 3);
    assert_int_equal(leases_take(&leases, 64, &position), 64);
    assert_int_equal(position, 100);
    assert_int_equal(leases_take(&leases, 64, &position), 63);
    assert_int_equal(position, 164);
}


static void
test_put_back(void **state)
{
    leases_t  leases;
    uint64_t  a, b, position;

    (void) state;

    leases_init(&leases);
    leases_put(&leases, 0, 6400);

    /* the last one to take puts back what comes next */

    assert_int_equal(leases_take(&leases, 64, &a), 64);
    assert_int_equal(leases_return(&leases, a + 60, a + 64), 0);
    assert_int_equal(leases.head - leases.tail, 1);
    assert_int_equal(leases_take(&leases, 64, &position), 64);
    assert_int_equal(position, a + 60);
    assert_int_equal(leases_return(&leases, position, position + 64), 0);

    /* what an earlier one puts back is taken first */

    assert_int_equal(leases_take(&leases, 10, &a), 10);
    assert_int_equal(leases_take(&leases, 10, &b), 10);
    assert_int_equal(leases_return(&leases, a + 7, a + 10), 0);
    assert_int_equal(leases_left(&leases), 6400 - 60 - 20 + 3);
    assert_int_equal(leases_take(&leases, 64, &position), 3);
    assert_int_equal(position, a + 7);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, b + 10);

    /* the only ones */

    leases_init(&leases);
    assert_int_equal(leases_return(&leases, 5, 7), 0);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, 5);
    assert_int_equal(leases_left(&leases), 1);
}


/* what is put back leaves room for what is granted */

static void
test_put_back_until_full(void **state)
{
    leases_t  leases;
    uint64_t  i;

    (void) state;

    leases_init(&leases);

    for (i = 0; i < LEASES_RETURNED_MAX; i++) {
        assert_int_equal(leases_return(&leases, i * 10, i * 10 + 1), 0);
    }

    assert_int_equal(leases_return(&leases, 100000, 100001), -1);
    assert_int_equal(leases_left(&leases), LEASES_RETURNED_MAX);
    assert_int_equal(leases_put(&leases, 100000, 100001), 0);
}


/* workers that take, issue and put back as they like: each position once */

static void
test_each_once_among_workers(void **state)
{
    unsigned  w;
    uint32_t  random;
    uint64_t  i, granted, issued, next[8], left[8];
    leases_t  leases;

    static uint8_t  seen[100000];

    (void) state;

    memset(left, 0, sizeof(left));

    leases_init(&leases);
    leases.tail = UINT32_MAX - 5;
    leases.head = UINT32_MAX - 5;

    random = 1;
    granted = 0;
    issued = 0;

    for (i = 0; issued < sizeof(seen); i++) {
        assert_true(i < 10 * sizeof(seen));

        random = random * 1664525 + 1013904223;
        w = random >> 29;

        if (left[w] && (random >> 16) % 16 == 0) {
            if (leases_return(&leases, next[w], next[w] + left[w]) == 0) {
                left[w] = 0;
            }

            continue;
        }

        if (leases_left(&leases) == 0 && granted < sizeof(seen)) {
            assert_int_equal(leases_put(&leases, granted, granted + 5000), 0);
            granted += 5000;
        }

        if (left[w] == 0) {
            left[w] = leases_take(&leases, 64, &next[w]);
        }

        if (left[w]) {
            assert_true(next[w] < granted);
            assert_int_equal(seen[next[w]], 0);

            seen[next[w]] = 1;
            issued++;

            next[w]++;
            left[w]--;
        }
    }

    assert_int_equal(leases_left(&leases), 0);
}


/* the indexes of the queue run on and wrap around */

static void
test_queue_goes_round(void **state)
{
    leases_t  leases;
    uint32_t  start;
    uint64_t  i, position, in, out;

    (void) state;

    for (start = UINT32_MAX - 40; start != 40; start++) {
        leases_init(&leases);
        leases.tail = start;
        leases.head = start;

        in = 0;
        out = 0;

        for (i = 0; i < 100; i++) {
            /* gaps, so that no lease continues another */
            assert_int_equal(leases_put(&leases, in * 10, in * 10 + 1), 0);
            in++;

            if (i % 3) {
                assert_int_equal(leases_take(&leases, 1, &position), 1);
                assert_int_equal(position, out * 10);
                out++;
            }

            if (leases_left(&leases) == LEASES_MAX) {
                break;
            }
        }
    }
}


static void
test_full(void **state)
{
    leases_t  leases;
    uint64_t  i, position;

    (void) state;

    leases_init(&leases);

    for (i = 0; i < LEASES_MAX; i++) {
        assert_int_equal(leases_put(&leases, i * 10, i * 10 + 1), 0);
    }

    assert_int_equal(leases_put(&leases, 100000, 100001), -1);
    assert_int_equal(leases_left(&leases), LEASES_MAX);

    /* what continues a lease still finds its place */

    assert_int_equal(leases_put(&leases, 51, 53), 0);
    assert_int_equal(leases_left(&leases), LEASES_MAX + 2);

    for (i = 0; i < LEASES_MAX + 2; i++) {
        assert_int_equal(leases_take(&leases, 1, &position), 1);
    }

    assert_int_equal(leases_put(&leases, 100000, 100001), 0);
}


static void
test_continued_when_used_up(void **state)
{
    leases_t  leases;
    uint64_t  position;

    (void) state;

    leases_init(&leases);

    leases_put(&leases, 0, 1);
    leases_take(&leases, 1, &position);
    leases_put(&leases, 1, 2);

    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, 1);
    assert_int_equal(leases_take(&leases, 1, &position), 0);
}


/*
 * A worker is killed between any two stores: what the others find has no
 * position twice (I4).
 */

static void
test_killed_while_putting(void **state)
{
    leases_t  leases;
    uint64_t  position;

    (void) state;

    leases_init(&leases);
    leases_put(&leases, 0, 1);

    /* the lease is written, its place not yet counted */

    leases.lease[leases.head % LEASES_MAX].next = 5;
    leases.lease[leases.head % LEASES_MAX].end = 9;

    assert_int_equal(leases_left(&leases), 1);
    assert_int_equal(leases_put(&leases, 20, 21), 0);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, 0);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, 20);
    assert_int_equal(leases_take(&leases, 1, &position), 0);
}


static void
test_move(void **state)
{
    leases_t  leases, moved;
    uint64_t  position;

    (void) state;

    leases_init(&leases);

    leases_put(&leases, 0, 10);
    leases_put(&leases, 90, 100);
    leases_take(&leases, 1, &position);

    leases_move(&moved, &leases);

    assert_int_equal(leases_left(&leases), 0);
    assert_int_equal(leases_take(&leases, 1, &position), 0);
    assert_int_equal(leases_left(&moved), 19);
    assert_int_equal(leases_take(&moved, 1, &position), 1);
    assert_int_equal(position, 1);

    /* what comes later is another matter */

    assert_int_equal(leases_put(&leases, 200, 201), 0);
    assert_int_equal(leases_take(&leases, 1, &position), 1);
    assert_int_equal(position, 200);
    assert_int_equal(leases_left(&moved), 18);
}


static void
test_low_at_half_of_the_last_grant(void **state)
{
    leases_t  leases;

    (void) state;

    leases_init(&leases);
    leases_put(&leases, 0, 50);

    assert_true(leases_low(&leases, 100));
    assert_false(leases_low(&leases, 98));
}


static uint64_t
size(const lease_policy_t *with, uint64_t drawn, uint64_t elapsed,
    uint64_t remaining)
{
    lease_rate_t  rate = { drawn, elapsed, 0 };

    return lease_size(with, &rate, remaining);
}


static void
test_size_follows_the_rate(void **state)
{
    (void) state;

    /* 2000 in 400 ms is 5000 a second */

    assert_int_equal(size(&policy, 2000, 400, INT64_MAX), 5000);
    assert_int_equal(size(&policy, 0, 400, INT64_MAX), 16);
    assert_int_equal(size(&policy, 1, 3600000, INT64_MAX), 16);
    assert_int_equal(size(&policy, UINT64_MAX, 0, INT64_MAX), 65536);
    assert_int_equal(size(&policy, UINT64_MAX, UINT64_MAX, INT64_MAX), 16);
}


/* numbers that are drawn n by n, every so many milliseconds */

static void
count(lease_rate_t *rate, uint64_t *now, uint64_t n, uint64_t every,
    unsigned times)
{
    uint64_t  i;

    while (times--) {
        for (i = 0; i < n; i++) {
            lease_rate_count(rate, &policy, 1, *now);
        }

        *now += every;
    }
}


static void
test_rate_leaves_pauses_out(void **state)
{
    uint64_t      now;
    lease_rate_t  rate;

    (void) state;

    now = 1000000;
    memset(&rate, 0, sizeof(lease_rate_t));

    count(&rate, &now, 5, 1, 100);
    lease_rate_start(&rate);
    assert_int_equal(lease_size(&policy, &rate, INT64_MAX), 16);

    count(&rate, &now, 5, 1, 1000);
    assert_int_equal(rate.drawn, 5000);
    assert_int_equal(rate.elapsed, 1000);

    /* a sixteenth of "ahead" is all that remains of an hour */

    now += 3600 * 1000;
    count(&rate, &now, 5, 1, 1000);
    assert_int_equal(rate.drawn, 10000);
    assert_int_equal(rate.elapsed, 1000 + 62 + 999);

    /* steady, but slow: all of the time counts, and a sixteenth at a time */

    lease_rate_start(&rate);
    count(&rate, &now, 1, 62, 100);
    assert_int_equal(rate.elapsed, 99 * 62 + 1);

    lease_rate_start(&rate);
    count(&rate, &now, 1, 10000, 100);
    assert_int_equal(rate.elapsed, 100 * 62);
}


/* some of the time counts, however little that is */

static void
test_rate_with_little_ahead(void **state)
{
    uint64_t      now;
    lease_rate_t  rate;

    static const lease_policy_t  little = { 16, 65536, 10 };

    (void) state;

    memset(&rate, 0, sizeof(lease_rate_t));

    for (now = 1000000; now < 1000100; now++) {
        lease_rate_count(&rate, &little, 1, now);
    }

    assert_int_equal(rate.elapsed, 100);
    assert_int_equal(lease_size(&little, &rate, INT64_MAX), 16);
}


/* what is put back is not drawn, be it from before the last grant */

static void
test_rate_of_what_is_put_back(void **state)
{
    lease_rate_t  rate;

    (void) state;

    memset(&rate, 0, sizeof(lease_rate_t));

    lease_rate_count(&rate, &policy, 64, 1000);
    lease_rate_return(&rate, 14);
    assert_int_equal(rate.drawn, 50);

    lease_rate_start(&rate);
    lease_rate_count(&rate, &policy, 10, 1000);
    lease_rate_return(&rate, 14);
    assert_int_equal(rate.drawn, 0);
}


/* two workers whose clocks differ, and a clock that begins again */

static void
test_rate_bears_clocks_that_differ(void **state)
{
    uint64_t      now;
    unsigned      i;
    lease_rate_t  rate;

    (void) state;

    memset(&rate, 0, sizeof(lease_rate_t));

    for (now = UINT32_MAX - 500; now < UINT32_MAX; now++) {
        lease_rate_count(&rate, &policy, 1, now);
        lease_rate_count(&rate, &policy, 1, now - 3);
    }

    assert_int_equal(rate.drawn, 1000);
    assert_int_equal(rate.elapsed, 62 + 499);

    for (i = 0; i < 500; i++) {
        lease_rate_count(&rate, &policy, 1, i);
    }

    assert_int_equal(rate.drawn, 1500);
    assert_int_equal(rate.elapsed, 62 + 499 + 62 + 499);
}


/* a moment's rate is none */

static void
test_size_grows_by_steps(void **state)
{
    static const lease_policy_t  short_sighted = { 1, 1000, 3 };
    static const lease_policy_t  blind = { 1, 1000, 0 };

    (void) state;

    assert_int_equal(size(&policy, 256, 0, INT64_MAX), 1024);
    assert_int_equal(size(&policy, 256, 250, INT64_MAX), 1024);
    assert_int_equal(size(&policy, 256, 500, INT64_MAX), 512);

    assert_int_equal(size(&short_sighted, 9, 0, INT64_MAX), 9);
    assert_int_equal(size(&short_sighted, 9, 1, INT64_MAX), 27);
    assert_int_equal(size(&blind, 9, 0, INT64_MAX), 9);
    assert_int_equal(size(&blind, 9, 1, INT64_MAX), 1);
}


static void
test_size_shrinks_towards_the_end(void **state)
{
    uint64_t  left, next, steps;

    (void) state;

    assert_int_equal(size(&policy, 2000, 400, 4000), 1000);
    assert_int_equal(size(&policy, 2000, 400, 3), 1);
    assert_int_equal(size(&policy, 2000, 400, 0), 1);

    left = 1000000;

    for (steps = 0; left; steps++) {
        next = size(&policy, UINT32_MAX, 1, left);
        assert_in_range(next, 1, left);
        left -= next;
    }

    assert_in_range(steps, 16, 64);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_in_order_and_once),
        cmocka_unit_test(test_the_largest_positions),
        cmocka_unit_test(test_many_at_a_time),
        cmocka_unit_test(test_put_back),
        cmocka_unit_test(test_put_back_until_full),
        cmocka_unit_test(test_each_once_among_workers),
        cmocka_unit_test(test_queue_goes_round),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_continued_when_used_up),
        cmocka_unit_test(test_killed_while_putting),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_low_at_half_of_the_last_grant),
        cmocka_unit_test(test_size_follows_the_rate),
        cmocka_unit_test(test_rate_leaves_pauses_out),
        cmocka_unit_test(test_rate_with_little_ahead),
        cmocka_unit_test(test_rate_of_what_is_put_back),
        cmocka_unit_test(test_rate_bears_clocks_that_differ),
        cmocka_unit_test(test_size_grows_by_steps),
        cmocka_unit_test(test_size_shrinks_towards_the_end),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
