
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

#include "reservation.h"


#define KEY     "000102030405060708090a0b0c0d0e0f"                            \
                "101112131415161718191a1b1c1d1e1f"
#define DIGEST  "630dcd2966c4336691125448bbb25b4f"                            \
                "f412a49c732db2c8abc1b8581bd710dd"
#define UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"


static const char  *names[] = {
    "refusal", "detail", "pool", "first", "last", "algorithm", "digest", "key",
    "start", "count", "reserved", "returned", "serial", "epoch", "incarnation",
    "timeline", "failover", "synchronous_commit", "fsync"
};

#define COLUMNS  (sizeof(names) / sizeof(names[0]))

/* the first grant of 16 positions of a range of 100 */

static const char  *grant[COLUMNS] = {
    NULL, NULL, "numbers", "1", "100", "1", DIGEST, KEY, "0", "16", "16", "0",
    "1", "1", UUID, "1", "fence", "on", "on"
};

static const reservation_ask_t  first_ask = {
    .pool = "numbers", .holder = UUID, .first = 1, .last = 100, .want = 16,
    .with_key = 1
};


static PGresult *
row(const char *columns[COLUMNS])
{
    size_t            i;
    PGresult         *result;
    PGresAttDesc      attrs[COLUMNS];

    memset(attrs, 0, sizeof(attrs));

    for (i = 0; i < COLUMNS; i++) {
        attrs[i].name = (char *) names[i];
    }

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    assert_int_equal(PQsetResultAttrs(result, COLUMNS, attrs), 1);

    for (i = 0; i < COLUMNS; i++) {
        assert_int_equal(PQsetvalue(result, 0, (int) i, (char *) columns[i],
                                    columns[i] ? (int) strlen(columns[i]) : -1),
                         1);
    }

    return result;
}


/* parses the grant with some of its columns changed */

static int
parse(reservation_t *reply, const reservation_ask_t *ask, const char *name,
    const char *value)
{
    int          rc;
    size_t       i;
    PGresult    *result;
    const char  *columns[COLUMNS], *error;

    for (i = 0; i < COLUMNS; i++) {
        columns[i] = (name && strcmp(name, names[i]) == 0) ? value : grant[i];
    }

    result = row(columns);
    error = NULL;
    rc = reservation_parse(reply, result, ask, &error);

    assert_true(rc == 0 || error != NULL);

    /* the texts of the reply are not looked at after this */

    PQclear(result);

    return rc;
}


static void
test_grant(void **state)
{
    size_t          i;
    reservation_t   reply;

    (void) state;

    assert_int_equal(parse(&reply, &first_ask, NULL, NULL), 0);
    assert_int_equal(reply.outcome, RESERVATION_GRANTED);
    assert_int_equal(reply.start, 0);
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
    size_t              i;
    reservation_t       reply;
    static const char  *bad[][2] = {
        { "refusal", "tired" }, { "pool", "others" }, { "pool", NULL },
        { "first", "2" }, { "first", "" }, { "first", NULL },
        { "last", "99" }, { "last", "1e2" }, { "algorithm", "2" },
        { "digest", "00" }, { "digest", NULL }, { "key", NULL },
        { "key", "00" }, { "key", "zz" KEY }, { "start", "-1" },
        { "start", "1" }, { "start", "17" }, { "start", " 0" },
        { "count", "0" }, { "count", "17" },
        { "count", "18446744073709551616" }, { "count", "0x10" },
        { "reserved", "15" }, { "reserved", "101" },
        { "reserved", "9223372036854775808" }, { "returned", "17" },
        { "serial", "" }, { "epoch", "x" }, { "incarnation", "" },
        { "timeline", NULL }, { "refusal", "exhausted" },
        { "refusal", "fenced" }, { "refusal", "mismatch" },
        { "refusal", "stale" }, { "epoch", "0" },
        { "incarnation", "5D6D2305-0952-4004-84DD-89A6E6FE499F" },
        { "digest", "630dcd2966c4336691125448bbb25b4f"
                    "f412a49c732db2c8abc1b8581bd710d\n" },
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(&reply, &first_ask, bad[i][0], bad[i][1]) == 0) {
            fail_msg("%s=%s is taken", bad[i][0],
                     bad[i][1] ? bad[i][1] : "NULL");
        }
    }
}


static void
test_not_one_row(void **state)
{
    PGresult       *result;
    const char     *error;
    reservation_t   reply;

    (void) state;

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error),
                     -1);
    reservation_wipe(&reply, result);
    PQclear(result);

    result = row(grant);
    PQsetvalue(result, 1, 0, "", 0);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error),
                     -1);
    PQclear(result);
}


static void
test_refusals(void **state)
{
    size_t              i;
    PGresult           *result;
    const char         *columns[COLUMNS], *error;
    reservation_t       reply;

    static const struct {
        const char             *refusal;
        reservation_outcome_e   outcome;
    } refusals[] = {
        { "mismatch", RESERVATION_MISMATCH },
        { "stale", RESERVATION_STALE },
        { "fenced", RESERVATION_FENCED },
        { "exhausted", RESERVATION_EXHAUSTED },
    };

    (void) state;

    memcpy(columns, grant, sizeof(columns));
    columns[9] = "0";

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        columns[0] = refusals[i].refusal;

        result = row(columns);
        assert_int_equal(reservation_parse(&reply, result, &first_ask, &error),
                         0);
        assert_int_equal(reply.outcome, refusals[i].outcome);
        assert_int_equal(reply.count, 0);
        PQclear(result);
    }

    /* these come without a row to tell of */

    memset(columns, 0, sizeof(columns));

    columns[0] = "standby";
    result = row(columns);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_STANDBY);
    PQclear(result);

    columns[0] = "volatile";
    result = row(columns);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_VOLATILE);
    PQclear(result);

    columns[0] = "missing";
    result = row(columns);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_MISSING);
    PQclear(result);
}


static void
test_a_look_grants_nothing(void **state)
{
    reservation_t      reply;
    reservation_ask_t  ask;

    (void) state;

    ask = first_ask;
    ask.want = 0;
    ask.memory.holder_serial = 7;

    assert_int_equal(parse(&reply, &ask, NULL, NULL), -1);
    assert_int_equal(parse(&reply, &ask, "count", "0"), 0);
    assert_int_equal(reply.outcome, RESERVATION_GRANTED);
    assert_int_equal(reply.memory.holder_serial, 0);
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
    size_t          i;
    PGresult       *result;
    const char     *error;
    reservation_t   reply;

    (void) state;

    result = row(grant);
    assert_int_equal(reservation_parse(&reply, result, &first_ask, &error), 0);

    reservation_wipe(&reply, result);

    for (i = 0; i < RESERVATION_KEY_LEN; i++) {
        assert_int_equal(reply.key[i], 0);
    }

    for (i = 0; i < 2 * RESERVATION_KEY_LEN; i++) {
        assert_int_equal(PQgetvalue(result, 0, 7)[i], 0);
    }

    PQclear(result);
}


static void
test_parameters(void **state)
{
    reservation_ask_t     ask;
    reservation_params_t  params;

    (void) state;

    ask = first_ask;
    ask.last = INT64_MAX;
    ask.lock_wait = 1500;

    reservation_params(&params, &ask);

    assert_string_equal(params.values[0], "numbers");
    assert_string_equal(params.values[1], "1");
    assert_string_equal(params.values[2], "9223372036854775807");
    assert_string_equal(params.values[3], UUID);
    assert_string_equal(params.values[5], "0");
    assert_null(params.values[6]);
    assert_null(params.values[10]);
    assert_string_equal(params.values[11], "1500");
    assert_string_equal(params.values[12], "16");
    assert_string_equal(params.values[13], "true");

    strcpy(ask.memory.incarnation, UUID);
    strcpy(ask.memory.digest, DIGEST);
    ask.memory.epoch = 2;
    ask.with_key = 0;

    reservation_params(&params, &ask);
    memset(&ask, 0, sizeof(ask));

    assert_string_equal(params.values[5], "2");
    assert_string_equal(params.values[6], UUID);
    assert_string_equal(params.values[10], DIGEST);
    assert_string_equal(params.values[13], "false");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grant),
        cmocka_unit_test(test_implausible),
        cmocka_unit_test(test_not_one_row),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_look_grants_nothing),
        cmocka_unit_test(test_durability),
        cmocka_unit_test(test_the_key_is_wiped),
        cmocka_unit_test(test_parameters),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("reservation", tests, NULL, NULL);
}
