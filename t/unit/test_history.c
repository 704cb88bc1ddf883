
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Rates over windows that have just begun, are whole, or are long past; and
 * the buckets of durations.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/histogram.h"
#include "core/history.h"


#define BORN    (1000 * HOUR)
#define MINUTE  UINT64_C(60000)
#define HOUR    (60 * MINUTE)


static void
assert_rate(const history_t *history, history_window_e window, uint64_t now,
    double expected)
{
    double  rate;

    rate = history_rate(history, window, now);

    if (rate < expected - 0.001 || rate > expected + 0.001) {
        fail_msg("the rate is %f, not %f", rate, expected);
    }
}


static void
test_steady(void **state)
{
    uint64_t   now;
    history_t  history;

    (void) state;

    memset(&history, 0, sizeof(history_t));
    history.born = BORN;

    assert_rate(&history, HISTORY_SECONDS, BORN, -1);
    assert_rate(&history, HISTORY_DAY, BORN + 4999, -1);

    /* ten each second, for two days */

    for (now = BORN; now < BORN + 48 * HOUR; now += 1000) {
        history_count(&history, 10, now);

        if (now == BORN + 10 * MINUTE) {
            assert_rate(&history, HISTORY_MINUTE, now, 10);
            assert_rate(&history, HISTORY_HOUR, now, 10);
        }
    }

    assert_rate(&history, HISTORY_SECONDS, now, 10);
    assert_rate(&history, HISTORY_MINUTE, now, 10);
    assert_rate(&history, HISTORY_HOUR, now, 10);
    assert_rate(&history, HISTORY_DAY, now, 10);

    /* and then none */

    now += HOUR;

    assert_rate(&history, HISTORY_SECONDS, now, 0);
    assert_rate(&history, HISTORY_MINUTE, now, 0);
    assert_rate(&history, HISTORY_DAY, now, 10.0 * 23 / 24);

    now += 100 * 24 * HOUR;

    assert_rate(&history, HISTORY_DAY, now, 0);

    history_count(&history, 50, now);

    assert_rate(&history, HISTORY_SECONDS, now + 5000, 5);
    assert_rate(&history, HISTORY_SECONDS, now + 15000, 0);
}


/* a moment before the end of a span is not one */

static void
test_begun(void **state)
{
    history_t  history;

    (void) state;

    memset(&history, 0, sizeof(history_t));
    history.born = BORN - 6000;

    history_count(&history, 600, BORN - 5000);

    assert_rate(&history, HISTORY_MINUTE, BORN, 100);
    assert_rate(&history, HISTORY_HOUR, BORN, -1);
    assert_rate(&history, HISTORY_DAY, BORN, -1);

    assert_rate(&history, HISTORY_HOUR, BORN + 5 * MINUTE, 600.0 / 306);
    assert_rate(&history, HISTORY_DAY, BORN + 5 * MINUTE, -1);
    assert_rate(&history, HISTORY_DAY, BORN + HOUR, 600.0 / 3606);
}


static void
test_uncount(void **state)
{
    history_t  history;

    (void) state;

    memset(&history, 0, sizeof(history_t));
    history.born = BORN;

    history_count(&history, 64, BORN);
    history_uncount(&history, 60, BORN);
    assert_rate(&history, HISTORY_SECONDS, BORN + 10000, 0.4);

    history_uncount(&history, 100, BORN);
    assert_rate(&history, HISTORY_SECONDS, BORN + 10000, 0);

    /* a clock that is a little behind */

    history_count(&history, 10, BORN + 10000);
    history_count(&history, 10, BORN + 9999);
    assert_rate(&history, HISTORY_SECONDS, BORN + 15000, 2);
}


static void
test_seconds(void **state)
{
    size_t     i, n;
    uint64_t   counts[HISTORY_SECONDS_MAX];
    history_t  history;

    (void) state;

    memset(&history, 0, sizeof(history_t));
    history.born = BORN;

    n = history_seconds(&history, counts, HISTORY_SECONDS_MAX, BORN);

    assert_int_equal(n, 0);

    for (i = 1; i <= 100; i++) {
        history_count(&history, i, BORN + i * 5000);
    }

    n = history_seconds(&history, counts, HISTORY_SECONDS_MAX,
                        BORN + 101 * 5000);

    assert_int_equal(n, HISTORY_SECONDS_MAX - 1);

    for (i = 0; i < n; i++) {
        assert_int_equal(counts[i], 100 - n + 1 + i);
    }

    n = history_seconds(&history, counts, 3, BORN + 102 * 5000);

    assert_int_equal(n, 3);
    assert_int_equal(counts[0], 99);
    assert_int_equal(counts[2], 0);
}


static void
test_histogram(void **state)
{
    int          i;
    uint64_t     count;
    histogram_t  histogram, sum;

    (void) state;

    memset(&histogram, 0, sizeof(histogram_t));
    memset(&sum, 0, sizeof(histogram_t));

    /* a bound belongs to its bucket */

    for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        histogram_count(&histogram, histogram_bounds[i]);
        histogram_count(&histogram, histogram_bounds[i] + 1);
    }

    assert_int_equal(histogram.counts[0], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);

    histogram_add(&sum, &histogram);
    histogram_add(&sum, &histogram);

    count = 0;

    for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
        count += sum.counts[i];
    }

    assert_int_equal(count, 4 * (HISTOGRAM_BUCKETS - 1));
    assert_int_equal(sum.sum, 2 * histogram.sum);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_begun),
        cmocka_unit_test(test_uncount),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_histogram)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
