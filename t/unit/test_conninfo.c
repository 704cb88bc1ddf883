
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connection strings: hosts are taken apart as libpq would, what could block
 * is taken out, and no error repeats a secret.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "conninfo.h"


static const char *
param(const conninfo_t *conninfo, size_t host, const char *addr,
    const char *keyword)
{
    size_t              i;
    static const char  *keywords[CONNINFO_PARAMS], *values[CONNINFO_PARAMS];

    assert_int_equal(conninfo_params(conninfo, &conninfo->hosts[host], addr,
                                     keywords, values), 0);

    for (i = 0; keywords[i]; i++) {
        if (strcmp(keywords[i], keyword) == 0) {
            return values[i];
        }
    }

    return "";
}


static void
parse(conninfo_t *conninfo, const char *text)
{
    const char  *error;

    if (conninfo_parse(conninfo, text, &error) != 0) {
        fail_msg("\"%s\" %s", text, error);
    }
}


static void
test_uri(void **state)
{
    conninfo_t  ci;

    (void) state;

    parse(&ci, "postgresql://me:p%40ss@db:5433/numbers?sslmode=verify-full");

    assert_int_equal(ci.nhosts, 1);
    assert_string_equal(ci.hosts[0].host, "db");
    assert_string_equal(ci.hosts[0].hostaddr, "");
    assert_string_equal(ci.hosts[0].port, "5433");
    assert_string_equal(ci.user, "me");
    assert_string_equal(ci.dbname, "numbers");
    assert_string_equal(param(&ci, 0, "10.0.0.1", "host"), "db");
    assert_string_equal(param(&ci, 0, "10.0.0.1", "hostaddr"), "10.0.0.1");
    assert_string_equal(param(&ci, 0, "10.0.0.1", "password"), "p@ss");
    assert_string_equal(param(&ci, 0, "10.0.0.1", "sslmode"), "verify-full");
    assert_string_equal(param(&ci, 0, "10.0.0.1", "gssencmode"), "disable");

    conninfo_destroy(&ci);
}


static void
test_driver_of_the_scheme(void **state)
{
    size_t             i;
    conninfo_t         ci;
    static const char *same[] = {
        "postgresql://u@h/d", "postgres://u@h/d",
        "postgresql+psycopg2://u@h/d", "postgres+asyncpg://u@h/d",
        "postgresql+://u@h/d"
    };

    (void) state;

    for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        parse(&ci, same[i]);
        assert_string_equal(ci.hosts[0].host, "h");
        assert_string_equal(ci.dbname, "d");
        conninfo_destroy(&ci);
    }

    /* a plus anywhere else is nobody's driver */

    parse(&ci, "host=h user=a+b password=c+d://e");
    assert_string_equal(ci.user, "a+b");
    assert_string_equal(param(&ci, 0, "", "password"), "c+d://e");
    conninfo_destroy(&ci);

    parse(&ci, "postgresql://a+b:c+d@h/d");
    assert_string_equal(ci.user, "a+b");
    assert_string_equal(param(&ci, 0, "", "password"), "c+d");
    conninfo_destroy(&ci);
}


static void
test_several_hosts(void **state)
{
    conninfo_t  ci;

    (void) state;

    parse(&ci, "postgresql://u@a:1,b:2,[::1]:3/d?target_session_attrs=standby");
    assert_int_equal(ci.nhosts, 3);
    assert_string_equal(ci.hosts[1].host, "b");
    assert_string_equal(ci.hosts[1].port, "2");
    assert_string_equal(ci.hosts[2].host, "::1");
    assert_string_equal(ci.hosts[2].port, "3");
    assert_string_equal(param(&ci, 1, "127.0.0.2", "port"), "2");
    assert_string_equal(param(&ci, 1, "127.0.0.2", "target_session_attrs"), "");
    conninfo_destroy(&ci);

    parse(&ci, "host=a,b port=7");
    assert_string_equal(ci.hosts[0].port, "7");
    assert_string_equal(ci.hosts[1].port, "7");
    conninfo_destroy(&ci);

    parse(&ci, "host=a,b hostaddr=1.1.1.1,2.2.2.2");
    assert_string_equal(ci.hosts[1].host, "b");
    assert_string_equal(ci.hosts[1].hostaddr, "2.2.2.2");
    conninfo_destroy(&ci);

    parse(&ci, "hostaddr=1.1.1.1,2.2.2.2");
    assert_int_equal(ci.nhosts, 2);
    assert_string_equal(ci.hosts[1].host, "");
    assert_string_equal(ci.hosts[1].hostaddr, "2.2.2.2");
    conninfo_destroy(&ci);
}


static void
test_sockets_and_nothing(void **state)
{
    conninfo_t  ci;

    (void) state;

    parse(&ci, "host=/var/run/postgresql dbname=d");
    assert_string_equal(param(&ci, 0, "", "host"), "/var/run/postgresql");
    assert_string_equal(param(&ci, 0, "", "hostaddr"), "");
    conninfo_destroy(&ci);

    parse(&ci, "postgresql://%2Ftmp/d");
    assert_string_equal(ci.hosts[0].host, "/tmp");
    conninfo_destroy(&ci);

    parse(&ci, "dbname=d");
    assert_int_equal(ci.nhosts, 1);
    assert_string_equal(ci.hosts[0].host, "");
    assert_string_equal(ci.hosts[0].port, "");
    conninfo_destroy(&ci);
}


static void
test_errors_keep_secrets(void **state)
{
    size_t             i;
    conninfo_t         ci;
    const char        *error;
    static const char *bad[] = {
        "nonsense-s3cret",
        "host=h password='s3cret",
        "host=h s3cret",
        "foo=s3cret",
        "postgresql://u:s3cret@h:port/d",
        "postgresql://u:s3cret@h/d?no=such",
        "postgresql://u:s3cret%zz@h/d",
        "postgresql://[::1:s3cret",
        "host=a,b port=1,2,3 password=s3cret",
        "host=a,b hostaddr=1.1.1.1 password=s3cret",
        "host=a port=0 password=s3cret",
        "host=a port=65536 password=s3cret",
        "host=a port=-1 password=s3cret",
        "service=s3cret",
        "replication=s3cret",
        "mysql://u:s3cret@h/d",
        "",
        " ",
        "dbname=postgresql://u:s3cret@h/d",
        "dbname='password=s3cret'",
        "host=h sslmode=s3cret",
        "host=a,,b password=s3cret",
        "postgresql+psycopg2:/u:s3cret@h/d",
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error = NULL;

        if (conninfo_parse(&ci, bad[i], &error) == 0) {
            fail_msg("\"%s\" is taken", bad[i]);
        }

        assert_non_null(error);
        assert_null(strstr(error, "s3cret"));
        assert_null(ci.options);
        assert_null(ci.hosts);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_driver_of_the_scheme),
        cmocka_unit_test(test_several_hosts),
        cmocka_unit_test(test_sockets_and_nothing),
        cmocka_unit_test(test_errors_keep_secrets),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("conninfo", tests, NULL, NULL);
}
