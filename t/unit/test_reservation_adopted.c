
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Replies about a range that was adopted: it has fewer positions than numbers,
 * and a digest of key and domain.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include "core/reservation.h"
#include "core/statement.h"


#define KEY      "000102030405060708090a0b0c0d0e0f"                           \
                 "101112131415161718191a1b1c1d1e1f"
#define DIGEST   "630dcd2966c4336691125448bbb25b4f"                           \
                 "f412a49c732db2c8abc1b8581bd710dd"
#define UUID     "5d6d2305-0952-4004-84dd-89a6e6fe499f"


enum {
    ALGORITHM = 5, DIGEST_COLUMN, STARTS = 8, STOPS, RESERVED, COLUMNS = 19
};


/* the first grant of 16 of its 40 positions */

static const char  *grant[COLUMNS] = {
    NULL, NULL, "numbers", "1", "100", "2", DIGEST, KEY, "{0}", "{16}", "16",
    "0", "1", "1", UUID, "1", "fence", "on", "on"
};

static const statement_ask_t  first_ask = {
    .first = 1, .last = 100, .size = 40, .domain = "domain", .want = 16,
    .places = 4, .with_key = 1, .adopted = 1
};


static int
parse(reservation_t *reply, const statement_ask_t *ask,
    const char *columns[COLUMNS], const char **error)
{
    int            i, rc;
    PGresult      *result;
    PGresAttDesc   attrs[COLUMNS];

    memset(attrs, 0, sizeof(attrs));

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    assert_int_equal(PQsetResultAttrs(result, COLUMNS, attrs), 1);

    for (i = 0; i < COLUMNS; i++) {
        assert_int_equal(PQsetvalue(result, 0, i, (char *) columns[i],
                                    columns[i] ? (int) strlen(columns[i])
                                               : -1),
                         1);
    }

    *error = NULL;
    rc = reservation_parse(reply, result, 0, "numbers", ask, error);

    PQclear(result);

    return rc;
}


/* of key and domain, as the database has it */

static const char *
digest_of_both(void)
{
    size_t       i;
    uint8_t      text[RESERVATION_KEY_LEN + STATEMENT_SHA256_LEN];
    unsigned     len;

    static char  hex[2 * EVP_MAX_MD_SIZE + 1];

    for (i = 0; i < RESERVATION_KEY_LEN; i++) {
        assert_int_equal(sscanf(&KEY[2 * i], "%2hhx", &text[i]), 1);
    }

    memcpy(&text[RESERVATION_KEY_LEN], first_ask.domain,
           STATEMENT_SHA256_LEN);

    assert_int_equal(EVP_Digest(text, sizeof(text), text, &len, EVP_sha256(),
                                NULL),
                     1);

    for (i = 0; i < len; i++) {
        sprintf(&hex[2 * i], "%02x", text[i]);
    }

    return hex;
}


static void
test_grant(void **state)
{
    const char     *columns[COLUMNS], *error;
    reservation_t   reply;

    (void) state;

    memcpy(columns, grant, sizeof(columns));

    /* that of the key alone is not its digest: nothing is taken in */

    assert_int_equal(parse(&reply, &first_ask, columns, &error), -1);

    columns[STARTS] = "{}";
    columns[STOPS] = "{}";
    assert_int_equal(parse(&reply, &first_ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_DOMAIN);
    assert_false(reply.has_key);

    memcpy(columns, grant, sizeof(columns));
    columns[DIGEST_COLUMN] = digest_of_both();

    assert_int_equal(parse(&reply, &first_ask, columns, &error), 0);
    assert_int_equal(reply.remaining, 24);

    /* there are no more positions than unused numbers */

    columns[STOPS] = "{41}";
    columns[RESERVED] = "41";
    assert_int_equal(parse(&reply, &first_ask, columns, &error), -1);
}


/* a fence stays one, whatever the row has become */

static void
test_fenced(void **state)
{
    const char       *columns[COLUMNS], *error;
    reservation_t     reply;
    statement_ask_t   ask;

    (void) state;

    memcpy(columns, grant, sizeof(columns));
    columns[0] = "fenced";
    columns[STARTS] = "{}";
    columns[STOPS] = "{}";

    ask = first_ask;
    ask.with_key = 0;

    columns[ALGORITHM] = "1";
    assert_int_equal(parse(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_FENCED);

    columns[ALGORITHM] = "2";
    columns[RESERVED] = "41";
    assert_int_equal(parse(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_FENCED);

    ask.adopted = 0;
    assert_int_equal(parse(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_FENCED);
}


/* what is configured is not what is there */

static void
test_other_kind(void **state)
{
    const char       *columns[COLUMNS], *error;
    reservation_t     reply;
    statement_ask_t   ask;

    (void) state;

    memcpy(columns, grant, sizeof(columns));
    columns[DIGEST_COLUMN] = digest_of_both();

    ask = first_ask;
    ask.want = 0;

    columns[STARTS] = "{}";
    columns[STOPS] = "{}";

    columns[ALGORITHM] = "1";
    assert_int_equal(parse(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_DOMAIN);
    assert_string_equal(reply.detail, RESERVATION_NOT_ADOPTED);
    assert_false(reply.has_key);

    ask.adopted = 0;

    columns[ALGORITHM] = "2";
    assert_int_equal(parse(&reply, &ask, columns, &error), 0);
    assert_int_equal(reply.outcome, RESERVATION_DOMAIN);
    assert_string_equal(reply.detail, RESERVATION_ADOPTED);
    assert_false(reply.has_key);

    /* what is granted all the same is burned */

    columns[STARTS] = "{0}";
    columns[STOPS] = "{16}";
    assert_int_equal(parse(&reply, &first_ask, columns, &error), 0);

    columns[ALGORITHM] = "1";
    assert_int_equal(parse(&reply, &first_ask, columns, &error), -1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grant),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_other_kind)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("reservation_adopted", tests, NULL,
                                       NULL);
}
