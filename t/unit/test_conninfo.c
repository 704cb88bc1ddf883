
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connection strings: hosts are taken apart as libpq would, what could block
 * is taken out, and the rest is passed on as it was given.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/conninfo.h"


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
test_password_stays_where_it_is(void **state)
{
    size_t      i;
    conninfo_t  ci;

    static const struct {
        const char  *text;
        const char  *password;
        const char  *host;
    } taken[] = {
        { "postgresql://u:a%40b%2Fc%3Fd@h/d", "a@b/c?d", "h" },
        { "postgresql://u:a?b@h/d", "a?b", "h" },
        { "postgresql://u:a#b:c&d=e[f],g@h/d", "a#b:c&d=e[f],g", "h" },
        { "postgresql://u@h/d?password=a@b", "a@b", "h" },
        { "postgresql://u@h/d?password=a%26b%3Dc", "a&b=c", "h" },
        { "postgresql://u:a@h/d?sslcert=/home/me@x/c", "a", "h" },
        { "postgresql://h/d?user=me@x&password=a", "a", "h" },
        { "postgresql://u:a@/d?host=@socket", "a", "@socket" },
        { "postgresql://u:a@[fe80::1%25lo]/d", "a", "fe80::1%lo" },
        { "postgresql://u:a@[::ffff:127.0.0.1],h/d", "a", "::ffff:127.0.0.1" },
        { "postgresql://me%40x:a@h/d%40e", "a", "h" },
        { "postgresql://u:a@h/d?ssl=true&requiressl=1", "a", "h" },
        { "host=h user=me@x dbname=d@e password=a@b/c?d", "a@b/c?d", "h" },
        { "host=/home/me.x/sockets password='a b' ", "a b",
          "/home/me.x/sockets" },
        { "host=@socket password=a\\ b", "a b", "@socket" },
        { "host=h user=a:b password=c", "c", "h" },
        { "host=h user='a b|c;d' password=c", "c", "h" },
        { "host=h user='a b' passfile=/p", "", "h" },
        { "host=h user=me@x.org#EXT#@y", "", "h" },
        { "host=h user=a\\\\b dbname='my own d\303\251' ", "", "h" },
        { "host=db_0-a.example. application_name='a (b); c' ", "",
          "db_0-a.example." },
        { "host=b\303\274cher.example", "", "b\303\274cher.example" },
        { "host=h options='-c search_path=\"$user\",a -c b.c=d'", "", "h" },
        { "host=h sslrootcert='/my own/ca~1.pem' sslkey=e:k", "", "h" },
        { "host=h channel_binding=require keepalives_idle=-1", "", "h" },
    };

    (void) state;

    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        parse(&ci, taken[i].text);
        assert_string_equal(ci.hosts[0].host, taken[i].host);
        assert_string_equal(param(&ci, 0, "", "password"), taken[i].password);
        conninfo_destroy(&ci);
    }
}


static void
test_values(void **state)
{
    size_t       i;
    conninfo_t   ci;
    const char  *error;

    static const struct {
        const char  *text;
        const char  *error;
    } bad[] = {
        { "sslmode=and", "has an invalid \"sslmode\", which is one of disable, "
          "allow, prefer, require, verify-ca and verify-full" },
        { "channel_binding='prefer and'", "has an invalid \"channel_binding\", "
          "which is one of disable, prefer and require" },
        { "channel_binding=prefer,",
          "has an invalid \"channel_binding\", which is one of disable, prefer "
          "and require" },
        { "keepalives_idle=1s",
          "has an invalid \"keepalives_idle\", which is a number" },
        { "client_encoding=utf8;",
          "has a \"client_encoding\" with other characters than letters, "
          "digits and any of \"._-\"; key=value pairs are separated by "
          "spaces, and parameters of a URI by \"&\"" },
    };

    static const char *good[] = {
        "sslmode=disable", "sslmode=verify-ca", "sslmode=verify-full",
        "sslmode=", "channel_binding=require", "keepalives=0", "keepalives=",
        "client_encoding=UTF-8", "ssl_min_protocol_version=TLSv1.2",
        "sslrootcert=system", "requirepeer=postgres", "krbsrvname=postgres"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(conninfo_parse(&ci, bad[i].text, &error), -1);
        assert_string_equal(error, bad[i].error);
    }

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        parse(&ci, good[i]);
        conninfo_destroy(&ci);
    }
}


static void
test_numeric_addresses(void **state)
{
    size_t  i;

    static const char  *addrs[] = {
        "127.0.0.1", "::1", "fe80::1%1", "10.0.0.255"
    };

    static const char  *names[] = {
        "localhost", "db.example", "10.0.0.256", "::g", "", "a b"
    };

    (void) state;

    for (i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
        assert_true(conninfo_host_is_addr(addrs[i]));
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(conninfo_host_is_addr(names[i]));
    }
}


static void
test_variables_of_libpq(void **state)
{
    (void) state;

    setenv("PGSERVICE", "s", 1);
    setenv("PGHOSTADDR", "10.0.0.1", 1);
    setenv("PGTARGETSESSIONATTRS", "x", 1);
    setenv("PGPASSFILE", "/p", 1);

    conninfo_unset_variables();

    assert_null(getenv("PGSERVICE"));
    assert_null(getenv("PGHOSTADDR"));
    assert_null(getenv("PGTARGETSESSIONATTRS"));
    assert_string_equal(getenv("PGPASSFILE"), "/p");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_driver_of_the_scheme),
        cmocka_unit_test(test_several_hosts),
        cmocka_unit_test(test_sockets_and_nothing),
        cmocka_unit_test(test_password_stays_where_it_is),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_numeric_addresses),
        cmocka_unit_test(test_variables_of_libpq),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("conninfo", tests, NULL, NULL);
}
