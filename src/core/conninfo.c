
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Parses conninfo strings.  What libpq would do with one that blocks or that
 * hides something from the module is taken out here: lists of hosts (the
 * module tries them in turn, with time-outs of its own), GSSAPI encryption,
 * service files, the choice among servers by libpq itself.
 */


#include <stdlib.h>
#include <string.h>

#include "core/conninfo.h"
#include "core/conninfo_secrets.h"
#include "core/conninfo_words.h"


typedef struct {
    const char  *keyword;
    const char  *value;
} conninfo_param_t;


/* options that are not passed on as they were given */

static const char  *conninfo_own[] = {
    "host", "hostaddr", "port", "gssencmode", "target_session_attrs",
    "load_balance_hosts", "connect_timeout", "fallback_application_name", NULL
};


static const conninfo_param_t  conninfo_fixed[] = {
    { "gssencmode", "disable" },
    { "fallback_application_name", "nginx unique_random" },
    { NULL, NULL }
};


/* of these an empty parameter would not be taken in place of the variable */

static const char  *conninfo_variables[] = {
    "PGSERVICE", "PGHOSTADDR", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS",
    NULL
};


static char *conninfo_strip_driver(const char *text);
static PQconninfoOption *conninfo_read(const char *text, const char **error);
static const char *conninfo_check(const conninfo_t *conninfo);
static const char *conninfo_get(const conninfo_t *conninfo,
    const char *keyword);
static int conninfo_split_hosts(conninfo_t *conninfo, const char **error);
static const char *conninfo_check_host(const conninfo_t *conninfo,
    const conninfo_host_t *host);
static int conninfo_is_port(const char *port);
static size_t conninfo_count(const char *list);
static char *conninfo_next(char **list);


int
conninfo_parse(conninfo_t *conninfo, const char *text, const char **error)
{
    char  *stripped;

    memset(conninfo, 0, sizeof(conninfo_t));

    if (text[strspn(text, " \t\r\n")] == '\0') {
        *error = "is empty";
        return -1;
    }

    stripped = conninfo_strip_driver(text);
    if (stripped == NULL) {
        *error = "out of memory";
        return -1;
    }

    conninfo->options = conninfo_read(stripped, error);

    free(stripped);

    if (conninfo->options == NULL) {
        return -1;
    }

    conninfo->user = conninfo_get(conninfo, "user");
    conninfo->dbname = conninfo_get(conninfo, "dbname");

    *error = conninfo_check(conninfo);

    if (*error == NULL && conninfo_split_hosts(conninfo, error) == 0) {
        return 0;
    }

    conninfo_destroy(conninfo);

    return -1;
}


void
conninfo_destroy(conninfo_t *conninfo)
{
    PQconninfoFree(conninfo->options);
    free(conninfo->hosts);
    free(conninfo->lists);

    memset(conninfo, 0, sizeof(conninfo_t));
}


int
conninfo_params(const conninfo_t *conninfo, const conninfo_host_t *host,
    const char *hostaddr, const char *keywords[CONNINFO_PARAMS],
    const char *values[CONNINFO_PARAMS])
{
    size_t                   i, n;
    const char             **own;
    const PQconninfoOption  *opt;

    const conninfo_param_t   chosen[] = {
        { "host", host->host },
        { "hostaddr", hostaddr },
        { "port", host->port },
    };

    n = 0;

    for (i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++) {
        if (chosen[i].value[0]) {
            keywords[n] = chosen[i].keyword;
            values[n++] = chosen[i].value;
        }
    }

    for (i = 0; conninfo_fixed[i].keyword; i++) {
        keywords[n] = conninfo_fixed[i].keyword;
        values[n++] = conninfo_fixed[i].value;
    }

    for (opt = conninfo->options; opt->keyword; opt++) {

        if (opt->val == NULL) {
            continue;
        }

        for (own = conninfo_own; *own; own++) {
            if (strcmp(*own, opt->keyword) == 0) {
                break;
            }
        }

        if (*own) {
            continue;
        }

        if (n == CONNINFO_PARAMS - 1) {
            return -1;
        }

        keywords[n] = opt->keyword;
        values[n++] = opt->val;
    }

    keywords[n] = NULL;
    values[n] = NULL;

    return 0;
}


void
conninfo_unset_variables(void)
{
    const char  **name;

    for (name = conninfo_variables; *name; name++) {
        (void) unsetenv(*name);
    }
}


/* "postgresql+psycopg2://..." is how SQLAlchemy spells "postgresql://..." */

static char *
conninfo_strip_driver(const char *text)
{
    char        *copy;
    size_t       scheme;
    const char  *rest;

    scheme = strcspn(text, "+:/?= ");
    rest = text + scheme;

    if (*rest == '+') {
        rest += strcspn(rest, ":/?= ");

        if (strncmp(rest, "://", 3) != 0) {
            rest = text + scheme;
        }
    }

    copy = malloc(scheme + strlen(rest) + 1);

    if (copy) {
        memcpy(copy, text, scheme);
        strcpy(copy + scheme, rest);
    }

    return copy;
}


static PQconninfoOption *
conninfo_read(const char *text, const char **error)
{
    char              *libpq_error;
    PQconninfoOption  *options;

    *error = conninfo_secrets_in_uri(text);
    if (*error) {
        return NULL;
    }

    libpq_error = NULL;

    options = PQconninfoParse(text, &libpq_error);

    PQfreemem(libpq_error);

    if (options == NULL) {
        *error = conninfo_words_unknown(text);

        if (*error == NULL) {
            *error = "is neither a URI nor a list of key=value pairs that "
                     "libpq understands";
        }
    }

    return options;
}


/* what the module does not take, though libpq does */

static const char *
conninfo_check(const conninfo_t *conninfo)
{
    if (strcmp(conninfo_get(conninfo, "gssencmode"), "require") == 0) {
        return "has \"gssencmode=require\", but encryption by GSSAPI is not "
               "supported; \"sslmode=require\" and \"sslmode=verify-full\" "
               "demand that of TLS";
    }

    if (conninfo_get(conninfo, "service")[0]
        || conninfo_get(conninfo, "replication")[0])
    {
        return "has \"service\" or \"replication\", which are not supported";
    }

    /* it is part of the shard's name, which is shown */

    if (strpbrk(conninfo->dbname, "=/")
        || (strchr(conninfo->dbname, ':') && strchr(conninfo->dbname, '@')))
    {
        return "has a \"dbname\" that looks like another conninfo";
    }

    if (strchr(conninfo->user, ':') && !conninfo_get(conninfo, "password")[0])
    {
        return "has \":\" in its user, and no password; the \":\" of a URI "
               "that ends the user is not escaped";
    }

    /* where a password is given, the user is not another one */

    return conninfo_secrets_in_options(conninfo->options,
                                       conninfo_get(conninfo, "password")[0]
                                       || conninfo_get(conninfo,
                                                       "passfile")[0]);
}


static const char *
conninfo_get(const conninfo_t *conninfo, const char *keyword)
{
    const PQconninfoOption  *opt;

    for (opt = conninfo->options; opt->keyword; opt++) {
        if (strcmp(opt->keyword, keyword) == 0) {
            return opt->val ? opt->val : "";
        }
    }

    return "";
}


/*
 * As in libpq: "host", "hostaddr" and "port" are lists with commas; one port
 * is the port of all hosts.
 */

static int
conninfo_split_hosts(conninfo_t *conninfo, const char **error)
{
    char             *hosts, *addrs, *ports;
    size_t            i, nhosts, naddrs, nports;
    const char       *list[3];
    conninfo_host_t  *host;

    list[0] = conninfo_get(conninfo, "host");
    list[1] = conninfo_get(conninfo, "hostaddr");
    list[2] = conninfo_get(conninfo, "port");

    nhosts = conninfo_count(list[0]);
    naddrs = conninfo_count(list[1]);
    nports = conninfo_count(list[2]);

    conninfo->nhosts = naddrs ? naddrs : nhosts ? nhosts : 1;

    if (naddrs && nhosts && naddrs != nhosts) {
        *error = "has not as many \"host\" as \"hostaddr\"";
        return -1;
    }

    if (nports > 1 && nports != conninfo->nhosts) {
        *error = "has not as many \"port\" as \"host\"";
        return -1;
    }

    conninfo->hosts = calloc(conninfo->nhosts, sizeof(conninfo_host_t));
    conninfo->lists = malloc(strlen(list[0]) + strlen(list[1])
                             + strlen(list[2]) + 3);

    if (conninfo->hosts == NULL || conninfo->lists == NULL) {
        *error = "out of memory";
        return -1;
    }

    hosts = conninfo->lists;
    addrs = stpcpy(hosts, list[0]) + 1;
    ports = stpcpy(addrs, list[1]) + 1;
    strcpy(ports, list[2]);

    for (i = 0; i < conninfo->nhosts; i++) {
        host = &conninfo->hosts[i];

        host->host = conninfo_next(&hosts);
        host->hostaddr = conninfo_next(&addrs);
        host->port = (nports > 1) ? conninfo_next(&ports) : ports;

        *error = conninfo_check_host(conninfo, host);
        if (*error) {
            return -1;
        }
    }

    return 0;
}


/* libpq finds out only when it connects */

static const char *
conninfo_check_host(const conninfo_t *conninfo, const conninfo_host_t *host)
{
    if (conninfo->nhosts > 1 && !host->host[0] && !host->hostaddr[0]) {
        return "has an empty host in its list";
    }

    if (!conninfo_is_port(host->port)) {
        return "has a port that is not a number between 1 and 65535";
    }

    return NULL;
}


static int
conninfo_is_port(const char *port)
{
    size_t  len;

    len = strspn(port, "0123456789");

    return port[len] == '\0'
           && (len == 0
               || (len <= 5 && atoi(port) >= 1 && atoi(port) <= 65535));
}


static size_t
conninfo_count(const char *list)
{
    size_t  n;

    if (*list == '\0') {
        return 0;
    }

    for (n = 1; *list; list++) {
        if (*list == ',') {
            n++;
        }
    }

    return n;
}


/* the next word of a list, "" at its end */

static char *
conninfo_next(char **list)
{
    char  *word;

    word = *list;

    *list += strcspn(word, ",");

    if (**list == ',') {
        **list = '\0';
        (*list)++;
    }

    return word;
}
