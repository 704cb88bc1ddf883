
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Attempts to connect: which hosts are tried, in which order, for how long, and
 * what is said of those that do not let us in.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <time.h>

#include "blocking/attempt.h"
#include "server.h"


/* to the servers at their ports, a dead one for NULL */

static attempt_t *
attempt_to(server_t **servers, size_t n)
{
    char        hosts[256], ports[256], text[1024];
    size_t      i;
    attempt_t  *attempt;

    hosts[0] = '\0';
    ports[0] = '\0';

    for (i = 0; i < n; i++) {
        snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts),
                 "%s127.0.0.1", i ? "," : "");
        snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports),
                 "%s%d", i ? "," : "", servers[i] ? servers[i]->port : 1);
    }

    snprintf(text, sizeof(text),
             "host=%s port=%s user=u dbname=d sslmode=disable", hosts, ports);

    attempt = attempt_create(text);
    assert_non_null(attempt);

    return attempt;
}


static long
run(attempt_t *attempt)
{
    struct timespec  from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    attempt_run(attempt);
    clock_gettime(CLOCK_MONOTONIC, &to);

    return (to.tv_sec - from.tv_sec) * 1000
           + (to.tv_nsec - from.tv_nsec) / 1000000;
}


static void
test_a_dead_host_costs_a_try(void **state)
{
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t   *servers[] = { NULL, &good, NULL };
    attempt_t  *attempt;

    (void) state;

    server_start(&good);
    attempt = attempt_to(servers, 3);

    attempt_begin(attempt, 5000);
    run(attempt);

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 1);
    assert_int_equal(attempt->nfailures, 1);
    assert_non_null(strstr(attempt->failures[0].error, "refused"));
    assert_int_equal(attempt->left, 1);

    attempt_drop(attempt);
    attempt_destroy(attempt);
    server_stop(&good);
}


/* the rest is for those that come after it */

static void
test_a_silent_host_gets_a_share(void **state)
{
    long        time;
    server_t    silent = { .answer = NULL };
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t   *servers[] = { &silent, &good };
    attempt_t  *attempt;

    (void) state;

    server_start(&silent);
    server_start(&good);
    attempt = attempt_to(servers, 2);

    attempt_begin(attempt, 400);
    time = run(attempt);

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 1);
    assert_non_null(strstr(attempt->failures[0].error, "timed out"));
    assert_true(time >= 190);
    attempt_drop(attempt);

    /* and no more, once it is known who is right */

    attempt_prefer(attempt);

    attempt_begin(attempt, 400);
    run(attempt);

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->nfailures, 0);
    attempt_drop(attempt);

    attempt_destroy(attempt);
    server_stop(&silent);
    server_stop(&good);
}


/* who says something gets all there is: in its share it would not be ready */

static void
test_a_slow_host_is_waited_for(void **state)
{
    server_t    slow = { .answer = WELCOME, .len = sizeof(WELCOME) - 1,
                         .slowly = 1 };
    server_t   *servers[] = { &slow, NULL, NULL, NULL };
    attempt_t  *attempt;

    (void) state;

    server_start(&slow);
    attempt = attempt_to(servers, 4);

    attempt_begin(attempt, 1000);
    run(attempt);

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 0);

    attempt_drop(attempt);
    attempt_destroy(attempt);
    server_stop(&slow);
}


static void
test_nobody_is_waited_for_longer(void **state)
{
    long        time;
    server_t    silent = { .answer = NULL };
    server_t    slow = { .answer = WELCOME, .len = 12, .slowly = 1 };
    server_t   *servers[] = { &slow, &silent };
    attempt_t  *attempt;

    (void) state;

    server_start(&silent);
    server_start(&slow);
    attempt = attempt_to(servers, 2);

    attempt_begin(attempt, 400);
    time = run(attempt);

    assert_null(attempt->conn);
    assert_int_equal(attempt->nfailures, 1);
    assert_int_equal(attempt->addr.host, 0);
    assert_non_null(strstr(attempt->error, "timed out"));
    assert_true(time >= 390);
    assert_true(time < 10000);

    /* the others have their turn before it */

    attempt_begin(attempt, 400);
    run(attempt);

    assert_null(attempt->conn);
    assert_int_equal(attempt->nfailures, 2);
    assert_int_equal(attempt->failures[0].addr.host, 1);

    attempt_destroy(attempt);
    server_stop(&silent);
    server_stop(&slow);
}


/* whoever uses up all time: each host has its turn */

static void
test_each_host_has_its_turn(void **state)
{
    int         i;
    server_t    slow = { .answer = WELCOME, .len = 4, .slowly = 1 };
    server_t    slower = { .answer = WELCOME, .len = 4, .slowly = 1 };
    server_t    good = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t   *servers[] = { &slow, &slower, &good };
    attempt_t  *attempt;

    (void) state;

    server_start(&slow);
    server_start(&slower);
    server_start(&good);
    attempt = attempt_to(servers, 3);

    for (i = 0; i < 3; i++) {
        assert_null(attempt->conn);
        attempt_begin(attempt, 300);
        run(attempt);
    }

    assert_non_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 2);

    attempt_destroy(attempt);
    server_stop(&slow);
    server_stop(&slower);
    server_stop(&good);
}


/* who had no time after a standby comes before it in the next attempt */

static void
test_who_had_no_time_is_next(void **state)
{
    server_t    a = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t    b = { .answer = WELCOME, .len = sizeof(WELCOME) - 1,
                      .slowly = 1 };
    server_t   *servers[] = { &a, &b };
    attempt_t  *attempt;

    (void) state;

    server_start(&a);
    server_start(&b);
    attempt = attempt_to(servers, 2);

    attempt_begin(attempt, 1000);
    run(attempt);
    assert_int_equal(attempt->addr.host, 0);
    attempt_drop(attempt);
    attempt_fail(attempt, "it does not accept writes");

    attempt->patience = 50000;
    run(attempt);
    assert_null(attempt->conn);
    assert_int_equal(attempt->addr.host, 1);

    attempt_begin(attempt, 1000);
    run(attempt);
    assert_int_equal(attempt->addr.host, 1);

    attempt_destroy(attempt);
    server_stop(&a);
    server_stop(&b);
}


static void
test_a_refusal_has_its_state(void **state)
{
    server_t    angry = { .answer = FORBIDDEN, .len = sizeof(FORBIDDEN) - 1 };
    server_t   *servers[] = { &angry };
    attempt_t  *attempt;

    (void) state;

    server_start(&angry);
    attempt = attempt_to(servers, 1);

    attempt_begin(attempt, 5000);
    run(attempt);

    assert_null(attempt->conn);
    assert_string_equal(attempt->failures[0].sqlstate, "28P01");
    assert_non_null(strstr(attempt->error, "not with that password"));
    assert_false(attempt->short_of);

    attempt_destroy(attempt);
    server_stop(&angry);
}


/* a member that is of no use is passed over, until the next attempt begins */

static void
test_who_failed_is_not_tried_again(void **state)
{
    size_t      first;
    server_t    a = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t    b = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t   *servers[] = { &a, &b };
    attempt_t  *attempt;

    (void) state;

    server_start(&a);
    server_start(&b);
    attempt = attempt_to(servers, 2);

    attempt_begin(attempt, 5000);
    run(attempt);
    first = attempt->addr.host;
    assert_int_equal(attempt->left, 1);
    attempt_drop(attempt);

    attempt_fail(attempt, "it does not accept writes");
    assert_true(attempt_has_more(attempt));
    run(attempt);
    assert_non_null(attempt->conn);
    assert_int_not_equal(attempt->addr.host, first);
    assert_int_equal(attempt->left, 0);
    attempt_drop(attempt);

    attempt_fail(attempt, "nor does it");
    assert_false(attempt_has_more(attempt));
    run(attempt);
    assert_null(attempt->conn);
    assert_string_equal(attempt->error, "nor does it");

    attempt_begin(attempt, 5000);
    run(attempt);
    assert_int_equal(attempt->addr.host, first);
    attempt_drop(attempt);

    attempt_destroy(attempt);
    server_stop(&a);
    server_stop(&b);
}


static void
test_who_was_right_is_tried_first(void **state)
{
    server_t    a = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t    b = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t    c = { .answer = WELCOME, .len = sizeof(WELCOME) - 1 };
    server_t   *servers[] = { &a, &b, &c };
    attempt_t  *attempt;

    (void) state;

    server_start(&a);
    server_start(&b);
    server_start(&c);
    attempt = attempt_to(servers, 3);

    attempt_begin(attempt, 5000);
    run(attempt);
    attempt_drop(attempt);
    attempt_fail(attempt, "it does not accept writes");
    run(attempt);
    assert_int_equal(attempt->addr.host, 1);
    attempt_drop(attempt);
    attempt_prefer(attempt);

    attempt_begin(attempt, 5000);
    run(attempt);
    assert_int_equal(attempt->addr.host, 1);
    attempt_drop(attempt);

    /* it does not answer any more */

    attempt_fail(attempt, "lost");

    attempt_begin(attempt, 5000);
    run(attempt);
    assert_int_equal(attempt->addr.host, 2);
    attempt_drop(attempt);
    attempt_fail(attempt, "-");
    run(attempt);
    assert_int_equal(attempt->addr.host, 0);
    attempt_drop(attempt);
    attempt_fail(attempt, "-");
    run(attempt);
    assert_int_equal(attempt->addr.host, 1);
    attempt_drop(attempt);

    attempt_destroy(attempt);
    server_stop(&a);
    server_stop(&b);
    server_stop(&c);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_dead_host_costs_a_try),
        cmocka_unit_test(test_a_silent_host_gets_a_share),
        cmocka_unit_test(test_a_slow_host_is_waited_for),
        cmocka_unit_test(test_nobody_is_waited_for_longer),
        cmocka_unit_test(test_each_host_has_its_turn),
        cmocka_unit_test(test_who_had_no_time_is_next),
        cmocka_unit_test(test_a_refusal_has_its_state),
        cmocka_unit_test(test_who_failed_is_not_tried_again),
        cmocka_unit_test(test_who_was_right_is_tried_first),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("attempt", tests, NULL, NULL);
}
