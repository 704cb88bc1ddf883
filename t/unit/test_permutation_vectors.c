
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1: every published vector and digest, and that it is a
 * bijection.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "permutations.h"
#include "vectors.h"


#define CHUNK  1000


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
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    if (argc > 1) {
        cmocka_set_skip_filter(argv[1]);
    }

    return cmocka_run_group_tests_name("permutation vectors", tests, NULL,
                                       NULL);
}
