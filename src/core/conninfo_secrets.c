
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * For libpq, user and password of a URI end with the first "@" that has no
 * "/" before it.  With "@", "/" or "?" in a password that are not escaped, or
 * with pairs that are not separated by spaces, what is left of the password
 * becomes a host, a port, a database or a parameter, and those are shown; or
 * it stays behind a value that libpq or the server quotes.  So what may be
 * shown has only characters that real values have.
 */


#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/conninfo_secrets.h"
#include "core/conninfo_uri.h"


#define CONNINFO_ESCAPES                                                      \
    "in a user, a password or a database of a URI, \"@\" is written as %40, " \
    "\"/\" as %2F, \"?\" as %3F, \"&\" as %26, \"=\" as %3D and \"%\" as %25"


#define CONNINFO_PLAIN  "._-"
#define CONNINFO_FILE   CONNINFO_PLAIN "/@+~ "


typedef enum {
    CONNINFO_CHARS = 0,     /* letters, digits and these */
    CONNINFO_ONE_OF,
    CONNINFO_NUMBER,
    CONNINFO_ANY            /* nobody quotes it */
} conninfo_kind_e;


typedef struct {
    const char       *keyword;
    conninfo_kind_e   kind;
    const char       *text;
} conninfo_form_t;


static const char  conninfo_secrets_has_at[] =
    "has an \"@\" that does not end the user and password; " CONNINFO_ESCAPES;


/* hosts have forms of their own */

static const conninfo_form_t  conninfo_secrets_forms[] = {
    { "application_name", CONNINFO_ANY, NULL },
    { "channel_binding", CONNINFO_ONE_OF, "disable, prefer and require" },
    { "dbname", CONNINFO_CHARS, CONNINFO_PLAIN "@+$~ " },
    { "fallback_application_name", CONNINFO_ANY, NULL },
    { "keepalives", CONNINFO_NUMBER, NULL },
    { "keepalives_count", CONNINFO_NUMBER, NULL },
    { "keepalives_idle", CONNINFO_NUMBER, NULL },
    { "keepalives_interval", CONNINFO_NUMBER, NULL },
    { "options", CONNINFO_CHARS, CONNINFO_PLAIN " =,:/$*'\"\\" },
    { "passfile", CONNINFO_CHARS, CONNINFO_FILE },
    { "port", CONNINFO_CHARS, CONNINFO_PLAIN "," },
    { "require_auth", CONNINFO_CHARS, CONNINFO_PLAIN ",!" },
    { "sslcert", CONNINFO_CHARS, CONNINFO_FILE },
    { "sslcrl", CONNINFO_CHARS, CONNINFO_FILE },
    { "sslcrldir", CONNINFO_CHARS, CONNINFO_FILE },
    { "sslkey", CONNINFO_CHARS, CONNINFO_FILE ":" },
    { "sslkeylogfile", CONNINFO_CHARS, CONNINFO_FILE },
    { "sslmode", CONNINFO_ONE_OF,
      "disable, allow, prefer, require, verify-ca and verify-full" },
    { "sslrootcert", CONNINFO_CHARS, CONNINFO_FILE },
    { "tcp_user_timeout", CONNINFO_NUMBER, NULL },
    { "user", CONNINFO_CHARS, CONNINFO_PLAIN "@+$~#\\" },
    { NULL, CONNINFO_CHARS, CONNINFO_PLAIN }
};


static const char *conninfo_secrets_in_query(const char *query, int password);
static int conninfo_secrets_may_have_at(const char *pair, const char *eq,
    const char *end, int password);
static const char *conninfo_secrets_in_value(const PQconninfoOption *opt);
static const char *conninfo_secrets_check_form(const PQconninfoOption *opt);
static int conninfo_secrets_is_one_of(const char *list, const char *word,
    size_t len);
static int conninfo_secrets_are_hosts(const char *list, int sockets);
static int conninfo_secrets_is_host(const char *host, size_t len, int sockets);
static int conninfo_secrets_consists_of(const char *text, size_t len,
    const char *chars);


const char *
conninfo_secrets_in_uri(const char *text)
{
    int          password;
    const char  *uri, *at, *query, *question;

    uri = conninfo_uri(text);
    if (uri == NULL) {
        return NULL;
    }

    at = conninfo_uri_at(uri);
    query = conninfo_uri_query(uri);
    password = 0;

    if (at) {
        password = (memchr(uri, ':', at - uri) != NULL);

        /* "h?password=a@b" is user "h?password=a" at host "b" */

        question = memchr(uri, '?', at - uri);

        if (question
            && (memchr(uri, ':', question - uri) == NULL
                || memchr(question, '=', at - question)))
        {
            return "has a \"?\" in its user or password; " CONNINFO_ESCAPES;
        }

        uri = at + 1;
    }

    if (memchr(uri, '@', query - uri)) {
        return conninfo_secrets_has_at;
    }

    if (uri + strcspn(uri, " \t\r\n") < query) {
        return "has a space in a host or a database; parameters of a URI "
               "begin with \"?\" and are separated by \"&\"";
    }

    return conninfo_secrets_in_query(query, password);
}


/* all of these are taken by libpq, and can be the end of a password */

static const char *
conninfo_secrets_in_query(const char *query, int password)
{
    const char  *pair, *end, *eq;

    for (pair = query; *pair; pair = end) {
        pair++;

        end = pair + strcspn(pair, "&");

        if (memchr(pair, '@', end - pair) == NULL) {
            continue;
        }

        eq = memchr(pair, '=', end - pair);

        if (eq == NULL
            || !conninfo_secrets_may_have_at(pair, eq, end, password))
        {
            return conninfo_secrets_has_at;
        }
    }

    return NULL;
}


/*
 * An abstract socket, a path such as "/home/me@example.com/ca.pem", and, if
 * there was no password before, a value that does not look like the rest of
 * one and "@host:5432" or "@host/db".
 */

static int
conninfo_secrets_may_have_at(const char *pair, const char *eq, const char *end,
    int password)
{
    if (strncmp(pair, "host=", 5) == 0) {
        return eq[1] == '@' && memchr(eq, '/', end - eq) == NULL;
    }

    if (strncmp(pair, "ssl", 3) == 0 || strncmp(pair, "passfile=", 9) == 0) {
        if (eq[1] == '/') {
            return 1;
        }
    }

    return !password
           && strncmp(pair, "dbname=", 7) != 0
           && memchr(pair, '@', eq - pair) == NULL
           && memchr(eq, '/', end - eq) == NULL
           && memchr(eq, ':', end - eq) == NULL;
}


const char *
conninfo_secrets_in_options(const PQconninfoOption *options, int any_user)
{
    const char              *error;
    const PQconninfoOption  *opt;

    for (opt = options; opt->keyword; opt++) {

        if (opt->val == NULL
            || conninfo_secrets_is_password(opt)
            || (any_user && strcmp(opt->keyword, "user") == 0))
        {
            continue;
        }

        error = conninfo_secrets_in_value(opt);
        if (error) {
            return error;
        }
    }

    return NULL;
}


static const char *
conninfo_secrets_in_value(const PQconninfoOption *opt)
{
    int  sockets;

    if (conninfo_secrets_has_password(opt->val, strlen(opt->val))) {
        return "has a password within another value; key=value pairs are "
               "separated by spaces, and parameters of a URI by \"&\"";
    }

    sockets = (strcmp(opt->keyword, "host") == 0);

    if (sockets || strcmp(opt->keyword, "hostaddr") == 0) {
        return conninfo_secrets_are_hosts(opt->val, sockets) ? NULL
               : "has a host with \"@\" or another character that no host "
                 "has; a password in key=value pairs is written as "
                 "password='...', with \\' for ' and \\\\ for \\";
    }

    return conninfo_secrets_check_form(opt);
}


static const char *
conninfo_secrets_check_form(const PQconninfoOption *opt)
{
    int                     good;
    size_t                  len;
    const char             *format;
    static char             error[250];
    const conninfo_form_t  *form;

    for (form = conninfo_secrets_forms; form->keyword; form++) {
        if (strcmp(form->keyword, opt->keyword) == 0) {
            break;
        }
    }

    len = strlen(opt->val);

    switch (form->kind) {

    case CONNINFO_CHARS:
        good = conninfo_secrets_consists_of(opt->val, len, form->text);
        format = "has a \"%s\" with other characters than letters, digits and "
                 "any of \"%s\"; key=value pairs are separated by spaces, and "
                 "parameters of a URI by \"&\"";
        break;

    case CONNINFO_ONE_OF:
        good = (len == 0
                || conninfo_secrets_is_one_of(form->text, opt->val, len));
        format = "has an invalid \"%s\", which is one of %s";
        break;

    case CONNINFO_NUMBER:
        good = (strspn(opt->val, "-0123456789") == len);
        format = "has an invalid \"%s\", which is a number";
        break;

    default: /* CONNINFO_ANY */
        return NULL;
    }

    if (good) {
        return NULL;
    }

    (void) snprintf(error, sizeof(error), format, opt->keyword, form->text);

    return error;
}


/* of a list such as "disable, allow and prefer" */

static int
conninfo_secrets_is_one_of(const char *list, const char *word, size_t len)
{
    const char  *p;

    for (p = list; (p = strstr(p, word)) != NULL; p++) {
        if ((p == list || p[-1] == ' ')
            && (p[len] == '\0' || strchr(", ", p[len])))
        {
            return conninfo_secrets_is_plain(word) && strcmp(word, "and") != 0;
        }
    }

    return 0;
}


int
conninfo_secrets_is_password(const PQconninfoOption *opt)
{
    return opt->dispchar[0] == '*';
}


int
conninfo_secrets_has_password(const char *value, size_t len)
{
    size_t              i, n, key;
    static const char  *keys[] = {
        "password=", "passwd=", "pass=", "pwd=", "pw=", "secret=", NULL
    };

    for (n = 0; n < len; n++) {

        if (n > 0 && isalnum((unsigned char) value[n - 1])) {
            continue;
        }

        for (i = 0; keys[i]; i++) {
            key = strlen(keys[i]);

            if (key <= len - n && strncasecmp(value + n, keys[i], key) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


static int
conninfo_secrets_are_hosts(const char *list, int sockets)
{
    size_t  len;

    for ( /* void */ ; *list; list += len + (list[len] == ',')) {

        len = strcspn(list, ",");

        if (!conninfo_secrets_is_host(list, len, sockets)) {
            return 0;
        }
    }

    return 1;
}


/* a name, an address, the folder of a socket or, with "@", an abstract one */

static int
conninfo_secrets_is_host(const char *host, size_t len, int sockets)
{
    size_t       hex;
    const char  *colon;

    if (sockets && (*host == '/' || *host == '@')) {
        return conninfo_secrets_consists_of(host + 1, len - 1,
                                            CONNINFO_PLAIN "/");
    }

    colon = memchr(host, ':', len);

    if (colon == NULL) {
        return conninfo_secrets_consists_of(host, len, CONNINFO_PLAIN);
    }

    /* "u:secret" is no IPv6 address */

    hex = strspn(host, "0123456789abcdefABCDEF:.");

    return memchr(colon + 1, ':', host + len - colon - 1)
           && (hex == len
               || (host[hex] == '%'
                   && conninfo_secrets_consists_of(host + hex + 1,
                                                   len - hex - 1,
                                                   CONNINFO_PLAIN)));
}


int
conninfo_secrets_is_plain(const char *text)
{
    return conninfo_secrets_consists_of(text, strlen(text), CONNINFO_PLAIN);
}


/* letters of other alphabets than ours are in UTF-8, or whatever it is */

static int
conninfo_secrets_consists_of(const char *text, size_t len, const char *chars)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char) text[i])
            && (unsigned char) text[i] < 0x80
            && strchr(chars, text[i]) == NULL)
        {
            return 0;
        }
    }

    return 1;
}
