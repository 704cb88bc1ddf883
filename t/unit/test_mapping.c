
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A mapping gives what the permutation gives, in whatever order positions are
 * drawn and by however many workers, up to the last position of the range; and
 * it is one worker that maps a group ahead.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "mapping.h"


#define WORKERS  4


static const uint8_t  key[PERMUTATION_KEY_SIZE] =
    "the key of a range, 32 bytes...";


static const mapping_group_t  *copied;
static unsigned                ncopies;


/* stands in for that of mapping_put() */

void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);

void *
__wrap_memcpy(void *to, const void *from, size_t n)
{
    uint64_t  value;

    if (copied && to == copied->values) {
        assert_int_equal(mapping_value(copied, 0, &value), -1);
        assert_int_equal(mapping_value(copied, 2 * MAPPING_GROUP, &value), -1);
        ncopies++;
    }

    return __real_memcpy(to, from, n);
}


/* a range of which nothing is mapped yet */

static permutation_t *
start(mapping_t *mapping, uint64_t size)
{
    permutation_t  *p;

    p = permutation_create(key, size);
    assert_non_null(p);

    memset(mapping, 0, sizeof(mapping_t));

    return p;
}


/* what the one who drew the position does, and how often it had to map */

static void
draw(mapping_t *mapping, permutation_t *p, uint64_t position, uint64_t size,
    unsigned *groups, unsigned *late)
{
    int              found;
    uint64_t         id, value, expected;
    mapping_group_t  group;

    found = (mapping_find(mapping, position, &value) == 0);
    id = mapping_claim(mapping, position, size);

    if (id) {
        assert_int_equal(mapping_map_group(&group, id, p, size), 0);
        mapping_put(mapping, &group);
        (*groups)++;
    }

    if (!found) {
        assert_int_equal(mapping_value(&group, position, &value), 0);
        (*late)++;
    }

    assert_int_equal(permutation_map(p, &position, &expected, 1), 0);
    assert_int_equal(value, expected);
}


static void
test_same_as_the_permutation(void **state)
{
    size_t                  i;
    unsigned                groups, late;
    mapping_t               mapping;
    uint64_t                position, size, from;
    permutation_t          *p;
    static const uint64_t   sizes[] = {
        1, 63, 64, 65, 128, 129, 1000, 65536, 65537, 100001, INT64_MAX
    };
    static const uint64_t   steps[] = { 1, 2, 3, 5, 63, 64, 65, 1000 };

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]) * 8; i++) {
        size = sizes[i / 8];
        from = size > 3000 ? size - 3000 : 0;

        p = start(&mapping, size);

        groups = 0;
        late = 0;

        for (position = from; position < size; position += steps[i % 8]) {
            draw(&mapping, p, position, size, &groups, &late);
        }

        /* and back, among groups that were seen before */

        draw(&mapping, p, from, size, &groups, &late);
        draw(&mapping, p, size - 1, size, &groups, &late);
        draw(&mapping, p, 0, size, &groups, &late);

        permutation_destroy(p);
    }
}


static void
test_each_group_is_mapped_once(void **state)
{
    unsigned        groups, late;
    mapping_t       mapping;
    uint64_t        position;
    permutation_t  *p;

    (void) state;

    p = start(&mapping, 10 * MAPPING_GROUP + 1);

    groups = 0;
    late = 0;

    for (position = 0; position < 10 * MAPPING_GROUP + 1; position++) {
        draw(&mapping, p, position, 10 * MAPPING_GROUP + 1, &groups, &late);
    }

    assert_int_equal(groups, 11);
    assert_int_equal(late, 1);

    permutation_destroy(p);
}


/* they draw while one of them maps ahead, and none waits for it */

static void
test_one_of_many_maps_ahead(void **state)
{
    unsigned         i, claims;
    uint64_t         id, value, position, size;
    mapping_t        mapping;
    permutation_t   *p;
    mapping_group_t  group;

    (void) state;

    size = 1000 * MAPPING_GROUP;
    claims = 0;

    p = start(&mapping, size);

    assert_int_equal(mapping_map_group(&group, 8, p, size), 0);
    mapping_put(&mapping, &group);

    position = 7 * MAPPING_GROUP;

    for (i = 0; i < WORKERS; i++) {
        assert_int_equal(mapping_find(&mapping, position, &value), 0);

        id = mapping_claim(&mapping, position++, size);

        if (id) {
            assert_int_equal(id, 9);
            claims++;
        }
    }

    assert_int_equal(claims, 1);

    /* it has died, or is late: everyone who needs the group maps it */

    position = 8 * MAPPING_GROUP;

    for (i = 0; i < WORKERS; i++) {
        assert_int_equal(mapping_find(&mapping, position, &value), -1);
        assert_int_equal(mapping_claim(&mapping, position++, size), 9);
    }

    /* and once it is there, the next one is mapped ahead again */

    assert_int_equal(mapping_map_group(&group, 9, p, size), 0);
    mapping_put(&mapping, &group);

    assert_int_equal(mapping_find(&mapping, position, &value), 0);
    assert_int_equal(mapping_claim(&mapping, position, size), 10);

    permutation_destroy(p);
}


/* whoever is killed while it copies leaves no group that looks whole */

static void
test_half_a_copy_has_no_values(void **state)
{
    mapping_t        mapping;
    permutation_t   *p;
    mapping_group_t  group;

    (void) state;

    p = start(&mapping, 1000);

    assert_int_equal(mapping_map_group(&group, 1, p, 1000), 0);
    mapping_put(&mapping, &group);

    assert_int_equal(mapping_map_group(&group, 3, p, 1000), 0);

    copied = &mapping.groups[1];
    ncopies = 0;

    mapping_put(&mapping, &group);

    copied = NULL;

    assert_int_equal(ncopies, 1);
    assert_int_equal(mapping.groups[1].id, 3);

    permutation_destroy(p);
}


static void
test_out_of_range(void **state)
{
    uint64_t         value, position, last;
    mapping_t        mapping;
    permutation_t   *p;
    mapping_group_t  group;

    (void) state;

    last = 70000 / MAPPING_GROUP + 1;

    p = start(&mapping, 70000);

    assert_int_equal(mapping_map_group(&group, last, p, 70000), 0);
    mapping_put(&mapping, &group);

    assert_int_equal(mapping_find(&mapping, 69999, &value), 0);

    for (position = 70000; position < 70000 + MAPPING_GROUP; position++) {
        assert_int_equal(mapping_find(&mapping, position, &value), -1);
    }

    /* nothing comes after the last group, nor is it there */

    assert_int_equal(mapping_claim(&mapping, 69999, 70000), 0);
    assert_int_equal(mapping_map_group(&group, last + 1, p, 70000), -1);

    permutation_destroy(p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same_as_the_permutation),
        cmocka_unit_test(test_each_group_is_mapped_once),
        cmocka_unit_test(test_one_of_many_maps_ahead),
        cmocka_unit_test(test_half_a_copy_has_no_values),
        cmocka_unit_test(test_out_of_range),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
