
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Against a count of one bit after another.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/domain.h"


/* chances of a bit to be set, in 1000 */
static const unsigned  densities[] = { 0, 1, 5, 100, 500, 900, 999, 1000 };

static const uint64_t  sizes[] = {
    1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 4096, 100003,
    DOMAIN_CHUNK - 1, DOMAIN_CHUNK, DOMAIN_CHUNK + 1, 2 * DOMAIN_CHUNK + 777
};

/* more than are selected at once */
#define MANY  150

#define elements(a)  (sizeof(a) / sizeof(a[0]))


static uint64_t  seed = 1;


static uint64_t
next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return seed;
}


static uint8_t *
random_bytes(uint64_t n, unsigned density)
{
    uint8_t   *bytes;
    uint64_t   i;

    bytes = calloc((size_t) (n + 7) / 8, 1);
    assert_non_null(bytes);

    for (i = 0; i < n; i++) {
        if (next() % 1000 < density) {
            bytes[i / 8] |= (uint8_t) (1 << i % 8);
        }
    }

    return bytes;
}


static void
put_all(domain_t *domain, const uint8_t *bytes)
{
    uint64_t  i;

    for (i = 0; domain_chunk_len(domain, i); i++) {
        assert_int_equal(domain_put(domain, i, bytes), 0);
        bytes += domain_chunk_len(domain, i);
    }
}


static uint64_t
select_one(const domain_t *domain, uint64_t k)
{
    domain_select(domain, &k, 1);

    return k;
}


/* many at once, in another order than that of their places */

static void
check_many(const domain_t *domain)
{
    uint64_t  i, j, k, members, values[MANY];

    members = *domain->size;

    for (i = 0; i < members; i += j) {

        for (j = 0; j < MANY && i + j < members; j++) {
            values[j] = members - 1 - i - j;
        }

        domain_select(domain, values, (size_t) j);

        for (k = 0; k < j; k++) {
            assert_true(domain_has(domain, values[k]));
            assert_int_equal(domain_rank(domain, values[k]),
                             members - 1 - i - k);
        }
    }
}


static void
check(uint64_t n, unsigned density)
{
    void      *memory;
    uint8_t   *bytes;
    uint64_t   i, members;
    domain_t   domain;

    /* what lay there before is of no account, nor is what lies behind */

    memory = malloc(domain_memory(n) + 8);
    assert_non_null(memory);
    memset(memory, 0xa5, domain_memory(n) + 8);

    bytes = random_bytes(n, density);

    domain_init(&domain, memory, n);
    put_all(&domain, bytes);

    members = 0;

    for (i = 0; i < n; i++) {
        assert_int_equal(domain_rank(&domain, i), members);
        assert_int_equal(domain_has(&domain, i), bytes[i / 8] >> i % 8 & 1);

        if (domain_has(&domain, i)) {
            assert_int_equal(select_one(&domain, members), i);
            members++;
        }
    }

    assert_int_equal(*domain.size, members);

    check_many(&domain);

    for (i = 0; i < 8; i++) {
        assert_int_equal(((uint8_t *) memory)[domain_memory(n) + i], 0xa5);
    }

    free(bytes);
    free(memory);
}


static void
test_all_sizes(void **state)
{
    size_t  i, j;

    (void) state;

    for (i = 0; i < elements(sizes); i++) {
        for (j = 0; j < elements(densities); j++) {
            check(sizes[i], densities[j]);
        }
    }
}


/* a first and a last member with all of the samples' stretch between them */

static void
test_far_apart(void **state)
{
    void      *memory;
    uint8_t   *bytes;
    domain_t   domain;

    const uint64_t  n = 3 * DOMAIN_CHUNK + 5;

    (void) state;

    memory = malloc(domain_memory(n));
    bytes = calloc((size_t) (n + 7) / 8, 1);

    assert_non_null(memory);
    assert_non_null(bytes);

    memset(bytes, 0xff, 64);
    bytes[(n - 1) / 8] |= (uint8_t) (1 << (n - 1) % 8);

    domain_init(&domain, memory, n);
    put_all(&domain, bytes);

    assert_int_equal(*domain.size, 513);
    assert_int_equal(select_one(&domain, 0), 0);
    assert_int_equal(select_one(&domain, 511), 511);
    assert_int_equal(select_one(&domain, 512), n - 1);
    assert_int_equal(domain_rank(&domain, n - 1), 512);

    free(bytes);
    free(memory);
}


static void
test_bits_beyond(void **state)
{
    uint8_t    bytes[2] = { 0xff, 0x01 };
    uint64_t   memory[64];
    domain_t   domain;

    (void) state;

    assert_true(domain_memory(9) <= sizeof(memory));

    domain_init(&domain, memory, 9);

    assert_int_equal(domain_put(&domain, 0, bytes), 0);
    assert_int_equal(*domain.size, 9);

    bytes[1] = 0x03;
    assert_int_equal(domain_put(&domain, 0, bytes), -1);

    bytes[1] = 0x80;
    assert_int_equal(domain_put(&domain, 0, bytes), -1);
}


static void
test_chunks(void **state)
{
    uint64_t   memory[8];
    domain_t   domain;

    (void) state;

    domain_init(&domain, memory, DOMAIN_CHUNK + 9);

    assert_int_equal(domain_chunk_len(&domain, 0), DOMAIN_CHUNK / 8);
    assert_int_equal(domain_chunk_len(&domain, 1), 2);
    assert_int_equal(domain_chunk_len(&domain, 2), 0);

    domain_init(&domain, memory, DOMAIN_MAX);

    assert_int_equal(domain_chunk_len(&domain, 1023), DOMAIN_CHUNK / 8);
    assert_int_equal(domain_chunk_len(&domain, 1024), 0);
}


/* a second time, as by one who goes on where another was killed */

static void
test_put_again(void **state)
{
    void      *memory;
    uint8_t   *bytes;
    uint64_t   size;
    domain_t   domain;

    const uint64_t  n = DOMAIN_CHUNK + 1000;

    (void) state;

    memory = malloc(domain_memory(n));
    assert_non_null(memory);

    bytes = random_bytes(n, 300);

    domain_init(&domain, memory, n);
    put_all(&domain, bytes);
    size = *domain.size;

    assert_int_equal(domain_put(&domain, 0, bytes), 0);
    put_all(&domain, bytes);

    assert_int_equal(*domain.size, size);
    assert_int_equal(domain_rank(&domain, select_one(&domain, size - 1)),
                     size - 1);

    free(bytes);
    free(memory);
}


/* by one process, while another one selects what it has drawn before */

static void
test_put_over(void **state)
{
    void      *memory;
    size_t     i;
    uint8_t   *bytes;
    uint64_t   k, size;
    domain_t   domain;

    const uint64_t  n = DOMAIN_CHUNK + 1000;

    (void) state;

    memory = malloc(domain_memory(n));
    assert_non_null(memory);

    domain_init(&domain, memory, n);

    for (i = 0; i < elements(densities); i++) {
        bytes = random_bytes(n, 999);
        put_all(&domain, bytes);
        free(bytes);

        size = *domain.size;

        bytes = random_bytes(n, densities[i]);
        assert_int_equal(domain_put(&domain, 0, bytes), 0);
        free(bytes);

        for (k = 0; k < size; k++) {
            assert_true(select_one(&domain, k) <= n + 512);
        }
    }

    free(memory);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_all_sizes),
        cmocka_unit_test(test_far_apart),
        cmocka_unit_test(test_bits_beyond),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_put_again),
        cmocka_unit_test(test_put_over)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
