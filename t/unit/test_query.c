
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Arguments of a query string: which one counts, and what it means.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/query.h"


#define PLACE  8


/* looked for is "number" */

static const struct {
    const char     *args;
    query_found_e   found;
    const char     *value;
} finds[] = {

    { "", QUERY_NONE, NULL },
    { "&", QUERY_NONE, NULL },
    { "=", QUERY_NONE, NULL },
    { "=5", QUERY_NONE, NULL },
    { "count=5", QUERY_NONE, NULL },
    { "numbe=5", QUERY_NONE, NULL },
    { "numbers=5", QUERY_NONE, NULL },
    { "Number=5", QUERY_NONE, NULL },
    { " number=5", QUERY_NONE, NULL },
    { "a=number", QUERY_NONE, NULL },
    { "a=number=5", QUERY_NONE, NULL },
    { "a;number=5", QUERY_NONE, NULL },

    { "number", QUERY_ONE, "" },
    { "number=", QUERY_ONE, "" },
    { "number=&a=1", QUERY_ONE, "" },
    { "number&a=1", QUERY_ONE, "" },
    { "number=5", QUERY_ONE, "5" },
    { "number=5&", QUERY_ONE, "5" },
    { "&&number=5&&", QUERY_ONE, "5" },
    { "a=1&number=5", QUERY_ONE, "5" },
    { "number=5&numbers=6", QUERY_ONE, "5" },
    { "number==5=6", QUERY_ONE, "=5=6" },
    { "number=%zz+", QUERY_ONE, "%zz+" },

    /* however it is written */

    { "%6eumber=5", QUERY_ONE, "5" },
    { "%6E%75%6d%62%65%72=5", QUERY_ONE, "5" },
    { "numbe%72", QUERY_ONE, "" },
    { "numbe%7=5", QUERY_NONE, NULL },
    { "numbe%", QUERY_NONE, NULL },
    { "number%=5", QUERY_NONE, NULL },
    { "number%00=5", QUERY_NONE, NULL },
    { "number%26=5", QUERY_NONE, NULL },
    { "number%3d5", QUERY_NONE, NULL },

    { "number=5&number=5", QUERY_MANY, "5" },
    { "number=5&number", QUERY_MANY, "5" },
    { "number&number=5", QUERY_MANY, "" },
    { "number=5&a=1&%6eumber=6&number=7", QUERY_MANY, "5" }
};


/* into PLACE bytes; without a meaning, there is none */

static const struct {
    const char  *value;
    const char  *meaning;
    size_t       len;
} meanings[] = {

    { "", "", 0 },
    { "5", "5", 1 },
    { "12345678", "12345678", 8 },
    { "123456789", NULL, 0 },
    { "%31%32%33%34%35%36%37%38", "12345678", 8 },
    { "1234567%38%39", NULL, 0 },

    { "+a+", " a ", 3 },
    { "%2B", "+", 1 },
    { "%2f%3A%3a", "/::", 3 },
    { "%00", "\0", 1 },
    { "%fF", "\xff", 1 },
    { "%2525", "%25", 3 },
    { "a=b", "a=b", 3 },
    { "\xc3\xa4", "\xc3\xa4", 2 },

    { "%", NULL, 0 },
    { "%4", NULL, 0 },
    { "5%", NULL, 0 },
    { "%%31", NULL, 0 },
    { "%4g", NULL, 0 },
    { "%g4", NULL, 0 },
    { "%-1", NULL, 0 },
    { "%1+", NULL, 0 },
    { "%@A", NULL, 0 },
    { "%1`", NULL, 0 },
    { "%\x10" "0", NULL, 0 }
};


static void
test_find(void **state)
{
    size_t         i;
    const char    *args;
    query_found_e  found;
    query_value_t  value;

    (void) state;

    for (i = 0; i < sizeof(finds) / sizeof(finds[0]); i++) {
        args = finds[i].args;

        value.data = NULL;
        value.len = 99;

        found = query_find((const unsigned char *) args, strlen(args),
                           "number", &value);

        if (found != finds[i].found) {
            fail_msg("\"%s\" got %d, not %d", args, found, finds[i].found);
        }

        if (found == QUERY_NONE) {
            assert_null(value.data);
            assert_int_equal(value.len, 99);
            continue;
        }

        assert_int_equal(value.len, strlen(finds[i].value));
        assert_memory_equal(value.data, finds[i].value, value.len);
    }
}


static void
test_find_nothing(void **state)
{
    query_value_t  value;

    (void) state;

    assert_int_equal(query_find(NULL, 0, "number", &value), QUERY_NONE);
}


static void
test_decode(void **state)
{
    int            rc;
    size_t         i, len;
    query_value_t  value;
    unsigned char  to[PLACE + 1];

    (void) state;

    for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        value.data = (const unsigned char *) meanings[i].value;
        value.len = strlen(meanings[i].value);

        to[PLACE] = '!';
        len = 99;

        rc = query_decode(&value, to, PLACE, &len);

        if (rc != (meanings[i].meaning ? 0 : -1)) {
            fail_msg("\"%s\" got %d", meanings[i].value, rc);
        }

        assert_int_equal(to[PLACE], '!');

        if (rc == 0) {
            assert_int_equal(len, meanings[i].len);
            assert_memory_equal(to, meanings[i].meaning, len);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_nothing),
        cmocka_unit_test(test_decode)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
