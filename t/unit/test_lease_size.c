
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The size of a lease follows the rate of the draws, within bounds; pauses do
 * not count, nor does what is put back.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core/lease.h"


static const lease_policy_t  policy = { 16, 65536, 1000 };


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
        cmocka_unit_test(test_size_follows_the_rate),
        cmocka_unit_test(test_rate_leaves_pauses_out),
        cmocka_unit_test(test_rate_with_little_ahead),
        cmocka_unit_test(test_rate_of_what_is_put_back),
        cmocka_unit_test(test_rate_bears_clocks_that_differ),
        cmocka_unit_test(test_size_grows_by_steps),
        cmocka_unit_test(test_size_shrinks_towards_the_end),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("lease size", tests, NULL, NULL);
}
