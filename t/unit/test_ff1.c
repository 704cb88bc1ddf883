
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * FF1: groups, the limits of its parameters, and what it does when libcrypto
 * fails.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/ff1.h"
#include "probe.h"


#define KEY_MAX  32


static const uint8_t  key[KEY_MAX] = {
    0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe,
    0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81,
    0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7,
    0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4
};


static void
check_groups(uint32_t radix, uint32_t len, uint64_t limit)
{
    ff1_t     *ff1;
    size_t     i, n;
    uint64_t   a[FF1_GROUP], b[FF1_GROUP], x[FF1_GROUP], y[FF1_GROUP];

    ff1 = ff1_create(key, sizeof(key), radix, len, NULL, 0);
    assert_non_null(ff1);

    for (n = 0; n <= FF1_GROUP; n++) {

        for (i = 0; i < n; i++) {
            a[i] = x[i] = (i * 7919 + n) % limit;
            b[i] = y[i] = limit - 1 - i;
        }

        assert_int_equal(ff1_encrypt(ff1, a, b, n), 0);

        for (i = 0; i < n; i++) {
            assert_int_equal(ff1_encrypt(ff1, &x[i], &y[i], 1), 0);
            assert_int_equal(a[i], x[i]);
            assert_int_equal(b[i], y[i]);
        }

        assert_int_equal(ff1_decrypt(ff1, a, b, n), 0);

        for (i = 0; i < n; i++) {
            assert_int_equal(a[i], (i * 7919 + n) % limit);
            assert_int_equal(b[i], limit - 1 - i);
        }
    }

    ff1_destroy(ff1);
}


static void
test_groups_equal_single_strings(void **state)
{
    (void) state;

    check_groups(2, 20, 1024);
    check_groups(2, 63, 1 << 30);
    check_groups(2, 126, (uint64_t) 1 << 63);
    check_groups(10, 7, 1000);
    check_groups(10, 38, 10000000000000000000u);
    check_groups(65536, 6, (uint64_t) 1 << 48);
}


static void
test_one_aes_call_a_round(void **state)
{
    ff1_t     *ff1;
    uint64_t   a[FF1_GROUP], b[FF1_GROUP];

    (void) state;

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    ff1 = ff1_create(key, sizeof(key), 10, 19, key, 30);
    assert_non_null(ff1);

    probe_reset();
    assert_int_equal(ff1_encrypt(ff1, a, b, 1), 0);
    assert_int_equal(probe.updates, 10);

    probe_reset();
    assert_int_equal(ff1_decrypt(ff1, a, b, FF1_GROUP), 0);
    assert_int_equal(probe.updates, 10);

    assert_int_equal(probe.inits, 0);
    assert_int_equal(probe.allocations, 0);

    ff1_destroy(ff1);
}


static const struct {
    size_t     key_len;
    uint32_t   radix;
    uint32_t   len;
    size_t     tweak_len;
    int        supported;
} parameters[] = {
    { 32,     2,         20,   0, 1 },
    { 24,     2,         20,   0, 1 },
    { 16,     2,         20,   0, 1 },
    {  0,     2,         20,   0, 0 },
    { 15,     2,         20,   0, 0 },
    { 31,     2,         20,   0, 0 },
    { 33,     2,         20,   0, 0 },

    { 32,     0,         20,   0, 0 },
    { 32,     1,         20,   0, 0 },
    { 32, 65536,          2,   0, 1 },
    { 32, 65537,          2,   0, 0 },

    { 32,     2,          0,   0, 0 },
    { 32,     2,         19,   0, 0 },
    { 32,    10,          5,   0, 0 },
    { 32,    10,          6,   0, 1 },
    { 32,  1000,          2,   0, 1 },
    { 32,   999,          2,   0, 0 },
    { 32, 65536,          1,   0, 0 },

    { 32,     2,        126,   0, 1 },
    { 32,     2,        127,   0, 0 },
    { 32,     2,        128,   0, 0 },
    { 32,    10,         38,   0, 1 },
    { 32,    10,         39,   0, 0 },
    { 32, 65536,          7,   0, 0 },
    { 32,     2, UINT32_MAX,   0, 0 },

    { 32,     2,         20, 256, 1 },
    { 32,     2,         20, 257, 0 },
    { 32,     2,        126, 256, 1 },
};


static void
test_parameters(void **state)
{
    ff1_t    *ff1;
    size_t    i;
    uint8_t   bytes[FF1_TWEAK_MAX + 1];

    (void) state;

    memset(bytes, 7, sizeof(bytes));

    for (i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        ff1 = ff1_create(bytes, parameters[i].key_len, parameters[i].radix,
                         parameters[i].len, bytes, parameters[i].tweak_len);

        if ((ff1 != NULL) != parameters[i].supported) {
            fail_msg("case %u", (unsigned) i);
        }

        ff1_destroy(ff1);
    }
}


static void
test_halves_out_of_range(void **state)
{
    size_t     i;
    ff1_t     *ff1;
    uint64_t   a[FF1_GROUP + 1], b[FF1_GROUP + 1];

    (void) state;

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    /* a has three numerals, b has four */
    ff1 = ff1_create(key, sizeof(key), 10, 7, NULL, 0);
    assert_non_null(ff1);

    assert_int_equal(ff1_encrypt(ff1, a, b, FF1_GROUP + 1), -1);
    assert_int_equal(ff1_decrypt(ff1, a, b, FF1_GROUP + 1), -1);

    a[2] = 1000;
    assert_int_equal(ff1_encrypt(ff1, a, b, 3), -1);
    assert_int_equal(ff1_decrypt(ff1, a, b, 3), -1);

    a[2] = 999;
    b[2] = 10000;
    assert_int_equal(ff1_encrypt(ff1, a, b, 3), -1);
    assert_int_equal(ff1_decrypt(ff1, a, b, 3), -1);

    for (i = 0; i < FF1_GROUP + 1; i++) {
        assert_int_equal(a[i], i == 2 ? 999 : 0);
        assert_int_equal(b[i], i == 2 ? 10000 : 0);
    }

    b[2] = 9999;
    assert_int_equal(ff1_encrypt(ff1, a, b, 3), 0);
    assert_int_equal(ff1_decrypt(ff1, a, b, 3), 0);
    assert_int_equal(a[2], 999);
    assert_int_equal(b[2], 9999);

    ff1_destroy(ff1);
}


static void
test_keys_and_tweaks_matter(void **state)
{
    size_t     i;
    ff1_t     *ff1[3];
    uint8_t    other[KEY_MAX];
    uint64_t   a[3], b[3];

    (void) state;

    memcpy(other, key, sizeof(key));
    other[KEY_MAX - 1] ^= 1;

    ff1[0] = ff1_create(key, sizeof(key), 2, 62, key, 8);
    ff1[1] = ff1_create(other, sizeof(other), 2, 62, key, 8);
    ff1[2] = ff1_create(key, sizeof(key), 2, 62, key, 9);

    for (i = 0; i < 3; i++) {
        assert_non_null(ff1[i]);

        a[i] = 1;
        b[i] = 2;
        assert_int_equal(ff1_encrypt(ff1[i], &a[i], &b[i], 1), 0);

        ff1_destroy(ff1[i]);
    }

    assert_int_not_equal(a[0], a[1]);
    assert_int_not_equal(a[0], a[2]);
    assert_int_not_equal(a[1], a[2]);
}


static void
test_libcrypto_fails(void **state)
{
    ff1_t     *ff1;
    uint64_t   a, b, x, y;
    unsigned   call;

    (void) state;

    ff1 = ff1_create(key, sizeof(key), 2, 40, NULL, 0);
    assert_non_null(ff1);

    for (call = 1; call <= 10; call++) {
        a = b = x = y = 5;

        probe_reset();
        probe.failing_update = call;
        assert_int_equal(ff1_encrypt(ff1, &a, &b, 1), -1);

        probe_reset();
        probe.failing_update = call;
        assert_int_equal(ff1_decrypt(ff1, &x, &y, 1), -1);
    }

    probe_reset();

    /* one failure leaves nothing behind that a later call could trip over */

    a = b = 5;
    assert_int_equal(ff1_encrypt(ff1, &a, &b, 1), 0);
    assert_int_equal(ff1_decrypt(ff1, &a, &b, 1), 0);
    assert_int_equal(a, 5);
    assert_int_equal(b, 5);

    ff1_destroy(ff1);

    /* the blocks before the last one are encrypted once, on creation */

    probe_reset();
    probe.failing_update = 2;
    assert_null(ff1_create(key, sizeof(key), 2, 40, key, 16));

    probe_reset();
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_groups_equal_single_strings),
        cmocka_unit_test(test_one_aes_call_a_round),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_halves_out_of_range),
        cmocka_unit_test(test_keys_and_tweaks_matter),
        cmocka_unit_test(test_libcrypto_fails),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    if (probe_install() != 0) {
        return 1;
    }

    return cmocka_run_group_tests_name("ff1", tests, NULL, NULL);
}
