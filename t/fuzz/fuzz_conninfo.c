
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Connection strings: any text is refused, or taken apart without a loss, and
 * what libpq is given for each host has nothing in it that the module does by
 * itself.
 */


#include "core/conninfo.h"
#include "fuzz.h"


/* never passed on: they wait, choose, or read files */

static const char  *fuzz_conninfo_gone[] = {
    "service", "replication", "target_session_attrs", "load_balance_hosts",
    "connect_timeout", NULL
};


static void fuzz_conninfo_hosts(const conninfo_t *ci);
static void fuzz_conninfo_params(const conninfo_t *ci,
    const conninfo_host_t *host);
static const char *fuzz_conninfo_option(const conninfo_t *ci,
    const char *keyword);
static size_t fuzz_conninfo_words(const char *list);
static const char *fuzz_conninfo_skip(const char *list, const char *word);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *text;
    size_t       i;
    conninfo_t   ci;
    const char  *error;

    text = fuzz_string(data, strnlen((const char *) data, size));
    error = NULL;

    if (conninfo_parse(&ci, text, &error) != 0) {
        fuzz_check(error != NULL);
        fuzz_check(strstr(error, "s3cret") == NULL);
        fuzz_check(ci.options == NULL && ci.hosts == NULL && ci.lists == NULL);
        free(text);
        return 0;
    }

    /* nothing in it may depend on the text any more */

    free(text);

    fuzz_check(strcmp(ci.user, fuzz_conninfo_option(&ci, "user")) == 0);
    fuzz_check(strcmp(ci.dbname, fuzz_conninfo_option(&ci, "dbname")) == 0);
    fuzz_check(strpbrk(ci.dbname, "=/:;,&?#|") == NULL);

    fuzz_conninfo_hosts(&ci);

    for (i = 0; i < ci.nhosts; i++) {
        fuzz_conninfo_params(&ci, &ci.hosts[i]);
    }

    conninfo_destroy(&ci);

    fuzz_check(ci.options == NULL && ci.hosts == NULL && ci.lists == NULL);

    return 0;
}


/* put together again, they are the lists that they were taken from */

static void
fuzz_conninfo_hosts(const conninfo_t *ci)
{
    char                   *end;
    long                    number;
    size_t                  i;
    const char             *hosts, *addrs, *ports;
    const conninfo_host_t  *host;

    hosts = fuzz_conninfo_option(ci, "host");
    addrs = fuzz_conninfo_option(ci, "hostaddr");
    ports = fuzz_conninfo_option(ci, "port");

    /* what is shown has no rest of a password in it */

    fuzz_check(strpbrk(hosts, "=;&?# ") == NULL
               && strpbrk(addrs, "=@;&?# /") == NULL);

    fuzz_check(ci->nhosts >= 1);
    fuzz_check(*hosts == '\0' || fuzz_conninfo_words(hosts) == ci->nhosts);
    fuzz_check(*addrs == '\0' || fuzz_conninfo_words(addrs) == ci->nhosts);

    for (i = 0; i < ci->nhosts; i++) {
        host = &ci->hosts[i];

        fuzz_check(strchr(host->host, '@') == NULL
                   || strrchr(host->host, '@') == host->host);

        fuzz_check(strchr(host->host, ':') == NULL
                   || strchr(host->host, ':') != strrchr(host->host, ':'));

        hosts = fuzz_conninfo_skip(hosts, host->host);
        addrs = fuzz_conninfo_skip(addrs, host->hostaddr);

        if (strchr(fuzz_conninfo_option(ci, "port"), ',')) {
            ports = fuzz_conninfo_skip(ports, host->port);

        } else {
            fuzz_check(strcmp(ports, host->port) == 0);
        }

        fuzz_check(ci->nhosts == 1 || host->host[0] || host->hostaddr[0]);

        if (host->port[0]) {
            number = strtol(host->port, &end, 10);
            fuzz_check(*end == '\0' && number >= 1 && number <= 65535);
        }
    }

    fuzz_check(*hosts == '\0' && *addrs == '\0');
}


static void
fuzz_conninfo_params(const conninfo_t *ci, const conninfo_host_t *host)
{
    size_t       i, j;
    const char  *keywords[CONNINFO_PARAMS], *values[CONNINFO_PARAMS];
    const char  *addr, *expected;

    /* as peers.c has it, with an address of documentation for a name */

    addr = host->hostaddr[0] ? host->hostaddr
           : (host->host[0] == '\0' || strchr("/@", host->host[0])) ? ""
           : "192.0.2.1";

    fuzz_check(conninfo_params(ci, host, addr, keywords, values) == 0);

    for (i = 0; keywords[i]; i++) {
        fuzz_check(i < CONNINFO_PARAMS - 1 && values[i] != NULL);

        for (j = 0; j < i; j++) {
            fuzz_check(strcmp(keywords[i], keywords[j]) != 0);
        }

        for (j = 0; fuzz_conninfo_gone[j]; j++) {
            fuzz_check(strcmp(keywords[i], fuzz_conninfo_gone[j]) != 0
                       || (j < 2 && values[i][0] == '\0'));
        }

        expected = strcmp(keywords[i], "host") == 0 ? host->host
                   : strcmp(keywords[i], "hostaddr") == 0 ? addr
                   : strcmp(keywords[i], "port") == 0 ? host->port
                   : strcmp(keywords[i], "gssencmode") == 0 ? "disable"
                   : strcmp(keywords[i], "fallback_application_name") == 0
                     ? "nginx unique_random"
                   : fuzz_conninfo_option(ci, keywords[i]);

        fuzz_check(strcmp(values[i], expected) == 0);
    }

    fuzz_check(values[i] == NULL);
}


static const char *
fuzz_conninfo_option(const conninfo_t *ci, const char *keyword)
{
    const PQconninfoOption  *opt;

    for (opt = ci->options; opt->keyword; opt++) {
        if (strcmp(opt->keyword, keyword) == 0 && opt->val) {
            return opt->val;
        }
    }

    return "";
}


static size_t
fuzz_conninfo_words(const char *list)
{
    size_t  n;

    for (n = 1; *list; list++) {
        n += (*list == ',');
    }

    return n;
}


/* what follows the next word of a list, which must be this one */

static const char *
fuzz_conninfo_skip(const char *list, const char *word)
{
    size_t  len;

    len = strlen(word);

    fuzz_check(strncmp(list, word, len) == 0);

    list += len;

    fuzz_check(*list == '\0' || *list == ',');

    return *list ? list + 1 : list;
}
