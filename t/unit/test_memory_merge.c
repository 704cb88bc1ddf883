
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Two memories of a range: the later life counts, within a life the higher of
 * each number, the holder's serial included, and of two that contradict each
 * other the older one.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "core/memory.h"


#define DIGEST     "630dcd2966c4336691125448bbb25b4f"                         \
                   "f412a49c732db2c8abc1b8581bd710dd"
#define DIGEST_2   "630dcd2966c4336691125448bbb25b4f"                         \
                   "f412a49c732db2c8abc1b8581bd710de"
#define UUID       "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define UUID_2     "5d6d2305-0952-4004-84dd-89a6e6fe4990"


/* to, from, and what comes of it: "to" is left as it is unless it CHANGED */

static const struct {
    memory_t        to;
    memory_t        from;
    memory_merge_e  rc;
    memory_t        merged;
} merges[] = {

    /* nothing is known, of one or of both */

    { { 0 }, { 0 }, MEMORY_SAME, { 0 } },
    { { 0 }, { 5, 12, 192, 1, 7, UUID, DIGEST }, MEMORY_CHANGED,
      { 5, 12, 192, 1, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 0 }, MEMORY_SAME, { 0 } },

    /* the same; nothing was granted by a look, nor to another zone */

    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 12, 192, 1, 7, UUID, DIGEST },
      MEMORY_SAME, { 0 } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 12, 192, 1, 0, UUID, DIGEST },
      MEMORY_SAME, { 0 } },

    /* within a life the higher of each number */

    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 13, 192, 1, 7, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 13, 192, 1, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 12, 193, 1, 7, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 12, 193, 1, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 12, 192, 2, 7, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 12, 192, 2, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 12, 192, 1, 9, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 12, 192, 1, 9, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 11, 500, 0, 6, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 12, 500, 1, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 13, 193, 2, 0, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 13, 193, 2, 7, UUID, DIGEST } },
    { { 5, 12, 192, 1, 0, UUID, DIGEST }, { 5, 11, 191, 0, 9, UUID, DIGEST },
      MEMORY_CHANGED, { 5, 12, 192, 1, 9, UUID, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 11, 191, 0, 6, UUID, DIGEST },
      MEMORY_SAME, { 0 } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST },
      { 5, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, UUID, DIGEST },
      MEMORY_CHANGED,
      { 5, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, UUID, DIGEST } },

    /* a later life as it is, though its numbers be lower */

    { { 5, 12, 192, 2, 7, UUID, DIGEST }, { 6, 1, 10, 1, 1, UUID_2, DIGEST },
      MEMORY_CHANGED, { 6, 1, 10, 1, 1, UUID_2, DIGEST } },
    { { 5, 12, 192, 2, 7, UUID, DIGEST }, { 6, 1, 10, 1, 0, UUID_2, DIGEST },
      MEMORY_CHANGED, { 6, 1, 10, 1, 0, UUID_2, DIGEST } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST },
      { INT64_MAX, 1, 10, 1, 1, UUID_2, DIGEST }, MEMORY_CHANGED,
      { INT64_MAX, 1, 10, 1, 1, UUID_2, DIGEST } },

    /* an earlier one not at all, though they be higher */

    { { 6, 1, 10, 1, 0, UUID_2, DIGEST }, { 5, 12, 192, 2, 7, UUID, DIGEST },
      MEMORY_SAME, { 0 } },

    /* two rows of the same life */

    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 13, 193, 2, 9, UUID_2, DIGEST },
      MEMORY_CONFLICT, { 0 } },

    /* two keys, in whatever life */

    { { 5, 12, 192, 1, 7, UUID, DIGEST }, { 5, 13, 193, 2, 9, UUID, DIGEST_2 },
      MEMORY_CONFLICT, { 0 } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST },
      { 6, 13, 193, 2, 9, UUID_2, DIGEST_2 }, MEMORY_CONFLICT, { 0 } },
    { { 5, 12, 192, 1, 7, UUID, DIGEST },
      { 4, 13, 193, 2, 9, UUID_2, DIGEST_2 }, MEMORY_CONFLICT, { 0 } },
};


static int
same(const memory_t *a, const memory_t *b)
{
    return a->epoch == b->epoch && a->serial == b->serial
           && a->reserved == b->reserved && a->timeline == b->timeline
           && a->holder_serial == b->holder_serial
           && strcmp(a->incarnation, b->incarnation) == 0
           && strcmp(a->digest, b->digest) == 0;
}


static void
test_merge(void **state)
{
    size_t          i;
    memory_t        to, from;
    memory_merge_e  rc;

    (void) state;

    for (i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        to = merges[i].to;
        from = merges[i].from;

        rc = memory_merge(&to, &from);

        if (rc != merges[i].rc) {
            fail_msg("merge %zu returns %d instead of %d", i, rc,
                     merges[i].rc);
        }

        if (!same(&to, rc == MEMORY_CHANGED ? &merges[i].merged
                                            : &merges[i].to))
        {
            fail_msg("merge %zu is epoch %llu serial %llu reserved %llu "
                     "timeline %llu holder's serial %llu %s %s", i,
                     (unsigned long long) to.epoch,
                     (unsigned long long) to.serial,
                     (unsigned long long) to.reserved,
                     (unsigned long long) to.timeline,
                     (unsigned long long) to.holder_serial, to.incarnation,
                     to.digest);
        }

        assert_memory_equal(&from, &merges[i].from, sizeof(memory_t));

        /* what has been taken over is no news */

        if (rc != MEMORY_CONFLICT) {
            assert_int_equal(memory_merge(&to, &from), MEMORY_SAME);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_merge),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("memory merge", tests, NULL, NULL);
}
