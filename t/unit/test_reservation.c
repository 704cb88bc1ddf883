
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Replies to a reservation: a whole and plausible one is read to the letter,
 * any other is refused, so that what it may have granted is burned (I3).
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/reservation.h"
#include "core/statement.h"


#define KEY     "000102030405060708090a0b0c0d0e0f"                            \
                "101112131415161718191a1b1c1d1e1f"
#define DIGEST  "630dcd2966c4336691125448bbb25b4f"                            \
                "f412a49c732db2c8abc1b8581bd710dd"
#define UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"


enum {
    REFUSAL = 0, DETAIL, POOL, FIRST, LAST, ALGORITHM, DIGEST_COLUMN,
    KEY_COLUMN, STARTS, STOPS, RESERVED, RETURNED, SERIAL, EPOCH, INCARNATION,
    TIMELINE, FAILOVER, SYNCHRONOUS_COMMIT, FSYNC, COLUMNS
};

/* the first grant of 16 positions of a range of 100 */

static const char  *grant[COLUMNS] = {
    NULL, NULL, "numbers", "1", "100", "1", DIGEST, KEY, "{0}", "{16}", "16",
    "0", "1", "1", UUID, "1", "fence", "on", "on"
};

static const statement_ask_t  first_ask = {
    .first = 1, .last = 100, .size = 100, .want = 16, .places = 4,
    .with_key = 1
};


/* without a row, and with so many columns */

static PGresult *
result_of(int n)
{
    PGresult      *result;
    PGresAttDesc   attrs[COLUMNS + 1];

    memset(attrs, 0, sizeof(attrs));

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    assert_int_equal(PQsetResultAttrs(result, n, attrs), 1);

    return result;
}


static void
set(PGresult *result, int row, int column, const char *value)
{
    assert_int_equal(PQsetvalue(result, row, column, (char *) value,
                                value ? (int) strlen(value) : -1),
                     1);
}


static void
add(PGresult *result, const char *columns[COLUMNS])
{
    int  i, row;

    row = PQntuples(result);

    for (i = 0; i < COLUMNS; i++) {
        set(result, row, i, columns[i]);
    }
}


static int
parse_row(reservation_t *reply, const statement_ask_t *ask,
    const char *columns[COLUMNS], const char **error)
{
    int        rc;
    PGresult  *result;

    result = result_of(COLUMNS);
    add(result, columns);

    /* nothing may be left of what was there */

    memset(reply, 0xa5, sizeof(reservation_t));

    *error = NULL;
    rc = reservation_parse(reply, result, 0, "numbers", ask, error);

    assert_true(rc == 0 || *error != NULL);

    /* the texts of the reply are not looked at after this */

    PQclear(result);

    return rc;
}


/* parses the grant with one of its columns changed */

static int
parse(reservation_t *reply, const statement_ask_t *ask, int column,
    const char *value)
{
    const char  *columns[COLUMNS], *error;

    memcpy(columns, grant, sizeof(columns));
    columns[column] = value;

    return parse_row(reply, ask, columns, &error);
}


static void
test_grant(void **state)
{
    size_t          i;
    reservation_t   reply;

    (void) state;

    assert_int_equal(parse(&reply, &first_ask, REFUSAL, NULL), 0);
    assert_int_equal(reply.outcome, RESERVATION_GRANTED);
    assert_int_equal(reply.nintervals, 1);
    assert_int_equal(reply.intervals[0].start, 0);
    assert_int_equal(reply.intervals[0].end, 16);
    assert_int_equal(reply.count, 16);
    assert_int_equal(reply.remaining, 84);
    assert_int_equal(reply.memory.serial, 1);
    assert_int_equal(reply.memory.holder_serial, 1);
    assert_int_equal(reply.memory.reserved, 16);
    assert_int_equal(reply.memory.epoch, 1);
    assert_int_equal(reply.memory.timeline, 1);
    assert_string_equal(reply.memory.digest, DIGEST);
    assert_string_equal(reply.memory.incarnation, UUID);
    assert_true(reply.has_key);

    for (i = 0; i < RESERVATION_KEY_LEN; i++) {
        assert_int_equal(reply.key[i], i);
    }
}


static void
test_implausible(void **state)
{
    size_t         i;
    reservation_t  reply;

    static const struct {
        int          column;
        const char  *value;
    } bad[] = {
        { REFUSAL, "tired" }, { POOL, "others" }, { POOL, NULL },
        { FIRST, "2" }, { FIRST, "" }, { FIRST, NULL },
        { LAST, "99" }, { LAST, "1e2" }, { ALGORITHM, "2" },
        { DIGEST_COLUMN, "00" }, { DIGEST_COLUMN, NULL },
        { DIGEST_COLUMN, "630dcd2966c4336691125448bbb25b4f"
                         "f412a49c732db2c8abc1b8581bd710d\n" },
        { KEY_COLUMN, NULL }, { KEY_COLUMN, "00" }, { KEY_COLUMN, "zz" KEY },
        { RESERVED, "15" }, { RESERVED, "101" },
        { RESERVED, "9223372036854775808" }, { RETURNED, "17" },
        { SERIAL, "" }, { EPOCH, "x" }, { EPOCH, "0" }, { INCARNATION, "" },
        { INCARNATION, "5D6D2305-0952-4004-84DD-89A6E6FE499F" },
        { TIMELINE, NULL }, { REFUSAL, "exhausted" }, { REFUSAL, "fenced" },
        { REFUSAL, "mismatch" }, { REFUSAL, "stale" },
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(&reply, &first_ask, bad[i].column, bad[i].value) == 0) {
            fail_msg("column %d may be %s", bad[i].column,
                     bad[i].value ? bad[i].value : "NULL");
        }
    }
}


/* a text that ends at the zero would be another one */

static void
test_a_zero_inside(void **state)
{
    size_t          i;
    PGresult       *result;
    const char     *error;
    reservation_t   reply;

    static const struct {
        int          column;
        const char  *value;
        int          len;
    } texts[] = {
        { REFUSAL, "\0fenced", 7 }, { REFUSAL, "fenced\0", 7 },
        { POOL, "numbers\0x", 9 }, { FIRST, "1\0", 2 }, { KEY_COLUMN, "\0", 1 },
        { DIGEST_COLUMN, DIGEST "\0", 65 }, { STARTS, "{0}\0", 4 },
        { STOPS, "{16}\0,17}", 9 }, { EPOCH, "1\0", 2 },
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        result = result_of(COLUMNS);
        add(result, grant);
        assert_int_equal(PQsetvalue(result, 0, texts[i].column,
                                    (char *) texts[i].value, texts[i].len),
                         1);

        if (reservation_parse(&reply, result, 0, "numbers", &first_ask, &error)
            == 0)
        {
            fail_msg("text %zu is taken", i);
        }

        PQclear(result);
    }

    /* nor is such a setting the one that it begins with */

    result = result_of(COLUMNS);
    add(result, grant);
    assert_int_equal(PQsetvalue(result, 0, FSYNC, "on\0", 3), 1);
    assert_int_equal(reservation_parse(&reply, result, 0, "numbers",
                                       &first_ask, &error),
                     0);
    assert_int_equal(reservation_durable(&reply), 0);
    PQclear(result);
}


static void
test_rows_for_asks(void **state)
{
    int             i;
    PGresult       *result;
    const char     *columns[COLUMNS], *error;
    reservation_t   reply;

    (void) state;

    result = result_of(COLUMNS);
    assert_int_equal(reservation_answers(result, 1), 0);

    add(result, grant);
    assert_int_equal(reservation_answers(result, 1), 1);
    assert_int_equal(reservation_answers(result, 2), 0);

    memcpy(columns, grant, sizeof(columns));
    columns[STARTS] = "{16}";
    columns[STOPS] = "{32}";
    columns[RESERVED] = "32";

    add(result, columns);
    assert_int_equal(reservation_answers(result, 1), 0);
    assert_int_equal(reservation_answers(result, 2), 1);

    /* each row is read for itself */

    for (i = 0; i < 2; i++) {
        assert_int_equal(reservation_parse(&reply, result, i, "numbers",
                                           &first_ask, &error),
                         0);
        assert_int_equal(reply.intervals[0].start, i * 16);
        assert_int_equal(reply.memory.reserved, i * 16 + 16);
    }

    PQclear(result);

    for (i = COLUMNS - 1; i <= COLUMNS + 1; i++) {
        result = result_of(i);
        set(result, 0, 0, NULL);
        assert_int_equal(reservation_answers(result, 1), i == COLUMNS);
        PQclear(result);
    }
}


static void
test_refusals(void **state)
{
    size_t         i;
    const char    *columns[COLUMNS], *error;
    reservation_t  reply;

    static const struct {
        const char             *refusal;
        reservation_outcome_e   outcome;
        unsigned                row:1;
        unsigned                has_key:1;
    } refusals[] = {
        { "exhausted", RESERVATION_EXHAUSTED, 1, 1 },
        { "deferred", RESERVATION_DEFERRED, 1, 1 },
        { "mismatch", RESERVATION_MISMATCH, 1, 0 },
        { "stale", RESERVATION_STALE, 1, 0 },
        { "fenced", RESERVATION_FENCED, 1, 0 },

        /* these come without a row to tell of */

        { "standby", RESERVATION_STANDBY, 0, 0 },
        { "volatile", RESERVATION_VOLATILE, 0, 0 },
        { "missing", RESERVATION_MISSING, 0, 0 },
        { "busy", RESERVATION_BUSY, 0, 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        memset(columns, 0, sizeof(columns));

        if (refusals[i].row) {
            memcpy(columns, grant, sizeof(columns));
            columns[STARTS] = "{}";
            columns[STOPS] = "{}";
        }

        columns[REFUSAL] = refusals[i].refusal;
        columns[POOL] = grant[POOL];
        columns[FIRST] = grant[FIRST];

        assert_int_equal(parse_row(&reply, &first_ask, columns, &error), 0);
        assert_int_equal(reply.outcome, refusals[i].outcome);
        assert_int_equal(reply.count, 0);
        assert_int_equal(reply.nintervals, 0);
        assert_int_equal(reply.memory.holder_serial, 0);
        assert_int_equal(reply.has_key, refusals[i].has_key);

        /* but all say what they are about */

        columns[FIRST] = "2";
        assert_int_equal(parse_row(&reply, &first_ask, columns, &error), -1);
    }
}


static void
test_a_look_grants_nothing(void **state)
{
    const char       *columns[COLUMNS], *error;
    reservation_t     reply;
    statement_ask_t   ask;

    (void) state;

    ask = first_ask;
    ask.want = 0;
    ask.memory.holder_serial = 7;

    memcpy(columns, grant, sizeof(columns));

    assert_int_equal(parse_row(&reply, &ask, columns, &error), -1);

    columns[STARTS] = "{}";
    columns[STOPS] = "{}";

    assert_int_equal(parse_row(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_GRANTED);
    assert_int_equal(reply.memory.holder_serial, 0);
}


static void
test_stale(void **state)
{
    size_t         i;
    reservation_t  reply;

    static const struct {
        reservation_outcome_e   outcome;
        const char             *detail;
        int                     stale;
    } replies[] = {
        { RESERVATION_STALE, "", 1 },
        { RESERVATION_STALE, RESERVATION_LATER_LIFE, 1 },
        { RESERVATION_FENCED, RESERVATION_LATER_LIFE, 1 },
        { RESERVATION_FENCED, RESERVATION_LATER_LIFE ": epoch 2", 1 },
        { RESERVATION_FENCED, "a later life of the range has been see", 0 },
        { RESERVATION_FENCED, "so " RESERVATION_LATER_LIFE, 0 },
        { RESERVATION_FENCED, "", 0 },
        { RESERVATION_GRANTED, RESERVATION_LATER_LIFE, 0 },
        { RESERVATION_MISSING, RESERVATION_LATER_LIFE, 0 },
    };

    (void) state;

    for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        memset(&reply, 0, sizeof(reply));
        reply.outcome = replies[i].outcome;
        reply.detail = replies[i].detail;

        assert_int_equal(reservation_stale(&reply), replies[i].stale);
    }
}


static void
test_durability(void **state)
{
    size_t              i;
    reservation_t       reply;
    static const char  *values[][3] = {
        { "on", "on", "yes" }, { "remote_apply", "on", "yes" },
        { "off", "on", NULL }, { "local", "on", NULL },
        { "remote_write", "on", NULL }, { "on", "off", NULL },
        { "", "on", NULL }, { "on", "", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        memset(&reply, 0, sizeof(reply));
        reply.synchronous_commit = values[i][0];
        reply.fsync = values[i][1];

        assert_int_equal(reservation_durable(&reply), values[i][2] != NULL);
    }
}


static void
test_the_key_is_wiped(void **state)
{
    int          row;
    size_t       i;
    PGresult    *result;
    const char  *columns[COLUMNS];

    (void) state;

    memcpy(columns, grant, sizeof(columns));
    columns[KEY_COLUMN] = NULL;

    result = result_of(COLUMNS);
    add(result, grant);
    add(result, columns);
    add(result, grant);

    reservation_wipe(result);

    for (row = 0; row < 3; row += 2) {
        for (i = 0; i < 2 * RESERVATION_KEY_LEN; i++) {
            assert_int_equal(PQgetvalue(result, row, KEY_COLUMN)[i], 0);
        }

        /* and nothing else */

        assert_string_equal(PQgetvalue(result, row, DIGEST_COLUMN), DIGEST);
        assert_string_equal(PQgetvalue(result, row, STARTS), "{0}");
    }

    PQclear(result);

    /* what has no key has no place for one */

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    reservation_wipe(result);
    PQclear(result);

    result = result_of(KEY_COLUMN);
    set(result, 0, 0, "numbers");
    reservation_wipe(result);
    assert_string_equal(PQgetvalue(result, 0, 0), "numbers");
    PQclear(result);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grant),
        cmocka_unit_test(test_implausible),
        cmocka_unit_test(test_a_zero_inside),
        cmocka_unit_test(test_rows_for_asks),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_look_grants_nothing),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_durability),
        cmocka_unit_test(test_the_key_is_wiped),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("reservation", tests, NULL, NULL);
}
