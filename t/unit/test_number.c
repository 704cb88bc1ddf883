
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Decimal numbers, in and out: printed like printf() does, and nothing but
 * digits is read.
 */


#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/number.h"


static void
check_print(uint64_t number)
{
    char            expected[NUMBER_LEN + 1];
    unsigned char   buffer[NUMBER_LEN + 2], *first, *last;

    memset(buffer, '#', sizeof(buffer));

    last = buffer + sizeof(buffer) - 1;
    first = number_print(last, number);

    snprintf(expected, sizeof(expected), "%" PRIu64, number);

    assert_int_equal(last - first, strlen(expected));
    assert_memory_equal(first, expected, last - first);

    assert_int_equal(*last, '#');
    assert_int_equal(*(first - 1), '#');
}


static void
test_print(void **state)
{
    uint64_t  n, power;

    (void) state;

    for (n = 0; n < 100000; n++) {
        check_print(n);
    }

    for (power = 10; /* void */ ; power *= 10) {
        check_print(power - 1);
        check_print(power);
        check_print(power + 1);

        if (power > UINT64_MAX / 10) {
            break;
        }
    }

    check_print(INT64_MAX);
    check_print(UINT64_MAX);
}


static void
test_parse(void **state)
{
    size_t    i;
    uint64_t  number;

    static const struct {
        const char  *text;
        uint64_t     number;
    } good[] = {
        { "0", 0 }, { "000", 0 }, { "7", 7 }, { "0042", 42 },
        { "9223372036854775807", INT64_MAX }
    };

    static const char *const  bad[] = {
        "", " 1", "1 ", "+1", "-1", "1a", "0x1", "1.0", "1_000",
        "9223372036854775808", "9223372036854775810", "18446744073709551615",
        "99999999999999999999"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(number_parse(good[i].text, strlen(good[i].text),
                                      &number), 0);
        assert_true(number == good[i].number);
    }

    number = 42;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(number_parse(bad[i], strlen(bad[i]), &number), -1);
    }

    assert_true(number == 42);

    /* no further than it is told */

    assert_int_equal(number_parse("123", 2, &number), 0);
    assert_true(number == 12);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_parse)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
