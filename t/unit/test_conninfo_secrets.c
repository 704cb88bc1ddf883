
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connection strings that are refused: no error repeats a secret, and yet each
 * says what to write.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/conninfo.h"
#include "core/conninfo_secrets.h"


static const char  *bad[] = {
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
    "host=h gssencmode=require password=s3cret",
    "mysql://u:s3cret@h/d",
    "",
    " ",
    "dbname=postgresql://u:s3cret@h/d",
    "dbname='password=s3cret'",
    "host=h sslmode=s3cret",
    "host=a,,b password=s3cret",
    "postgresql+psycopg2:/u:s3cret@h/d",

    /* "@" in a password */

    "postgresql://u:p@s3cret@h/d",
    "postgresql://u:@s3cret@h/d",
    "postgresql://u:s3cret@@h/d",
    "postgresql://u@s3cret@h/d",
    "postgresql+asyncpg://u:p@s3cret@h/d",
    "postgres://u:p@s3cret@h:1,h2:2/d",
    "postgresql://u:p@h:1,u2:s3cret@h2:2/d",
    "postgresql://u:p@h:1,s3cret@h2/d",
    "postgresql://u:p@h/s3cret@x",
    "postgresql://u:p@s3cret?x@h/d",
    "postgresql://u:p@s3cret?user=x@h/d",
    "postgresql://u:p@s3cret?user=x@h:5432",
    "postgresql://u:p@s3cret?user=x@h",
    "postgresql://u:p@s3cret?password=x@h",
    "postgresql://u:12/s3cret?user=/x@h",
    "postgresql://u:12?password=s3cret://x@h",
    "postgresql://u:p@h?dbname=s3cret@x",
    "postgresql://u%3Ap%40s3cret@h/d",
    "postgresql://u%3As3cret@h/d",
    "postgresql://s3cret%40h/d",
    "postgresql://u:p@h/d?host=s3cret%40h",
    "postgresql://u:p@h/d?host=s3cret@h",

    /* "/" in a password */

    "postgresql://u:12/s3cret@h/d",
    "postgresql://u:12/s3cret@h",
    "postgresql://u:/s3cret@h",
    "postgresql://u:12/?s3cret@h/d",
    "postgresql://u:12/s3cret?user=x@h/d",
    "postgresql://u:12/x?s3cret=1@h",
    "postgresql://u:1/2@s3cret@h/d",
    "postgresql://u/s3cret@h/d",

    /* "?" in a password, or an "@" in a parameter */

    "postgresql://h?password=p@s3cret",
    "postgresql://h:5432?password=p@s3cret",
    "postgresql://h,h2:5432?pasword=p@s3cret",
    "postgresql://u:1?s3cret=x@h/d",
    "postgresql://u?s3cret@h/d",

    /* "&" and "=" in a password */

    "postgresql://u@h/d?password=p&s3cret",
    "postgresql://u@h/d?password=p&s3cret=1",
    "postgresql://u@h/d?sslpassword=p&s3cret=1",
    "postgresql://u@h/d?password=p=s3cret",
    "postgresql://u:s3cret@h/d?s3cret=1",
    "postgresql://u@h/d?user=x@y&s3cret=1",
    "postgresql://u:p/x?s3cret=1",

    /* pairs that are not separated by spaces, values that are missing */

    "host=h;password=s3cret",
    "host=h,password=s3cret",
    "host=h&password=s3cret",
    "host=/tmp;pw=s3cret",
    "host=@x;pw=s3cret",
    "hostaddr=127.0.0.1;Password=s3cret",
    "host=h user=u;PWD=s3cret",
    "host=h sslrootcert=/ca.pem;password=s3cret",
    "host= password=s3cret",
    "host=h user= password=s3cret",
    "host=h user=u:s3cret",
    "host=p@s3cret",
    "host=u:s3cret",
    "hostaddr=@s3cret",
    "hostaddr=/s3cret",
    "host=h,ad:dead:s3cret",
    "dbname=u:s3cret@h",
    "postgresql:///u:s3cret@h/d",
    "postgresql:///u:s3cret%40h",
    "postgresql://u%3As3cret/d",
    "host='h s3cret'",
    "host=h password=p s3cret=1",
    "host=h password=p s3cret = 1",
    "host=h;password=p s3cret=1",
    "host=h,user=u,password=p s3cret=1 port=1",
    "host=h password='p's3cret=1",
    "host=h password=p\\\\ s3cret=1",
    "host=h password=p'q s3cret=1 user='x'",
    "Host=h;Password=s3cret",
    "s3cret=",
    "s3cret==",
    "postgresql:u:s3cret=@h",
    "jdbc:postgresql://h/d?user=u&password=s3cret",
    "host=h passwords3cret==",
    "pws3cret=1 host=h",
    "postgresql://u@h/d?password-s3cret=",
    "postgresql://u@h/d?sslpassword.s3cret=1",
    "host=h options='-c statement_timeout=1 pw=s3cret'",

    /* behind values that libpq or the server would quote */

    "host=//u:s3cret@h/d",
    "host=/u:s3cret",
    "host=/u@s3cret",
    "host=@u:s3cret@h",
    "host=h%s3cret",
    "host=::1%lo;s3cret",
    "postgresql:///d?host=@u:s3cret@h",
    "hostaddr=::1;s3cret",
    "host=h port=1;s3cret",
    "host=h channel_binding=prefer;s3cret",
    "host=h channel_binding=s3cret",
    "host=h keepalives=s3cret",
    "host=h keepalives=1,s3cret",
    "host=h keepalives_idle=1:s3cret",
    "host=h tcp_user_timeout=1;s3cret",
    "host=h ssl_min_protocol_version=TLSv1.2;s3cret",
    "host=h client_encoding=utf8;s3cret",
    "host=h sslrootcert=/ca.pem;s3cret",
    "host=h options=-cstatement_timeout=1;s3cret",
    "postgresql://u@h/d?channel_binding=prefer;s3cret",
    "host=h dbname=d;s3cret",
    "host=h dbname=d,s3cret",
    "host=h dbname=d:s3cret",
    "postgresql://h/d s3cret",
    "postgresql://h s3cret/d",
    "postgresql://u@h/d\ts3cret?sslmode=allow",
    "postgresql://h/d;s3cret",
    "postgresql://h/d#s3cret",
    "postgresql://u;s3cret@h/d",
    "postgresql://u%2Fs3cret@h/d",
    "postgresql://u s3cret@h/d",
    "host=h user=u,s3cret",
    "host=h user=u/s3cret",
    "host=h user= s=s3cret",
};


static void
test_errors_keep_secrets(void **state)
{
    size_t       i;
    conninfo_t   ci;
    const char  *error;

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


static void
test_unknown_words(void **state)
{
    size_t       i;
    conninfo_t   ci;
    const char  *error;

    static const struct {
        const char  *text;
        const char  *error;
    } unknown[] = {
        { "postgresql://u:p@h/d?foo=1", "\"foo\"" },
        { "postgresql://h:5432,[::1]:2/d?sslmode=allow&foo=1", "\"foo\"" },
        { "postgresql:///d?foo=1&password=p", "\"foo\"" },
        { "host=h foo=1", "\"foo\"" },
        { "host = h foo =1 password=p", "\"foo\"" },
        { "foo='a b' host=h", "\"foo\"" },
        { "host=h ssl=true",
          "\"ssl\", which libpq calls \"sslmode\"" },
        { "postgresql://u:p@h/d?ssl=require",
          "\"ssl\", which libpq calls \"sslmode\"" },
        { "postgresql://u:p@h/d?sslMode=require",
          "\"sslMode\", which libpq calls \"sslmode\"" },
        { "postgresql://u:p@h/d?ssl_root_cert=x",
          "\"ssl_root_cert\", which libpq calls \"sslrootcert\"" },
        { "postgresql://u:p@h/d?ApplicationName=x",
          "\"ApplicationName\", which libpq calls \"application_name\"" },
        { "Server=h;Password=p",
          "\"Server\", which libpq calls \"host\"" },
        { "postgresql://u@h/d?password=p&charset=utf8",
          "\"charset\", which libpq calls \"client_encoding\"" },
        { "host=h password=p pwd=q",
          "\"pwd\", which libpq calls \"password\"" },
        { "postgresql://u:p@h/d?schema=public",
          "\"schema\", which has no meaning here, leave it out" },
        { "postgresql://u:p@h/d?pgbouncer=true&foo=1",
          "\"pgbouncer\", which has no meaning here, leave it out" },
        { "postgresql://u:p@h/d?socketTimeout=10",
          "\"socketTimeout\", use the directive \"reserve_timeout\" in its "
          "place" },
        { "postgresql://u:p@h/d?connectTimeout=10",
          "\"connectTimeout\", use the directive \"connect_timeout\" in its "
          "place" },
    };

    (void) state;

    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(conninfo_parse(&ci, unknown[i].text, &error), -1);
        assert_memory_equal(error, "has an unknown parameter ", 25);
        assert_string_equal(error + 25, unknown[i].error);
    }
}


static void
test_plain(void **state)
{
    (void) state;

    assert_true(conninfo_secrets_is_plain(""));
    assert_true(conninfo_secrets_is_plain("Numbers_0-1.x"));
    assert_true(conninfo_secrets_is_plain("n\303\272meros"));
    assert_false(conninfo_secrets_is_plain("a b"));
    assert_false(conninfo_secrets_is_plain("a@b"));
    assert_false(conninfo_secrets_is_plain("a\nb"));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_errors_keep_secrets),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_plain),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("conninfo secrets", tests, NULL, NULL);
}
