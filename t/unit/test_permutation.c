
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1: every published vector and digest, and that it is a
 * bijection whose inverse is its inverse.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "permutations.h"
#include "probe.h"
#include "vectors.h"


#define CHUNK  1000

/* more than one group, but not twice as much */
#define GROUP  100


static permutation_t *
create_vector(json_t *vector)
{
    uint8_t         vector_key[PERMUTATION_KEY_SIZE];
    permutation_t  *p;

    assert_int_equal(vectors_bytes(vector, "key", vector_key,
                                   sizeof(vector_key)),
                     sizeof(vector_key));

    p = permutation_create(vector_key, vectors_number(vector, "size"));
    assert_non_null(p);

    return p;
}


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
test_vectors(void **state)
{
    size_t          i;
    json_t         *root, *vector;
    uint64_t        position, value, x;
    permutation_t  *p;

    (void) state;

    root = vectors_load("permutation-vectors.json");

    json_array_foreach(vectors_array(root, "vectors"), i, vector) {
        p = create_vector(vector);

        position = vectors_number(vector, "position");
        value = vectors_number(vector, "value");

        assert_int_equal(permutation_map(p, &position, &x, 1), 0);
        assert_int_equal(x, value);

        assert_int_equal(permutation_unmap(p, &value, &x, 1), 0);
        assert_int_equal(x, position);

        permutation_destroy(p);
    }

    json_decref(root);
}


static void
check_digest(json_t *vector)
{
    size_t          i, n;
    uint8_t         bytes[8 * CHUNK], digest[32], expected[32];
    uint64_t        size, position, values[CHUNK];
    EVP_MD_CTX     *sha256;
    permutation_t  *p;

    p = create_vector(vector);
    size = vectors_number(vector, "size");

    sha256 = EVP_MD_CTX_new();
    assert_non_null(sha256);
    assert_int_equal(EVP_DigestInit_ex(sha256, EVP_sha256(), NULL), 1);

    for (position = 0; position < size; position += n) {
        n = size - position < CHUNK ? (size_t) (size - position) : CHUNK;

        for (i = 0; i < n; i++) {
            values[i] = position + i;
        }

        assert_int_equal(permutation_map(p, values, values, n), 0);

        for (i = 0; i < 8 * n; i++) {
            bytes[i] = (uint8_t) (values[i / 8] >> (56 - 8 * (i % 8)));
        }

        assert_int_equal(EVP_DigestUpdate(sha256, bytes, 8 * n), 1);
    }

    assert_int_equal(EVP_DigestFinal_ex(sha256, digest, NULL), 1);
    EVP_MD_CTX_free(sha256);

    assert_int_equal(vectors_bytes(vector, "sha256", expected, 32), 32);
    assert_memory_equal(digest, expected, 32);

    permutation_destroy(p);
}


static void
test_every_position_digests(void **state)
{
    size_t   i;
    json_t  *root, *vector;

    (void) state;

    root = vectors_load("permutation-vectors.json");

    json_array_foreach(vectors_array(root, "digests"), i, vector) {
        check_digest(vector);
    }

    json_decref(root);
}


static void
check_bijection(uint64_t size)
{
    size_t          i, n;
    uint8_t        *seen;
    uint64_t        position, values[CHUNK], positions[CHUNK];
    permutation_t  *p;

    p = create(size);

    seen = calloc(size, 1);
    assert_non_null(seen);

    for (position = 0; position < size; position += n) {
        n = size - position < CHUNK ? (size_t) (size - position) : CHUNK;

        for (i = 0; i < n; i++) {
            positions[i] = position + i;
        }

        assert_int_equal(permutation_map(p, positions, values, n), 0);

        for (i = 0; i < n; i++) {
            if (values[i] >= size || seen[values[i]]++ != 0) {
                fail_msg("size %llu, position %llu: value %llu",
                         (unsigned long long) size,
                         (unsigned long long) positions[i],
                         (unsigned long long) values[i]);
            }
        }

        assert_int_equal(permutation_unmap(p, values, values, n), 0);
        assert_memory_equal(values, positions, n * sizeof(uint64_t));
    }

    free(seen);
    permutation_destroy(p);
}


static void
test_every_position_bijection(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < NSIZES && sizes[i] < 1048577; i++) {
        check_bijection(sizes[i]);
    }
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


/*
 * An argument is a pattern of tests to skip: under valgrind "test_every_*",
 * which take minutes there.
 */

int
main(int argc, char **argv)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_position_digests),
        cmocka_unit_test(test_every_position_bijection),
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

    if (argc > 1) {
        cmocka_set_skip_filter(argv[1]);
    }

    if (probe_install() != 0) {
        return 1;
    }

    return cmocka_run_group_tests_name("permutation", tests, NULL, NULL);
}
