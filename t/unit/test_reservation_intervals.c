
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The intervals of a grant come as two arrays.  Only if both are read to their
 * ends, are of the same length, and name each position once within what is
 * reserved and was asked for, is any of it a lease (I1, I3).
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/reservation.h"


#define MAX      "9223372036854775807"

#define COLUMNS  19
#define STARTS   8
#define STOPS    9


/* of the largest range; the key was not asked for */

static const char  *grant[COLUMNS] = {
    NULL, NULL, "numbers", "0", "9223372036854775806", "1",
    "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd", NULL,
    NULL, NULL, NULL, "0", "1", "1", "5d6d2305-0952-4004-84dd-89a6e6fe499f",
    "1", "fence", "on", "on"
};


static int
parse(reservation_t *reply, const char *starts, const char *stops,
    const char *reserved, uint64_t want, uint64_t places, const char **error)
{
    int               i, rc;
    PGresult         *result;
    const char       *columns[COLUMNS];
    PGresAttDesc      attrs[COLUMNS];
    statement_ask_t   ask;

    memset(&ask, 0, sizeof(ask));
    ask.last = INT64_MAX - 1;
    ask.size = INT64_MAX;
    ask.want = want;
    ask.places = places;

    memcpy(columns, grant, sizeof(columns));
    columns[STARTS] = starts;
    columns[STOPS] = stops;
    columns[STOPS + 1] = reserved;

    memset(attrs, 0, sizeof(attrs));

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    assert_int_equal(PQsetResultAttrs(result, COLUMNS, attrs), 1);

    for (i = 0; i < COLUMNS; i++) {
        assert_int_equal(PQsetvalue(result, 0, i, (char *) columns[i],
                                    columns[i] ? (int) strlen(columns[i]) : -1),
                         1);
    }

    *error = NULL;
    rc = reservation_parse(reply, result, 0, "numbers", &ask, error);

    PQclear(result);

    return rc;
}


static void
test_taken(void **state)
{
    size_t         i, j;
    const char    *error;
    reservation_t  reply;

    static const struct {
        const char              *starts;
        const char              *stops;
        size_t                   n;
        reservation_interval_t   intervals[4];
    } good[] = {
        { "{0}", "{16}", 1, { { 0, 16 } } },
        { "{15}", "{16}", 1, { { 15, 16 } } },
        { "{0,4,10}", "{2,8,16}", 3, { { 0, 2 }, { 4, 8 }, { 10, 16 } } },

        /* neighbours, and in no order */

        { "{8,0}", "{16,8}", 2, { { 8, 16 }, { 0, 8 } } },
        { "{3,0,2,1}", "{4,1,3,2}", 4,
          { { 3, 4 }, { 0, 1 }, { 2, 3 }, { 1, 2 } } },
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t  count = 0;

        if (parse(&reply, good[i].starts, good[i].stops, "16", 16, 4, &error)
            != 0)
        {
            fail_msg("%s %s: %s", good[i].starts, good[i].stops, error);
        }

        assert_int_equal(reply.nintervals, good[i].n);

        for (j = 0; j < good[i].n; j++) {
            assert_int_equal(reply.intervals[j].start,
                             good[i].intervals[j].start);
            assert_int_equal(reply.intervals[j].end, good[i].intervals[j].end);
            count += good[i].intervals[j].end - good[i].intervals[j].start;
        }

        assert_int_equal(reply.count, count);
    }

    assert_int_equal(parse(&reply, "{0}", "{" MAX "}", MAX, INT64_MAX, 1,
                           &error),
                     0);
    assert_int_equal(reply.count, INT64_MAX);
    assert_int_equal(reply.remaining, 0);
}


static const struct {
    const char  *starts;
    const char  *stops;
    const char  *error;
} bad[] = {

    /* not whole */

    { NULL, NULL, "its intervals cannot be read" },
    { "{0}", NULL, "its intervals cannot be read" },
    { "", "", "its intervals cannot be read" },
    { "{", "{", "its intervals cannot be read" },
    { "{1,2", "{2,3}", "its intervals cannot be read" },
    { "{1,2}", "{2,3", "its intervals cannot be read" },
    { "{1,2", "{2,3", "its intervals cannot be read" },
    { "{1,", "{2,", "its intervals cannot be read" },
    { "{1,}", "{2,}", "its intervals cannot be read" },
    { "0}", "16}", "its intervals cannot be read" },
    { ",0}", ",16}", "its intervals cannot be read" },
    { "{0}", ",16}", "its intervals cannot be read" },
    { "{0}}", "{16}}", "its intervals cannot be read" },
    { "{0},", "{16},", "its intervals cannot be read" },

    /* not of numbers */

    { "{NULL}", "{16}", "its intervals cannot be read" },
    { "{ 0}", "{16}", "its intervals cannot be read" },
    { "{-1}", "{15}", "its intervals cannot be read" },
    { "{0}", "{+16}", "its intervals cannot be read" },
    { "{0}", "{0x10}", "its intervals cannot be read" },
    { "{\"0\"}", "{16}", "its intervals cannot be read" },
    { "{{0}}", "{{16}}", "its intervals cannot be read" },
    { "[0:0]={0}", "[0:0]={16}", "its intervals cannot be read" },

    /* not of the same length */

    { "{}", "{16}", "its intervals cannot be read" },
    { "{0}", "{}", "its intervals cannot be read" },
    { "{0,8}", "{16}", "its intervals cannot be read" },
    { "{0}", "{8,16}", "its intervals cannot be read" },

    /* more than there is place for */

    { "{0,1,2,3,4}", "{1,2,3,4,5}", "its intervals cannot be read" },

    /* of no position, or backwards */

    { "{8}", "{8}", "its intervals cannot be read" },
    { "{9}", "{8}", "its intervals cannot be read" },
    { "{0,9}", "{8,9}", "its intervals cannot be read" },

    /* numbers or a sum beyond any; the sum would wrap to within bounds */

    { "{0}", "{9223372036854775808}", "its intervals cannot be read" },
    { "{18446744073709551600}", "{18446744073709551615}",
      "its intervals cannot be read" },
    { "{0,0,0}", "{" MAX "," MAX ",3}", "its intervals cannot be read" },

    /* some position twice */

    { "{0,7}", "{8,16}", "it is out of bounds" },
    { "{7,0}", "{16,8}", "it is out of bounds" },
    { "{0,0}", "{8,8}", "it is out of bounds" },
    { "{0,2}", "{8,4}", "it is out of bounds" },
    { "{2,0}", "{4,8}", "it is out of bounds" },
    { "{0,4,3}", "{2,8,5}", "it is out of bounds" },

    /* beyond what is reserved, and more than was asked for */

    { "{12}", "{21}", "it is out of bounds" },
    { "{0,20}", "{8,21}", "it is out of bounds" },
    { "{0}", "{17}", "it is out of bounds" },
    { "{0,10}", "{10,17}", "it is out of bounds" },

    /* nothing, and no reason why */

    { "{}", "{}", "it neither grants nor refuses" },
};


static void
test_refused(void **state)
{
    size_t         i;
    const char    *error;
    reservation_t  reply;

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(&reply, bad[i].starts, bad[i].stops, "20", 16, 4, &error)
            == 0)
        {
            fail_msg("%s %s is taken", bad[i].starts, bad[i].stops);
        }

        assert_string_equal(error, bad[i].error);
    }
}


/* the array in the reply is no larger, whatever was asked for */

static void
test_most_places(void **state)
{
    int            n, rc;
    char           starts[512], stops[512], *start, *stop;
    const char    *error;
    reservation_t  reply;

    (void) state;

    start = starts;
    stop = stops;

    for (n = 0; n < RESERVATION_PLACES + 2; n++) {
        start += sprintf(start, "%c%d", n ? ',' : '{', 2 * n);
        stop += sprintf(stop, "%c%d", n ? ',' : '{', 2 * n + 1);

        strcpy(start, "}");
        strcpy(stop, "}");

        rc = parse(&reply, starts, stops, "1000", 1000, UINT64_MAX, &error);
        assert_int_equal(rc, n < RESERVATION_PLACES ? 0 : -1);

        if (rc == 0) {
            assert_int_equal(reply.nintervals, n + 1);
            assert_int_equal(reply.count, n + 1);
        }
    }

    assert_int_equal(parse(&reply, "{0}", "{1}", "1000", 1000, 0, &error), -1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_most_places),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("reservation intervals", tests, NULL,
                                       NULL);
}
