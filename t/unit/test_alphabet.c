
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Alphabets: their symbols, and numbers written with them.
 */


#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/alphabet.h"


static const struct {
    const char  *name;
    unsigned     base;
    unsigned     width;         /* of 2^64 - 1 */
    const char  *most;          /* that number */
} alphabets[] = {
    { "decimal", 10, 20, "18446744073709551615" },
    { "hex", 16, 16, "ffffffffffffffff" },
    { "base32", 32, 13, "FZZZZZZZZZZZZ" },
    { "base58", 58, 11, "jpXCZedGfVQ" },
    { "base62", 62, 11, "LygHa16AHYF" }
};

#define ALPHABETS  (sizeof(alphabets) / sizeof(alphabets[0]))


static const alphabet_t *
find(const char *name)
{
    return alphabet_find(name, strlen(name));
}


static void
test_find(void **state)
{
    size_t             i;
    const alphabet_t  *alphabet;

    static const char *const  others[] = {
        "", "d", "decima", "decimals", "Decimal", "base64", "base32 ", "HEX"
    };

    (void) state;

    for (i = 0; i < ALPHABETS; i++) {
        alphabet = find(alphabets[i].name);

        assert_non_null(alphabet);
        assert_string_equal(alphabet->name, alphabets[i].name);
        assert_int_equal(alphabet->base, alphabets[i].base);
        assert_int_equal(strlen(alphabet->symbols), alphabets[i].base);
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(find(others[i]));
    }

    /* no further than it is told */

    assert_non_null(alphabet_find("hexagon", 3));
}


static void
test_values(void **state)
{
    int                ch;
    size_t             i;
    unsigned           n;
    const char        *symbol;
    const alphabet_t  *alphabet;

    (void) state;

    for (i = 0; i < ALPHABETS; i++) {
        alphabet = find(alphabets[i].name);

        for (ch = 0, n = 0; ch < 256; ch++) {
            symbol = ch ? strchr(alphabet->symbols, ch) : NULL;

            assert_int_equal(alphabet_value(alphabet, (unsigned char) ch),
                             symbol ? (int) (symbol - alphabet->symbols) : -1);
            n += symbol != NULL;
        }

        assert_int_equal(n, alphabet->base);
    }
}


static void
test_symbols(void **state)
{
    const char  *p;

    (void) state;

    for (p = "ILOUilou"; *p; p++) {
        assert_int_equal(alphabet_value(find("base32"), (unsigned char) *p),
                         -1);
    }

    for (p = "0OIl"; *p; p++) {
        assert_int_equal(alphabet_value(find("base58"), (unsigned char) *p),
                         -1);
    }

    assert_int_equal(alphabet_value(find("hex"), 'A'), -1);
    assert_int_equal(alphabet_value(find("base62"), 'A'), 10);
    assert_int_equal(alphabet_value(find("base62"), 'a'), 36);
}


static void
check_number(const alphabet_t *alphabet, uint64_t number)
{
    unsigned        i, width;
    uint64_t        back;
    unsigned char   buffer[24], *last;

    width = alphabet_width(alphabet, number);

    memset(buffer, '#', sizeof(buffer));

    last = alphabet_print(alphabet, number, width, buffer + 1);

    assert_int_equal(last - buffer, width + 1);
    assert_int_equal(buffer[0], '#');
    assert_int_equal(*last, '#');

    back = 0;

    for (i = 1; i <= width; i++) {
        back = back * alphabet->base
               + (unsigned) alphabet_value(alphabet, buffer[i]);
    }

    assert_true(back == number);

    if (width > 1) {
        assert_int_not_equal(buffer[1], alphabet->symbols[0]);
    }
}


static void
test_print(void **state)
{
    size_t             i;
    uint64_t           n, power;
    const alphabet_t  *alphabet;

    (void) state;

    for (i = 0; i < ALPHABETS; i++) {
        alphabet = find(alphabets[i].name);

        for (n = 0; n < 10000; n++) {
            check_number(alphabet, n);
        }

        for (power = alphabet->base; /* void */ ; power *= alphabet->base) {
            check_number(alphabet, power - 1);
            check_number(alphabet, power);
            check_number(alphabet, power + 1);

            if (power > UINT64_MAX / alphabet->base) {
                break;
            }
        }

        check_number(alphabet, INT64_MAX);
        check_number(alphabet, UINT64_MAX);
    }
}


/* as printf() does, and with zeros before it */

static void
test_printf(void **state)
{
    int            len;
    char           expected[24];
    uint64_t       n;
    unsigned char  buffer[24];

    (void) state;

    for (n = 1; n < UINT64_MAX / 7; n = n * 7 + 3) {
        len = snprintf(expected, sizeof(expected), "%020" PRIu64, n);
        (void) alphabet_print(find("decimal"), n, (unsigned) len, buffer);
        assert_memory_equal(buffer, expected, (size_t) len);

        len = snprintf(expected, sizeof(expected), "%020" PRIx64, n);
        (void) alphabet_print(find("hex"), n, (unsigned) len, buffer);
        assert_memory_equal(buffer, expected, (size_t) len);
    }
}


static void
test_width(void **state)
{
    size_t             i;
    unsigned char      buffer[24];
    const alphabet_t  *alphabet;

    (void) state;

    for (i = 0; i < ALPHABETS; i++) {
        alphabet = find(alphabets[i].name);

        assert_int_equal(alphabet_width(alphabet, 0), 1);
        assert_int_equal(alphabet_width(alphabet, alphabet->base - 1), 1);
        assert_int_equal(alphabet_width(alphabet, alphabet->base), 2);
        assert_int_equal(alphabet_width(alphabet, UINT64_MAX),
                         alphabets[i].width);

        (void) alphabet_print(alphabet, UINT64_MAX, alphabets[i].width, buffer);
        assert_memory_equal(buffer, alphabets[i].most, alphabets[i].width);

        /* a width that is too small is no reason to write elsewhere */

        memset(buffer, '#', sizeof(buffer));
        (void) alphabet_print(alphabet, UINT64_MAX, 3, buffer + 1);
        assert_memory_equal(buffer + 1,
                            alphabets[i].most + alphabets[i].width - 3, 3);
        assert_int_equal(buffer[0], '#');
        assert_int_equal(buffer[4], '#');
    }
}


static void
test_fold(void **state)
{
    int            ch;
    unsigned char  folded;

    (void) state;

    for (ch = 0; ch < 256; ch++) {
        folded = alphabet_fold(find("hex"), (unsigned char) ch);
        assert_int_equal(folded, ch >= 'A' && ch <= 'F' ? ch - 'A' + 'a' : ch);

        folded = alphabet_fold(find("base32"), (unsigned char) ch);

        if (ch && strchr("iIlL", ch)) {
            assert_int_equal(folded, '1');

        } else if (ch && strchr("oO", ch)) {
            assert_int_equal(folded, '0');

        } else {
            assert_int_equal(folded,
                             ch >= 'a' && ch <= 'z' ? ch - 'a' + 'A' : ch);
        }

        assert_int_equal(alphabet_fold(find("decimal"), (unsigned char) ch),
                         ch);
        assert_int_equal(alphabet_fold(find("base58"), (unsigned char) ch),
                         ch);
        assert_int_equal(alphabet_fold(find("base62"), (unsigned char) ch),
                         ch);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_fold)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("alphabet", tests, NULL, NULL);
}
