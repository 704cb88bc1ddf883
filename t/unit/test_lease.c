
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Leases: positions come out once and in order, whatever is put in, taken by
 * many at a time, or put back.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core/lease.h"


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


/* what is promised to a grant is there when it comes */

static void
test_places(void **state)
{
    leases_t  leases;
    uint64_t  i, n, places, position;

    (void) state;

    leases_init(&leases);
    assert_int_equal(leases_places(&leases), LEASES_MAX);

    for (i = 0; i < LEASES_MAX; i++) {
        assert_int_equal(leases_places(&leases), LEASES_MAX - i);
        assert_int_equal(leases_put(&leases, i * 10, i * 10 + 1), 0);
    }

    assert_int_equal(leases_places(&leases), 0);

    /* wherever the queue has come to */

    leases.tail = UINT32_MAX - 4;
    leases.head = leases.tail;

    for (n = 0; n < 2 * LEASES_MAX; n++) {
        places = leases_places(&leases);

        for (i = 0; i < places; i++) {
            assert_int_equal(leases_put(&leases, (i + 1) * 10,
                                        (i + 1) * 10 + 1),
                             0);
        }

        assert_int_equal(leases_places(&leases), 0);

        for (i = 0; i < places / 2 + 1; i++) {
            assert_int_equal(leases_take(&leases, 1, &position), 1);
        }

        assert_true(leases_places(&leases) >= places / 2);

        while (leases_take(&leases, 1, &position)) {
            /* void */
        }

        assert_int_equal(leases_places(&leases), LEASES_MAX);
    }

    assert_int_equal(leases_return(&leases, 5, 6), 0);
    assert_int_equal(leases_places(&leases), LEASES_MAX - 1);

    (void) leases_drop(&leases);
    assert_int_equal(leases_places(&leases), LEASES_MAX);
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
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_continued_when_used_up),
        cmocka_unit_test(test_killed_while_putting),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_low_at_half_of_the_last_grant),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
