
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * libpq names what it does not know in a text that is translated, and that
 * may quote a password.  So the word is looked for here, as libpq does.
 */


#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <libpq-fe.h>

#include "core/conninfo_secrets.h"
#include "core/conninfo_uri.h"
#include "core/conninfo_words.h"


#define CONNINFO_WORD_LEN  40

/* isspace() to libpq */
#define CONNINFO_SPACES    " \t\n\v\f\r"


#define CONNINFO_CALLED(keyword)  ", which libpq calls \"" keyword "\""
#define CONNINFO_USE(directive)                                               \
    ", use the directive \"" directive "\" in its place"
#define CONNINFO_DROP             ", which has no meaning here, leave it out"


typedef struct {
    const char  *text;
    size_t       len;
    int          hidden;
} conninfo_word_t;


typedef struct {
    const char  *word;
    const char  *advice;
} conninfo_advice_t;


/*
 * Words of other drivers: JDBC, node-postgres, Prisma, SQLAlchemy, asyncpg,
 * Npgsql, pgx, Rails.  In lower case, without "_" and "-".  What differs from
 * libpq's keyword in no more than these is not listed.
 */

static const conninfo_advice_t  conninfo_words_advices[] = {
    { "ssl", CONNINFO_CALLED("sslmode") },
    { "tls", CONNINFO_CALLED("sslmode") },
    { "sslaccept", CONNINFO_CALLED("sslmode") },
    { "sslca", CONNINFO_CALLED("sslrootcert") },
    { "rootcertificate", CONNINFO_CALLED("sslrootcert") },
    { "server", CONNINFO_CALLED("host") },
    { "hostname", CONNINFO_CALLED("host") },
    { "database", CONNINFO_CALLED("dbname") },
    { "username", CONNINFO_CALLED("user") },
    { "pwd", CONNINFO_CALLED("password") },
    { "passwd", CONNINFO_CALLED("password") },
    { "charset", CONNINFO_CALLED("client_encoding") },
    { "encoding", CONNINFO_CALLED("client_encoding") },
    { "tcpkeepalive", CONNINFO_CALLED("keepalives") },
    { "timeout", CONNINFO_USE("connect_timeout") },
    { "connecttimeout", CONNINFO_USE("connect_timeout") },
    { "logintimeout", CONNINFO_USE("connect_timeout") },
    { "sockettimeout", CONNINFO_USE("reserve_timeout") },
    { "statementtimeout", CONNINFO_USE("reserve_timeout") },
    { "commandtimeout", CONNINFO_USE("reserve_timeout") },
    { "querytimeout", CONNINFO_USE("reserve_timeout") },
    { "schema", CONNINFO_DROP },
    { "currentschema", CONNINFO_DROP },
    { "searchpath", CONNINFO_DROP },
    { "pgbouncer", CONNINFO_DROP },
    { "preparethreshold", CONNINFO_DROP },
    { "preparedstatements", CONNINFO_DROP },
    { "statementcachesize", CONNINFO_DROP },
    { "pool", CONNINFO_DROP },
    { "pooling", CONNINFO_DROP },
    { "poolsize", CONNINFO_DROP },
    { "poolmaxconns", CONNINFO_DROP },
    { "pooltimeout", CONNINFO_DROP },
    { "connectionlimit", CONNINFO_DROP },
    { "maxconns", CONNINFO_DROP },
    { "adapter", CONNINFO_DROP },
    { "targetservertype", CONNINFO_DROP },
    { NULL, NULL }
};


static int conninfo_words_find_in_uri(const char *uri,
    const PQconninfoOption *options, conninfo_word_t *word);
static int conninfo_words_find_in_pairs(const char *text,
    const PQconninfoOption *options, conninfo_word_t *word);
static const char *conninfo_words_skip_value(const char *text);
static const PQconninfoOption *conninfo_words_find(
    const PQconninfoOption *options, const char *text, size_t len);
static int conninfo_words_is(const char *text, size_t len, const char *other);
static int conninfo_words_may_be_password(const char *uri,
    const conninfo_word_t *word);
static int conninfo_words_begins_port(const char *text);
static const char *conninfo_words_describe(const conninfo_word_t *word,
    const PQconninfoOption *options);
static int conninfo_words_is_name(const conninfo_word_t *word);
static int conninfo_words_is_alike(const conninfo_word_t *word,
    const char *other);


const char *
conninfo_words_unknown(const char *text)
{
    int                found;
    const char        *uri, *error;
    conninfo_word_t    word;
    PQconninfoOption  *options;

    options = PQconninfoParse("", NULL);
    if (options == NULL) {
        return NULL;
    }

    memset(&word, 0, sizeof(conninfo_word_t));

    uri = conninfo_uri(text);

    found = uri ? conninfo_words_find_in_uri(uri, options, &word)
                : conninfo_words_find_in_pairs(text, options, &word);

    error = found ? conninfo_words_describe(&word, options) : NULL;

    PQconninfoFree(options);

    return error;
}


static int
conninfo_words_find_in_uri(const char *uri, const PQconninfoOption *options,
    conninfo_word_t *word)
{
    const char              *query, *pair, *end, *eq;
    const PQconninfoOption  *opt;

    query = conninfo_uri_query(uri);

    word->hidden = (strchr(query, '@') != NULL);

    for (pair = query; *pair; pair = end) {
        pair++;

        end = pair + strcspn(pair, "&");
        eq = memchr(pair, '=', end - pair);

        if (eq == NULL || memchr(eq + 1, '=', end - eq - 1)) {
            return 0;
        }

        opt = conninfo_words_find(options, pair, eq - pair);

        if (opt) {
            word->hidden |= conninfo_secrets_is_password(opt);
            continue;
        }

        /* libpq itself takes these */

        if (conninfo_words_is(pair, end - pair, "ssl=true")
            || conninfo_words_is(pair, eq - pair, "requiressl"))
        {
            continue;
        }

        word->text = pair;
        word->len = eq - pair;
        word->hidden |= conninfo_words_may_be_password(uri, word);

        return 1;
    }

    return 0;
}


/*
 * Without a keyword of libpq it is no list of pairs: a secret that ends with
 * "=" is not a word.
 */

static int
conninfo_words_find_in_pairs(const char *text, const PQconninfoOption *options,
    conninfo_word_t *word)
{
    int                      found, known, hidden;
    size_t                   len;
    const char              *name, *value;
    const PQconninfoOption  *opt;

    found = 0;
    known = 0;
    hidden = 0;

    for ( ;; ) {

        name = text + strspn(text, CONNINFO_SPACES);
        len = strcspn(name, "=" CONNINFO_SPACES);

        text = name + len;
        text += strspn(text, CONNINFO_SPACES);

        if (*text != '=') {
            break;
        }

        opt = conninfo_words_find(options, name, len);

        if (opt) {
            known = 1;
            hidden |= conninfo_secrets_is_password(opt);

        } else if (!found && !conninfo_words_is(name, len, "requiressl")) {
            found = 1;
            word->text = name;
            word->len = len;
            word->hidden = hidden;
        }

        text++;
        value = text + strspn(text, CONNINFO_SPACES);
        text = conninfo_words_skip_value(value);

        hidden |= conninfo_secrets_has_password(value, text - value);
    }

    if (found && !known) {
        word->hidden = 1;
    }

    return found;
}


static const char *
conninfo_words_skip_value(const char *text)
{
    int  quoted;

    quoted = (*text == '\'');
    text += quoted;

    for ( /* void */ ; *text; text++) {

        if (strchr(quoted ? "'" : CONNINFO_SPACES, *text)) {
            return text + quoted;
        }

        if (*text == '\\' && text[1]) {
            text++;
        }
    }

    return text;
}


static const PQconninfoOption *
conninfo_words_find(const PQconninfoOption *options, const char *text,
    size_t len)
{
    const PQconninfoOption  *opt;

    for (opt = options; opt->keyword; opt++) {
        if (conninfo_words_is(text, len, opt->keyword)) {
            return opt;
        }
    }

    return NULL;
}


static int
conninfo_words_is(const char *text, size_t len, const char *other)
{
    return strlen(other) == len && strncmp(text, other, len) == 0;
}


/*
 * The word is in the password as well, or what would have ended a password
 * is missing, and there is no port in its place.
 */

static int
conninfo_words_may_be_password(const char *uri, const conninfo_word_t *word)
{
    const char  *at, *p;

    at = conninfo_uri_at(uri);

    if (at == NULL) {
        for (p = uri; *p && strchr("/?", *p) == NULL; p++) {

            if (*p == '[') {
                p += strcspn(p, "]/?") - 1;

            } else if (*p == ':' && !conninfo_words_begins_port(p + 1)) {
                return 1;
            }
        }

        return 0;
    }

    p = memchr(uri, ':', at - uri);

    for ( /* void */ ; p && (size_t) (at - p) >= word->len; p++) {
        if (strncmp(p, word->text, word->len) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
conninfo_words_begins_port(const char *text)
{
    text += strspn(text, "0123456789");

    return *text == '\0' || strchr(",/?", *text) != NULL;
}


static const char *
conninfo_words_describe(const conninfo_word_t *word,
    const PQconninfoOption *options)
{
    const char               *format, *arg;
    static char               error[200];
    const PQconninfoOption   *opt;
    const conninfo_advice_t  *advice;

    format = "has an unknown parameter \"%.*s\"%s";
    arg = NULL;

    for (advice = conninfo_words_advices; advice->word; advice++) {
        if (conninfo_words_is_alike(word, advice->word)) {
            arg = advice->advice;
            break;
        }
    }

    for (opt = options; arg == NULL && opt->keyword; opt++) {
        if (conninfo_words_is_alike(word, opt->keyword)) {
            format = "has an unknown parameter \"%.*s\"" CONNINFO_CALLED("%s");
            arg = opt->keyword;
        }
    }

    if (arg == NULL) {

        if (word->hidden || !conninfo_words_is_name(word)) {
            return NULL;
        }

        arg = "";
    }

    (void) snprintf(error, sizeof(error), format, (int) word->len, word->text,
                    arg);

    return error;
}


/* "passwordSECRET=", with the "=" in the wrong place, is none */

static int
conninfo_words_is_name(const conninfo_word_t *word)
{
    size_t              i, j, len;
    static const char  *begins[] = { "pass", "pw", "secret", NULL };

    for (i = 0; i < word->len; i++) {

        if (!isalpha((unsigned char) word->text[i]) && word->text[i] != '_') {
            return 0;
        }

        for (j = 0; begins[j]; j++) {
            len = strlen(begins[j]);

            if (len <= word->len - i
                && strncasecmp(word->text + i, begins[j], len) == 0)
            {
                return 0;
            }
        }
    }

    return word->len > 0 && word->len <= CONNINFO_WORD_LEN;
}


/* the same letters, whatever their case, and "_" and "-" between them */

static int
conninfo_words_is_alike(const conninfo_word_t *word, const char *other)
{
    size_t  i;

    for (i = 0; i < word->len; i++) {

        if (strchr("_-", word->text[i])) {
            continue;
        }

        other += strspn(other, "_-");

        if (tolower((unsigned char) word->text[i])
            != tolower((unsigned char) *other))
        {
            return 0;
        }

        other++;
    }

    return other[strspn(other, "_-")] == '\0';
}
