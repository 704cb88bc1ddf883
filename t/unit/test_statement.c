
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The statements and their parameters: what is asked arrives to the letter,
 * what is not known as NULL, and the largest of it fits the buffer.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/statement.h"


#define DIGEST  "630dcd2966c4336691125448bbb25b4f"                            \
                "f412a49c732db2c8abc1b8581bd710dd"
#define UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define HOLDER  "00000000-0952-4004-84dd-89a6e6fe499f"

#define MANY    300


static const statement_caller_t  caller = { "numbers", HOLDER, 1500, 32 };

static const statement_ask_t  unknown = {
    .first = 1, .last = INT64_MAX, .want = 16, .with_key = 1
};

static const statement_ask_t  known = {
    .first = 0, .last = 9, .want = 0,
    .memory = { 5, 12, 192, 2, 7, UUID, DIGEST }
};


/* of exactly that size, for the sanitizer to see who writes beyond */

static char *
params(const char **values, const statement_ask_t *asks, size_t n)
{
    char                   *buf;
    size_t                  i;
    const statement_ask_t  *pointers[MANY];

    buf = malloc(statement_params_size(n));
    assert_non_null(buf);

    for (i = 0; i < n; i++) {
        pointers[i] = &asks[i];
    }

    statement_reserve_params(values, buf, &caller, pointers, n);

    return buf;
}


/* where the last of the first n texts ends that are not the caller's */

static size_t
used(const char *buf, const char **values, int n)
{
    int     i;
    size_t  end, last;

    last = 0;

    for (i = 0; i < n; i++) {
        if (values[i] && values[i] != caller.pool
            && values[i] != caller.holder)
        {
            end = (size_t) (values[i] - buf) + strlen(values[i]) + 1;
            last = end > last ? end : last;
        }
    }

    return last;
}


/* everything is as long as it can be, on the wire or not */

static statement_ask_t
longest(void)
{
    statement_ask_t  ask;

    ask = known;

    ask.first = UINT64_MAX;
    ask.last = UINT64_MAX;
    ask.want = UINT64_MAX;
    ask.memory.epoch = UINT64_MAX;
    ask.memory.serial = UINT64_MAX;
    ask.memory.reserved = UINT64_MAX;
    ask.memory.timeline = UINT64_MAX;
    ask.memory.holder_serial = UINT64_MAX;

    return ask;
}


static void
check(const char **values, const char *const *expected, int n)
{
    int  i;

    for (i = 0; i < n; i++) {
        if (expected[i] == NULL || values[i] == NULL) {
            assert_ptr_equal(values[i], expected[i]);
            continue;
        }

        assert_string_equal(values[i], expected[i]);
    }
}


static void
test_one_ask(void **state)
{
    char        *buf;
    const char  *values[STATEMENT_RESERVE_NPARAMS];

    static const char  *expected[] = {
        "numbers", HOLDER, "1500", "{1}", "{9223372036854775807}", "{0}",
        "{0}", "{NULL}", "{0}", "{0}", "{0}", "{NULL}", "{16}", "32",
        "{true}"
    };

    (void) state;

    buf = params(values, &unknown, 1);
    check(values, expected, STATEMENT_RESERVE_NPARAMS);
    free(buf);
}


static void
test_several_asks(void **state)
{
    char             *buf;
    const char       *values[STATEMENT_RESERVE_NPARAMS];
    statement_ask_t   asks[3];

    static const char  *expected[] = {
        "numbers", HOLDER, "1500", "{0,1,0}", "{9,9223372036854775807,9}",
        "{7,0,7}", "{5,0,5}", "{" UUID ",NULL," UUID "}", "{12,0,12}",
        "{192,0,192}", "{2,0,2}", "{" DIGEST ",NULL," DIGEST "}", "{0,16,0}",
        "32", "{false,true,false}"
    };

    (void) state;

    asks[0] = known;
    asks[1] = unknown;
    asks[2] = known;

    buf = params(values, asks, 3);

    /* they may change while the query is on its way */

    memset(asks, 0, sizeof(asks));

    check(values, expected, STATEMENT_RESERVE_NPARAMS);
    free(buf);
}


static void
test_the_longest_fit(void **state)
{
    char                *buf;
    size_t               i, n, size;
    const char          *values[STATEMENT_RESERVE_NPARAMS];
    statement_ask_t      asks[MANY];
    statement_caller_t   late;

    static const size_t  numbers[] = { 0, 1, 2, 256, MANY };

    (void) state;

    late = caller;
    late.lock_wait = UINT64_MAX;
    late.places = UINT64_MAX;

    for (i = 0; i < MANY; i++) {
        asks[i] = longest();
    }

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const statement_ask_t  *pointers[MANY];

        n = numbers[i];
        size = statement_params_size(n);

        buf = malloc(size);
        assert_non_null(buf);

        while (n--) {
            pointers[n] = &asks[n];
        }

        statement_reserve_params(values, buf, &late, pointers, numbers[i]);
        assert_true(used(buf, values, STATEMENT_RESERVE_NPARAMS) <= size);

        free(buf);
    }

    size = statement_params_size(1);

    buf = malloc(size);
    assert_non_null(buf);

    statement_give_back_params(values, buf, &late, &asks[0], "{0}", "{1}");
    assert_true(used(buf, values, 12) <= size);
    assert_string_equal(values[8], "18446744073709551615");
    assert_string_equal(values[11], "18446744073709551615");

    free(buf);
}


static void
test_giving_back(void **state)
{
    char        *buf;
    const char  *values[STATEMENT_GIVE_BACK_NPARAMS];

    static const char  *of_known[] = {
        "numbers", "0", "9", HOLDER, "7", "5", UUID, "12", "192", "2", DIGEST,
        "1500", "{3,8}", "{5,9}"
    };

    static const char  *of_unknown[] = {
        "numbers", "1", "9223372036854775807", HOLDER, "0", "0", NULL, "0",
        "0", "0", NULL, "1500", "{3,8}", "{5,9}"
    };

    (void) state;

    buf = malloc(statement_params_size(1));
    assert_non_null(buf);

    statement_give_back_params(values, buf, &caller, &known, of_known[12],
                               of_known[13]);
    check(values, of_known, STATEMENT_GIVE_BACK_NPARAMS);

    /* the arrays are the caller's own */

    assert_ptr_equal(values[12], of_known[12]);
    assert_ptr_equal(values[13], of_known[13]);

    statement_give_back_params(values, buf, &caller, &unknown, of_known[12],
                               of_known[13]);
    check(values, of_unknown, STATEMENT_GIVE_BACK_NPARAMS);

    free(buf);
}


/* as many as there are places for them, each used once */

static void
check_statement(const char *statement, int n)
{
    int          i;
    char         name[16];
    const char  *p;

    for (i = 1; i <= n; i++) {
        sprintf(name, "$%d%c", i, i < n ? ',' : ')');

        p = strstr(statement, name);
        assert_non_null(p);
        assert_null(strstr(p + 1, name));
    }

    sprintf(name, "$%d", n + 1);
    assert_null(strstr(statement, name));
}


static void
test_statements(void **state)
{
    (void) state;

    check_statement(statement_reserve, STATEMENT_RESERVE_NPARAMS);
    check_statement(statement_give_back, STATEMENT_GIVE_BACK_NPARAMS);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_one_ask),
        cmocka_unit_test(test_several_asks),
        cmocka_unit_test(test_the_longest_fit),
        cmocka_unit_test(test_giving_back),
        cmocka_unit_test(test_statements),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("statement", tests, NULL, NULL);
}
