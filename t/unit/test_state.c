
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The state on disk: what was written is read again, and of what was cut
 * short, changed, or written for somebody else, nothing.
 */


#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/state.h"


#define DIGEST  "630dcd2966c4336691125448bbb25b4f"                            \
                "f412a49c732db2c8abc1b8581bd710dd"
#define UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define OTHER   "00000000-0952-4004-84dd-89a6e6fe499f"


static const state_range_t  ranges[] = {
    { 1, 500000, { 1, 12, 192, 1, 0, UUID, DIGEST } },
    { 0, INT64_MAX - 1, { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 0, OTHER,
                          DIGEST } }
};

#define RANGES  (sizeof(ranges) / sizeof(ranges[0]))


static size_t
print(char **text)
{
    *text = malloc(state_len("numbers", RANGES));
    assert_non_null(*text);

    return state_print(*text, "numbers", ranges, RANGES);
}


static state_result_e
parse(const char *text, size_t len, const char *pool)
{
    size_t          n;
    char           *copy;
    state_range_t  *read;
    state_result_e  rc;

    /* of exactly that size, for the sanitizer to see who reads beyond */

    copy = malloc(len + !len);
    read = malloc(state_ranges(len) * sizeof(state_range_t));
    assert_non_null(copy);
    assert_non_null(read);

    memcpy(copy, text, len);

    rc = state_parse(copy, len, pool, read, &n);

    if (rc == STATE_OK) {
        assert_int_equal(n, RANGES);
        assert_memory_equal(read, ranges, sizeof(ranges));
    }

    free(copy);
    free(read);

    return rc;
}


static void
test_round_trip(void **state)
{
    char    *text;
    size_t   len;

    (void) state;

    len = print(&text);

    assert_true(len < state_len("numbers", RANGES));
    assert_int_equal(parse(text, len, "numbers"), STATE_OK);

    /* a person can read it */

    text[len] = '\0';
    assert_non_null(strstr(text, "\npool numbers\n"));
    assert_non_null(strstr(text, "\nrange 1-500000 epoch 1 incarnation " UUID
                                 " serial 12 reserved 192 timeline 1 key "
                                 DIGEST "\n"));

    free(text);
}


static void
test_empty(void **state)
{
    char    text[512];
    size_t  len, n;

    (void) state;

    len = state_print(text, "numbers", NULL, 0);

    assert_int_equal(state_parse(text, len, "numbers", NULL, &n), STATE_OK);
    assert_int_equal(n, 0);
}


static void
test_cut_short_or_changed(void **state)
{
    char    *text, c;
    size_t   len, i;

    (void) state;

    len = print(&text);

    for (i = 0; i < len; i++) {
        assert_int_equal(parse(text, i, "numbers"), STATE_DAMAGED);
    }

    for (i = 0; i < len; i++) {
        c = text[i];

        text[i] = c ^ 1;
        assert_int_not_equal(parse(text, len, "numbers"), STATE_OK);

        text[i] = '\0';
        assert_int_not_equal(parse(text, len, "numbers"), STATE_OK);

        text[i] = c;
    }

    text[len] = '\n';
    assert_int_equal(parse(text, len + 1, "numbers"), STATE_DAMAGED);

    free(text);
}


static void
test_of_somebody_else(void **state)
{
    char    *text;
    size_t   len;

    (void) state;

    len = print(&text);

    assert_int_equal(parse(text, len, "number"), STATE_FOREIGN);
    assert_int_equal(parse(text, len, "numbers2"), STATE_FOREIGN);
    assert_int_equal(parse(text, len, ""), STATE_FOREIGN);

    text[strlen("unique_random state ")] = '2';
    assert_int_equal(parse(text, len, "numbers"), STATE_LATER);

    free(text);
}


static void
test_merge(void **state)
{
    size_t         n;
    state_range_t  all[3], range;

    (void) state;

    n = 0;

    assert_int_equal(state_merge(all, &n, &ranges[0]), MEMORY_CHANGED);
    assert_int_equal(state_merge(all, &n, &ranges[1]), MEMORY_CHANGED);
    assert_int_equal(state_merge(all, &n, &ranges[0]), MEMORY_SAME);
    assert_int_equal(n, 2);

    /* within a life the higher of each number */

    range = ranges[0];
    range.memory.serial = 11;
    range.memory.reserved = 500;
    range.memory.timeline = 0;

    assert_int_equal(state_merge(all, &n, &range), MEMORY_CHANGED);
    assert_int_equal(n, 2);
    assert_int_equal(all[0].memory.serial, 12);
    assert_int_equal(all[0].memory.reserved, 500);
    assert_int_equal(all[0].memory.timeline, 1);

    /* a later life as it is, an earlier one not at all */

    range.memory.epoch = 2;
    strcpy(range.memory.incarnation, OTHER);

    assert_int_equal(state_merge(all, &n, &range), MEMORY_CHANGED);
    assert_int_equal(n, 2);
    assert_memory_equal(&all[0], &range, sizeof(range));

    assert_int_equal(state_merge(all, &n, &ranges[0]), MEMORY_SAME);
    assert_int_equal(n, 2);
    assert_memory_equal(&all[0], &range, sizeof(range));

    /* other bounds are another range */

    range.last++;
    assert_int_equal(state_merge(all, &n, &range), MEMORY_CHANGED);
    assert_int_equal(n, 3);
    assert_memory_equal(&all[1], &ranges[1], sizeof(range));
}


/* the evidence is what was there before */

static void
test_the_older_one_stays(void **state)
{
    size_t         n;
    state_range_t  all[2], range;

    (void) state;

    n = 0;
    state_merge(all, &n, &ranges[0]);
    state_merge(all, &n, &ranges[1]);

    range = ranges[0];
    range.memory.serial = 100;
    strcpy(range.memory.incarnation, OTHER);

    assert_int_equal(state_merge(all, &n, &range), MEMORY_CONFLICT);
    assert_memory_equal(all, ranges, sizeof(all));

    /* nor does another key get in with a later life */

    range = ranges[0];
    range.memory.epoch = 2;
    range.memory.digest[0] = 'f';

    assert_int_equal(state_merge(all, &n, &range), MEMORY_CONFLICT);
    assert_memory_equal(all, ranges, sizeof(all));
    assert_int_equal(n, 2);
}


/* it is of a zone, and no news for the disk */

static void
test_no_serial_of_a_holder(void **state)
{
    size_t         n;
    state_range_t  all[1], range;

    (void) state;

    n = 0;
    range = ranges[0];
    range.memory.holder_serial = 12;

    assert_int_equal(state_merge(all, &n, &range), MEMORY_CHANGED);
    assert_memory_equal(all, ranges, sizeof(all));
    assert_int_equal(range.memory.holder_serial, 12);

    range.memory.holder_serial = 13;
    assert_int_equal(state_merge(all, &n, &range), MEMORY_SAME);

    range.memory.epoch++;
    assert_int_equal(state_merge(all, &n, &range), MEMORY_CHANGED);
    assert_int_equal(all[0].memory.holder_serial, 0);
}


static void
test_name(void **state)
{
    char  name[64];

    (void) state;

    state_name(name, (const unsigned char *) "Numbers-1_a.b", 13);
    assert_string_equal(name, "Numbers-1_a.b");

    state_name(name, (const unsigned char *) "../a b\n\xc3\xa4%", 10);
    assert_string_equal(name, "..%2Fa%20b%0A%C3%A4%25");

    state_name(name, (const unsigned char *) "a\0b", 3);
    assert_string_equal(name, "a%00b");

    state_name(name, (const unsigned char *) "", 0);
    assert_string_equal(name, "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_cut_short_or_changed),
        cmocka_unit_test(test_of_somebody_else),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_the_older_one_stays),
        cmocka_unit_test(test_no_serial_of_a_holder),
        cmocka_unit_test(test_name),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
