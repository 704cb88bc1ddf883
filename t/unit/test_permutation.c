
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1: its inverse is its inverse, by groups as by single
 * numbers, and keys and sizes make a difference.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "permutations.h"
#include "probe.h"


#define CHUNK  1000


/* spread over the whole interval, its first and last places included */

static void
choose_positions(uint64_t size, uint64_t *positions, size_t n)
{
    size_t    i;
    uint64_t  x;

    x = 88172645463325252u;

    for (i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;

        positions[i] = x % size;
    }

    positions[0] = 0;
    positions[n - 1] = size - 1;
}


static void
test_inverse(void **state)
{
    size_t          i, k;
    uint64_t        positions[CHUNK], values[CHUNK], back[CHUNK];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < NSIZES; i++) {
        p = create(sizes[i]);
        choose_positions(sizes[i], positions, CHUNK);

        assert_int_equal(permutation_map(p, positions, values, CHUNK), 0);
        assert_int_equal(permutation_unmap(p, values, back, CHUNK), 0);
        assert_memory_equal(back, positions, sizeof(positions));

        assert_int_equal(permutation_unmap(p, positions, values, CHUNK), 0);
        assert_int_equal(permutation_map(p, values, back, CHUNK), 0);
        assert_memory_equal(back, positions, sizeof(positions));

        for (k = 0; k < CHUNK; k++) {
            assert_true(values[k] < sizes[i]);
        }

        permutation_destroy(p);
    }
}


static void
test_groups_equal_single_numbers(void **state)
{
    static const size_t  lengths[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129,
                                       CHUNK };

    size_t          i, k, n;
    uint64_t        in[CHUNK], mapped[CHUNK], unmapped[CHUNK];
    uint64_t        group[CHUNK + 1];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < NSIZES; i++) {
        p = create(sizes[i]);
        choose_positions(sizes[i], in, CHUNK);

        for (k = 0; k < CHUNK; k++) {
            assert_int_equal(permutation_map(p, &in[k], &mapped[k], 1), 0);
            assert_int_equal(permutation_unmap(p, &in[k], &unmapped[k], 1),
                             0);
        }

        for (k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
            n = lengths[k];
            group[n] = UINT64_MAX;

            assert_int_equal(permutation_map(p, in, group, n), 0);
            assert_memory_equal(group, mapped, n * sizeof(uint64_t));

            assert_int_equal(permutation_unmap(p, in, group, n), 0);
            assert_memory_equal(group, unmapped, n * sizeof(uint64_t));

            assert_int_equal(group[n], UINT64_MAX);
        }

        permutation_destroy(p);
    }
}


static void
test_in_place(void **state)
{
    size_t          i;
    uint64_t        in[CHUNK], out[CHUNK], same[CHUNK];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < NSIZES; i++) {
        p = create(sizes[i]);
        choose_positions(sizes[i], in, CHUNK);

        memcpy(same, in, sizeof(in));
        assert_int_equal(permutation_map(p, in, out, CHUNK), 0);
        assert_int_equal(permutation_map(p, same, same, CHUNK), 0);
        assert_memory_equal(same, out, sizeof(out));

        assert_int_equal(permutation_unmap(p, same, same, CHUNK), 0);
        assert_memory_equal(same, in, sizeof(in));

        permutation_destroy(p);
    }
}


static void
test_sizes_out_of_range(void **state)
{
    (void) state;

    assert_null(permutation_create(key, 0));
    assert_null(permutation_create(key, SIZE_MAX_63 + 1));
    assert_null(permutation_create(key, UINT64_MAX));

    permutation_destroy(NULL);
}


static void
test_positions_out_of_range(void **state)
{
    size_t          i, k;
    uint64_t        in[100], out[100];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < NSIZES; i++) {
        p = create(sizes[i]);

        memset(in, 0, sizeof(in));
        memset(out, 0xff, sizeof(out));

        in[99] = sizes[i];
        assert_int_equal(permutation_map(p, in, out, 100), -1);
        assert_int_equal(permutation_unmap(p, in, out, 100), -1);

        in[99] = UINT64_MAX;
        assert_int_equal(permutation_map(p, &in[99], out, 1), -1);
        assert_int_equal(permutation_unmap(p, &in[99], out, 1), -1);

        for (k = 0; k < 100; k++) {
            assert_int_equal(out[k], UINT64_MAX);
        }

        permutation_destroy(p);
    }
}


static size_t
count_equal(permutation_t *p, permutation_t *q)
{
    size_t    i, n;
    uint64_t  in[CHUNK], out_p[CHUNK], out_q[CHUNK];

    for (i = 0; i < CHUNK; i++) {
        in[i] = i;
    }

    assert_int_equal(permutation_map(p, in, out_p, CHUNK), 0);
    assert_int_equal(permutation_map(q, in, out_q, CHUNK), 0);

    n = 0;

    for (i = 0; i < CHUNK; i++) {
        n += (out_p[i] == out_q[i]);
    }

    return n;
}


static void
test_keys_differ(void **state)
{
    size_t          i;
    uint8_t         other[PERMUTATION_KEY_SIZE];
    permutation_t  *p, *q;

    (void) state;

    memcpy(other, key, sizeof(key));
    other[PERMUTATION_KEY_SIZE - 1] ^= 1;

    for (i = 0; i < NSIZES; i++) {
        if (sizes[i] < CHUNK) {
            continue;
        }

        p = create(sizes[i]);
        q = permutation_create(other, sizes[i]);
        assert_non_null(q);

        assert_true(count_equal(p, q) < 10);

        permutation_destroy(p);
        permutation_destroy(q);
    }
}


/* without the size in it, two sizes of as many bits would agree all along */

static void
test_sizes_differ(void **state)
{
    static const uint64_t  pairs[][2] = {
        { 50000, 50001 },
        { 65536, 65537 },
        { 1000000, 1000003 },
        { SIZE_MAX_63 - 1, SIZE_MAX_63 }
    };

    size_t          i;
    permutation_t  *p, *q;

    (void) state;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        p = create(pairs[i][0]);
        q = create(pairs[i][1]);

        assert_true(count_equal(p, q) < 10);

        permutation_destroy(p);
        permutation_destroy(q);
    }
}


/*
 * A size of 2^20 needs no walk, so the number of calls is known.
 */

static void
test_cost(void **state)
{
    size_t          i;
    uint64_t        in[64], out[64];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < 64; i++) {
        in[i] = i;
    }

    p = create(1 << 20);

    probe_reset();
    assert_int_equal(permutation_map(p, in, out, 1), 0);
    assert_int_equal(probe.updates, 10);

    probe_reset();
    assert_int_equal(permutation_map(p, in, out, 64), 0);
    assert_int_equal(permutation_unmap(p, out, in, 64), 0);
    assert_int_equal(probe.updates, 20);

    assert_int_equal(probe.inits, 0);
    assert_int_equal(probe.allocations, 0);

    permutation_destroy(p);
    p = create(1000);

    probe_reset();
    assert_int_equal(permutation_map(p, in, out, 64), 0);
    assert_int_equal(probe.updates, 0);
    assert_int_equal(probe.allocations, 0);

    permutation_destroy(p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_groups_equal_single_numbers),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_sizes_out_of_range),
        cmocka_unit_test(test_positions_out_of_range),
        cmocka_unit_test(test_keys_differ),
        cmocka_unit_test(test_sizes_differ),
        cmocka_unit_test(test_cost),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    if (probe_install() != 0) {
        return 1;
    }

    return cmocka_run_group_tests_name("permutation", tests, NULL, NULL);
}
