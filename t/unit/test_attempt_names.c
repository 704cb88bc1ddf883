
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Attempts to connect by name: when names are looked up, and what becomes of a
 * host whose name leads elsewhere by now.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "blocking/attempt.h"
#include "server.h"


/* a name server may be silent: what needs none goes first */

static void
test_addresses_are_tried_before_names(void **state)
{
    char        text[256];
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    attempt_t  *attempt;

    (void) state;

    server_start(&good);

    snprintf(text, sizeof(text), "host=localhost,127.0.0.1 port=1,%d user=u "
             "dbname=d sslmode=disable", good.port);

    attempt = attempt_create(text);
    assert_non_null(attempt);

    attempt_begin(attempt, 5000);
    attempt_run(attempt);

    assert_int_equal(attempt->addr.host, 1);
    assert_int_equal(attempt->nfailures, 0);
    attempt_drop(attempt);

    /* all addresses of a name */

    attempt_fail(attempt, "-");
    attempt_run(attempt);
    assert_null(attempt->conn);
    assert_true(attempt->nfailures >= 2);
    assert_int_equal(attempt->failures[1].addr.host, 0);

    attempt_destroy(attempt);
    server_stop(&good);
}


/* what a name led to once, and does not any more, gives it no place */

static attempt_t *
attempt_by_name(server_t *first, server_t *second)
{
    char        text[256];
    attempt_t  *attempt;

    snprintf(text, sizeof(text), "host=localhost,localhost port=%d,%d user=u "
             "dbname=d sslmode=disable", first->port, second->port);

    attempt = attempt_create(text);
    assert_non_null(attempt);

    attempt_begin(attempt, 300);

    return attempt;
}


static void
test_names_that_were_not_known(void **state)
{
    int         i;
    server_t    slow = { .answer = WELCOME, .len = 4, .slowly = 1 };
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    attempt_t  *attempt;

    (void) state;

    server_start(&slow);
    server_start(&good);
    attempt = attempt_by_name(&slow, &good);

    for (i = 0; i < 2; i++) {
        attempt->addr.host = i;
        attempt->addr.text[0] = '\0';
        attempt_fail(attempt, "unknown");
    }

    for (i = 0; i < 3 && attempt->conn == NULL; i++) {
        attempt_begin(attempt, 300);
        attempt_run(attempt);
    }

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 1);

    attempt_destroy(attempt);
    server_stop(&slow);
    server_stop(&good);
}


static void
test_a_name_that_has_moved(void **state)
{
    int         i;
    server_t    slow = { .answer = WELCOME, .len = 4, .slowly = 1 };
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    attempt_t  *attempt;

    (void) state;

    server_start(&slow);
    server_start(&good);
    attempt = attempt_by_name(&slow, &good);

    attempt->addr.host = 0;
    strcpy(attempt->addr.text, "127.0.0.7");
    attempt_prefer(attempt);

    for (i = 0; i < 3 && attempt->conn == NULL; i++) {
        attempt_begin(attempt, 300);
        attempt_run(attempt);
    }

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 1);

    attempt_destroy(attempt);
    server_stop(&slow);
    server_stop(&good);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_addresses_are_tried_before_names),
        cmocka_unit_test(test_names_that_were_not_known),
        cmocka_unit_test(test_a_name_that_has_moved),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("attempt names", tests, NULL, NULL);
}
