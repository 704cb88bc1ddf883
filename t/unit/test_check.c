
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Check codes: what was published of them, and what others compute.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/alphabet.h"
#include "core/check.h"
#include "vectors.h"


static void
check_symbols(const char *name, uint64_t number, const char *symbols)
{
    const check_t  *check;
    unsigned char   buffer[CHECK_LEN + 1];

    check = check_find(name, strlen(name));
    assert_non_null(check);
    assert_int_equal(check->len, strlen(symbols));

    memset(buffer, '\0', sizeof(buffer));
    assert_ptr_equal(check_print(check, number, buffer), buffer + check->len);

    if (strcmp((char *) buffer, symbols) != 0) {
        fail_msg("%s of %llu is %s, and not %s", name,
                 (unsigned long long) number, (char *) buffer, symbols);
    }
}


static void
test_find(void **state)
{
    size_t             i;
    const check_t     *check;
    const alphabet_t  *alphabet;

    static const struct {
        const char  *name;
        const char  *alphabet;
        unsigned     len;
    } checks[] = {
        { "luhn", "decimal", 1 }, { "damm", "decimal", 1 },
        { "mod97", "decimal", 2 }, { "crockford", "base32", 1 },
        { "gf32", "base32", 1 }
    };

    static const char *const  others[] = {
        "", "luh", "luhns", "Luhn", "mod", "mod97-10", "verhoeff"
    };

    (void) state;

    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        check = check_find(checks[i].name, strlen(checks[i].name));
        assert_non_null(check);

        alphabet = alphabet_find(checks[i].alphabet,
                                 strlen(checks[i].alphabet));

        assert_string_equal(check->name, checks[i].name);
        assert_int_equal(check->base, alphabet->base);
        assert_int_equal(check->len, checks[i].len);
        assert_memory_equal(check->symbols, alphabet->symbols, check->base);
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(check_find(others[i], strlen(others[i])));
    }

    /* no further than it is told */

    assert_non_null(check_find("dammed", 4));
}


static void
test_published(void **state)
{
    (void) state;

    /* H. P. Luhn's number as it is in most texts; test numbers of cards */
    check_symbols("luhn", 7992739871, "3");
    check_symbols("luhn", 411111111111111, "1");
    check_symbols("luhn", 37828224631000, "5");

    check_symbols("damm", 572, "4");

    check_symbols("mod97", 794, "44");

    /* RF18 5390 0754 7034 of ISO 11649, whose letters are 27 and 15 */
    check_symbols("mod97", 5390075470342715, "18");

    /* 16JD in the manuals of several libraries */
    check_symbols("crockford", 1234, "D");
}


static void
test_extra_symbols(void **state)
{
    unsigned  i;
    char      symbol[2];

    (void) state;

    for (i = 0; i < 37; i++) {
        symbol[0] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"[i];
        symbol[1] = '\0';

        check_symbols("crockford", i, symbol);
        check_symbols("crockford", 37 * 1000003 + i, symbol);
    }
}


/* IBAN has no other ones, though 00, 01 and 99 have the same remainders */

static void
test_mod97_digits(void **state)
{
    uint64_t        n;
    unsigned        value;
    const check_t  *check;

    (void) state;

    check = check_find("mod97", 5);

    for (n = 0; n < 970; n++) {
        value = check->compute(n);

        assert_in_range(value, 2, 98);
        assert_int_equal((n * 100 + value) % 97, 1);
    }
}


/* symbol i times x^i, by another way: each product bit by bit */

static unsigned
gf32_times(unsigned a, unsigned b)
{
    int       i;
    unsigned  product;

    product = 0;

    for (i = 4; i >= 0; i--) {
        product <<= 1;
        product ^= product & 0x20 ? 0x25 : 0;
        product ^= b >> i & 1 ? a : 0;
    }

    return product;
}


static void
test_gf32_sum(void **state)
{
    int             i;
    uint64_t        n, rest;
    unsigned        sum, power;
    const check_t  *check;

    (void) state;

    check = check_find("gf32", 4);

    for (n = 1; n < UINT64_MAX / 5; n = n * 5 + 3) {
        sum = check->compute(n);
        power = 1;

        for (i = 1, rest = n; rest; i++, rest >>= 5) {
            power = gf32_times(power, 2);
            sum ^= gf32_times((unsigned) (rest & 31), power);
        }

        assert_int_equal(sum, 0);
    }
}


static void
test_vectors(void **state)
{
    size_t   i;
    json_t  *root, *vector;

    (void) state;

    root = vectors_load("check-vectors.json");

    json_array_foreach(vectors_array(root, "checks"), i, vector) {
        check_symbols(vectors_string(vector, "check"),
                      vectors_number(vector, "number"),
                      vectors_string(vector, "symbols"));
    }

    json_decref(root);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_extra_symbols),
        cmocka_unit_test(test_mod97_digits),
        cmocka_unit_test(test_gf32_sum),
        cmocka_unit_test(test_vectors)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
