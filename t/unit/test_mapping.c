
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A mapping gives what the permutation gives, in whatever order and density
 * positions are drawn, up to the last position of the range.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "mapping.h"


static const uint8_t  key[PERMUTATION_KEY_SIZE] =
    "the key of a range, 32 bytes...";


static void
check(mapping_t *mapping, permutation_t *p, uint64_t position)
{
    uint64_t  value, expected;

    assert_int_equal(permutation_map(p, &position, &expected, 1), 0);
    assert_int_equal(mapping_value(mapping, position, &value), 0);
    assert_int_equal(value, expected);
}


static void
test_same_as_the_permutation(void **state)
{
    size_t                  i;
    mapping_t               mapping;
    uint64_t                position, size, from;
    permutation_t          *p;
    static const uint64_t   sizes[] = {
        1, 31, 32, 33, 1000, 65536, 65537, 100001, INT64_MAX
    };
    static const uint64_t   steps[] = { 1, 2, 3, 5, 31, 32, 33, 1000 };

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 8; i++) {
        size = sizes[i / 8];
        from = size > 3000 ? size - 3000 : 0;

        p = permutation_create(key, size);
        assert_non_null(p);
        assert_int_equal(mapping_init(&mapping, key, size), 0);

        for (position = from; position < size; position += steps[i % 8]) {
            check(&mapping, p, position);
        }

        /* and back, among groups that were seen before */

        check(&mapping, p, from);
        check(&mapping, p, size - 1);
        check(&mapping, p, 0);

        mapping_destroy(&mapping);
        permutation_destroy(p);
    }
}


static void
test_groups_are_used_when_dense(void **state)
{
    mapping_t  mapping;
    uint64_t   position, value;

    (void) state;

    assert_int_equal(mapping_init(&mapping, key, 1000000), 0);

    for (position = 0; position < 2 * MAPPING_GROUP; position++) {
        assert_int_equal(mapping_value(&mapping, position, &value), 0);
    }

    assert_true(mapping.mapped);

    /* one of many workers */

    for ( /* void */ ; position < 100 * MAPPING_GROUP; position += 20) {
        assert_int_equal(mapping_value(&mapping, position, &value), 0);
    }

    assert_false(mapping.mapped);

    mapping_destroy(&mapping);
}


static void
test_out_of_range(void **state)
{
    mapping_t  mapping;
    uint64_t   position, value;

    (void) state;

    assert_int_equal(mapping_init(&mapping, key, 70000), 0);

    for (position = 69920; position < 70000; position++) {
        assert_int_equal(mapping_value(&mapping, position, &value), 0);
    }

    assert_true(mapping.mapped);

    for ( /* void */ ; position < 70100; position++) {
        assert_int_equal(mapping_value(&mapping, position, &value), -1);
    }

    mapping_destroy(&mapping);

    assert_int_equal(mapping_init(&mapping, key, 0), -1);
    assert_null(mapping.permutation);
}


static void
test_wiped(void **state)
{
    mapping_t  mapping, zero;

    (void) state;

    memset(&zero, 0, sizeof(zero));

    assert_int_equal(mapping_init(&mapping, key, 1000), 0);
    mapping_destroy(&mapping);
    assert_memory_equal(&mapping, &zero, sizeof(zero));

    mapping_destroy(&mapping);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same_as_the_permutation),
        cmocka_unit_test(test_groups_are_used_when_dense),
        cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_wiped),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
