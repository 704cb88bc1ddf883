
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * For libpq, user and password of a URI end with the first "@" that has no
 * "/" before it.  With "@", "/" or "?" in a password that are not escaped, or
 * with pairs that are not separated by spaces, what is left of the password
 * becomes a host, a port, a database or a parameter, and those are shown.
 */


#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "conninfo_secrets.h"


#define CONNINFO_ESCAPES                                                      \
    "in a user, a password or a database of a URI, \"@\" is written as %40, " \
    "\"/\" as %2F, \"?\" as %3F, \"&\" as %26, \"=\" as %3D and \"%\" as %25"


static const char  conninfo_has_at[] =
    "has an \"@\" that does not end the user and password; " CONNINFO_ESCAPES;


static const char *conninfo_misspelt_query(const char *query, int password);
static int conninfo_may_have_at(const char *pair, const char *eq,
    const char *end, int password);
static int conninfo_are_hosts(const char *list, int sockets);
static int conninfo_is_host(const char *host, size_t len, int sockets);


const char *
conninfo_uri(const char *text)
{
    size_t              i, len;
    static const char  *schemes[] = { "postgresql://", "postgres://", NULL };

    for (i = 0; schemes[i]; i++) {
        len = strlen(schemes[i]);

        if (strncmp(text, schemes[i], len) == 0) {
            return text + len;
        }
    }

    return NULL;
}


const char *
conninfo_uri_at(const char *uri)
{
    uri += strcspn(uri, "@/");

    return *uri == '@' ? uri : NULL;
}


const char *
conninfo_uri_query(const char *uri)
{
    const char  *at;

    at = conninfo_uri_at(uri);
    if (at) {
        uri = at;
    }

    return uri + strcspn(uri, "?");
}


const char *
conninfo_misspelt_uri(const char *text)
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
        return conninfo_has_at;
    }

    return conninfo_misspelt_query(query, password);
}


/* all of these are taken by libpq, and can be the end of a password */

static const char *
conninfo_misspelt_query(const char *query, int password)
{
    const char  *pair, *end, *eq;

    for (pair = query; *pair; pair = end) {
        pair++;

        end = pair + strcspn(pair, "&");

        if (memchr(pair, '@', end - pair) == NULL) {
            continue;
        }

        eq = memchr(pair, '=', end - pair);

        if (eq == NULL || !conninfo_may_have_at(pair, eq, end, password)) {
            return conninfo_has_at;
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
conninfo_may_have_at(const char *pair, const char *eq, const char *end,
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
conninfo_misspelt_options(const PQconninfoOption *options)
{
    const PQconninfoOption  *opt;

    for (opt = options; opt->keyword; opt++) {

        if (opt->val == NULL || conninfo_is_secret(opt)) {
            continue;
        }

        if (conninfo_has_password(opt->val, strlen(opt->val))) {
            return "has a password within another value; key=value pairs are "
                   "separated by spaces, and parameters of a URI by \"&\"";
        }

        if ((strcmp(opt->keyword, "host") == 0
             && !conninfo_are_hosts(opt->val, 1))
            || (strcmp(opt->keyword, "hostaddr") == 0
                && !conninfo_are_hosts(opt->val, 0)))
        {
            return "has a host with \"@\" or another character that no host "
                   "has; a password in key=value pairs is written as "
                   "password='...', with \\' for ' and \\\\ for \\";
        }
    }

    return NULL;
}


int
conninfo_is_secret(const PQconninfoOption *opt)
{
    return opt->dispchar[0] == '*';
}


int
conninfo_has_password(const char *value, size_t len)
{
    size_t              i, n, key;
    static const char  *keys[] = {
        "password=", "passwd=", "pass=", "pwd=", NULL
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
conninfo_are_hosts(const char *list, int sockets)
{
    size_t  len;

    for ( /* void */ ; *list; list += len + (list[len] == ',')) {

        len = strcspn(list, ",");

        if (!conninfo_is_host(list, len, sockets)) {
            return 0;
        }
    }

    return 1;
}


/* a name, an address, the folder of a socket or, with "@", an abstract one */

static int
conninfo_is_host(const char *host, size_t len, int sockets)
{
    const char         *colon;
    static const char   bad[] = "@ \t\r\n\"#$&'()*+;<=>?/[\\]^`{|}~!";

    if (sockets && (*host == '/' || *host == '@')) {
        return memchr(host, '=', len) == NULL;
    }

    colon = memchr(host, ':', len);

    /* "u:secret" is no IPv6 address */

    if (colon
        && (memchr(colon + 1, ':', host + len - colon - 1) == NULL
            || strchr(",%", host[strspn(host, "0123456789abcdefABCDEF:.")])
               == NULL))
    {
        return 0;
    }

    return strcspn(host, bad) >= len;
}
