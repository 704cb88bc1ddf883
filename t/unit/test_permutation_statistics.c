
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1: what docs/randomness.md says of its numbers, counted
 * over many keys.  The keys are fixed, so nothing here depends on luck.  No
 * statistic shows that a cipher is a good one: these show mistakes, such as
 * too few rounds or a shuffle that favours some orders.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/permutation.h"


#define BUCKETS  64
#define CHUNK    1000


static permutation_t *
create_nth(unsigned nth, uint64_t size)
{
    uint8_t         key[PERMUTATION_KEY_SIZE];
    permutation_t  *p;

    memset(key, 0, sizeof(key));

    key[0] = (uint8_t) (nth >> 8);
    key[1] = (uint8_t) nth;

    p = permutation_create(key, size);
    assert_non_null(p);

    return p;
}


static void
map_from(permutation_t *p, uint64_t position, uint64_t *values, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        values[i] = position + i;
    }

    assert_int_equal(permutation_map(p, values, values, n), 0);
}


/*
 * Whether "counts" are as even as those of chance: the sum of squares has the
 * distribution of chi-squared then, of which five standard deviations are less
 * than one in 9,000.
 */

static void
assert_even(const unsigned *counts, unsigned n)
{
    double    expected, excess, sum;
    unsigned  i;

    expected = 0;

    for (i = 0; i < n; i++) {
        expected += (double) counts[i] / n;
    }

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    }

    excess = sum - (n - 1);

    if (excess * excess > 25 * 2.0 * (n - 1)) {
        fail_msg("chi-squared is %.1f in place of %u", sum, n - 1);
    }
}


/* the rank of an order of four among all 24 */

static unsigned
rank_of(const uint64_t *values)
{
    unsigned  i, k, less, rank;

    rank = 0;

    for (i = 0; i < 4; i++) {
        less = 0;

        for (k = i + 1; k < 4; k++) {
            less += (values[k] < values[i]);
        }

        rank = rank * (4 - i) + less;
    }

    return rank;
}


static void
test_orders_are_even(void **state)
{
    unsigned        nth, counts[24];
    uint64_t        values[4];
    permutation_t  *p;

    (void) state;

    memset(counts, 0, sizeof(counts));

    for (nth = 0; nth < 24000; nth++) {
        p = create_nth(nth, 4);

        map_from(p, 0, values, 4);
        counts[rank_of(values)]++;

        permutation_destroy(p);
    }

    assert_even(counts, 24);
}


static void
test_first_values_are_even(void **state)
{
    static const uint64_t  sizes[] = { 1024, 1000000, 1000000000000000 };

    size_t          i, k;
    unsigned        nth, counts[BUCKETS];
    uint64_t        values[8];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(counts, 0, sizeof(counts));

        for (nth = 0; nth < 4000; nth++) {
            p = create_nth(nth, sizes[i]);

            map_from(p, 0, values, 8);

            for (k = 0; k < 8; k++) {
                counts[values[k] * BUCKETS / sizes[i]]++;
            }

            permutation_destroy(p);
        }

        assert_even(counts, BUCKETS);
    }
}


/* how far it is from one number to the next one tells nothing */

static void
test_steps_are_even(void **state)
{
    static const uint64_t  size = 1000000;

    size_t          i;
    unsigned        counts[BUCKETS];
    uint64_t        position, last, values[CHUNK];
    permutation_t  *p;

    (void) state;

    p = create_nth(1, size);
    memset(counts, 0, sizeof(counts));

    last = 0;

    for (position = 0; position < size; position += CHUNK) {
        map_from(p, position, values, CHUNK);

        for (i = 0; i < CHUNK; i++) {
            counts[(values[i] + size - last) % size * BUCKETS / size]++;
            last = values[i];
        }
    }

    assert_even(counts, BUCKETS);

    permutation_destroy(p);
}


static int
is_odd(permutation_t *p, uint64_t size)
{
    int        odd;
    uint8_t   *seen;
    uint64_t   i, at, *values;

    values = malloc(size * sizeof(uint64_t));
    seen = calloc(size, 1);
    assert_non_null(values);
    assert_non_null(seen);

    map_from(p, 0, values, size);

    /* each cycle of an even length counts */

    odd = 0;

    for (i = 0; i < size; i++) {
        for (at = i; !seen[at]; at = values[at]) {
            seen[at] = 1;
            odd ^= (values[at] != i);
        }
    }

    free(values);
    free(seen);

    return odd;
}


/*
 * A Feistel network that XORs is an even permutation under every key, which all
 * numbers together would show.  FF1 adds.
 */

static void
test_parity_is_of_either_kind(void **state)
{
    unsigned        nth, odd;
    permutation_t  *p;

    (void) state;

    odd = 0;

    for (nth = 0; nth < 8; nth++) {
        p = create_nth(nth, 1 << 20);
        odd += (unsigned) is_odd(p, 1 << 20);
        permutation_destroy(p);
    }

    assert_in_range(odd, 1, 7);
}


/* 10 guesses at 100 numbers of 1000: 1 - C(900, 10) / C(1000, 10) = 65.3 % */

static void
test_guesses_hit_as_often_as_chance(void **state)
{
    size_t          i;
    unsigned        nth, hit, hits;
    uint64_t        values[100];
    permutation_t  *p;

    (void) state;

    hits = 0;

    for (nth = 0; nth < 10000; nth++) {
        p = create_nth(nth, 1000);

        map_from(p, 0, values, 100);
        hit = 0;

        for (i = 0; i < 100; i++) {
            hit |= (values[i] % 100 == 42);
        }

        hits += hit;

        permutation_destroy(p);
    }

    /* five standard deviations to either side */

    assert_in_range(hits, 6531 - 238, 6531 + 238);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_orders_are_even),
        cmocka_unit_test(test_first_values_are_even),
        cmocka_unit_test(test_steps_are_even),
        cmocka_unit_test(test_parity_is_of_either_kind),
        cmocka_unit_test(test_guesses_hit_as_often_as_chance),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("permutation statistics", tests, NULL,
                                       NULL);
}
