
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Fields "Accept", against a reader that first takes all of it to pieces, with
 * what is quoted out of the way.  The same ranges from the last one to the
 * first, in letters of the other case and with spaces, are to choose the same.
 */


#include "fuzz.h"
#include "core/accept.h"


static const accept_media_t  answers[] = {
    { "application", "json", NULL },
    { "text", "plain", NULL }
};


static const accept_media_t  statuses[] = {
    { "application", "json", NULL },
    { "text", "html", NULL },
    { "application", "openmetrics-text", "1.0.0" },
    { "text", "plain", "0.0.4" }
};


static void fuzz_accept(const char *field, const char *plain,
    const char *turned, size_t len, const accept_media_t *media, size_t n);
static char *fuzz_accept_plain(const char *field, size_t len);
static char *fuzz_accept_turned(const char *field, const char *plain,
    size_t len);
static size_t fuzz_accept_turn(const char *field, const char *plain,
    size_t len, char *to);
static size_t fuzz_accept_expected(const char *plain,
    const accept_media_t *media, size_t n);
static int fuzz_accept_liked(const char *plain, const accept_media_t *media);
static int fuzz_accept_range(char *range, const accept_media_t *media,
    int *weight);
static int fuzz_accept_parameter(char *parameter, const accept_media_t *media,
    int *weight);
static int fuzz_accept_weight(const char *value);
static char *fuzz_accept_next(char **rest, char separator);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char  *field, *plain, *turned;

    field = fuzz_copy(data, size);
    plain = fuzz_accept_plain(field, size);
    turned = fuzz_accept_turned(field, plain, size);

    fuzz_accept(field, plain, turned, size, answers,
                sizeof(answers) / sizeof(answers[0]));

    /* which version is in quotes the other reader does not know */

    if (strchr(plain, '"') == NULL || strstr(plain, "version") == NULL) {
        fuzz_accept(field, plain, turned, size, statuses,
                    sizeof(statuses) / sizeof(statuses[0]));
    }

    free(turned);
    free(plain);
    free(field);

    return 0;
}


static void
fuzz_accept(const char *field, const char *plain, const char *turned,
    size_t len, const accept_media_t *media, size_t n)
{
    char    *copy;
    size_t   chosen;

    chosen = accept_choose(field, len, media, n);

    fuzz_check(chosen < n);
    fuzz_check(chosen == fuzz_accept_expected(plain, media, n));

    copy = fuzz_copy(turned, strlen(turned));

    fuzz_check(accept_choose(copy, strlen(turned), media, n) == chosen);

    free(copy);
}


/*
 * Of the same length and with a zero behind it: in lower case, and with a quote
 * for what is in quotes, which is of no word that matters.
 */

static char *
fuzz_accept_plain(const char *field, size_t len)
{
    int      quoted, escaped;
    char    *plain, ch;
    size_t   i;

    plain = fuzz_string(field, len);

    quoted = 0;
    escaped = 0;

    for (i = 0; i < len; i++) {
        ch = field[i];

        if (ch >= 'A' && ch <= 'Z') {
            plain[i] = (char) (ch - 'A' + 'a');
        }

        if (quoted || ch == '"' || ch == '\0') {
            plain[i] = '"';
        }

        if (ch == '"' && !escaped) {
            quoted = !quoted;
        }

        escaped = quoted && ch == '\\' && !escaped;
    }

    return plain;
}


/* a quote that is never closed is of the last range, and so closed here */

static char *
fuzz_accept_turned(const char *field, const char *plain, size_t len)
{
    char    *turned, *p;
    size_t   start, end;

    turned = fuzz_alloc(5 * len + 8);
    p = turned;

    for (end = len; /* void */ ; end = start - 1) {

        for (start = end; start && plain[start - 1] != ','; start--) { }

        p += fuzz_accept_turn(field + start, plain + start, end - start, p);

        if (start == 0) {
            break;
        }

        *p++ = ',';
    }

    *p = '\0';

    return turned;
}


static size_t
fuzz_accept_turn(const char *field, const char *plain, size_t len, char *to)
{
    char    *p, ch;
    size_t   i;

    p = to;

    *p++ = '\t';

    for (i = 0; i < len; i++) {
        ch = field[i];

        if (plain[i] == '"') {
            *p++ = '"';
            *p++ = ',';
            *p++ = '"';

        } else if (strchr(";=/", ch)) {
            *p++ = ' ';
            *p++ = ch;
            *p++ = '\t';

        } else if ((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z')) {
            *p++ = (char) (ch ^ 0x20);

        } else {
            *p++ = ch;
        }
    }

    *p++ = ' ';

    return (size_t) (p - to);
}


static size_t
fuzz_accept_expected(const char *plain, const accept_media_t *media, size_t n)
{
    int      weight, best;
    size_t   i, chosen;

    best = 0;
    chosen = 0;

    for (i = 0; i < n; i++) {
        weight = fuzz_accept_liked(plain, &media[i]);

        if (weight > best) {
            best = weight;
            chosen = i;
        }
    }

    return chosen;
}


/* what is closer counts, and be it that it is not wanted */

static int
fuzz_accept_liked(const char *plain, const accept_media_t *media)
{
    int    precision, weight, most;
    char  *copy, *rest, *range;

    most = -1;

    for (precision = 5; precision > 1 && most == -1; /* void */ ) {
        precision--;

        copy = fuzz_string(plain, strlen(plain));
        rest = copy;

        while ((range = fuzz_accept_next(&rest, ',')) != NULL) {

            if (fuzz_accept_range(range, media, &weight) == precision
                && weight > most)
            {
                most = weight;
            }
        }

        free(copy);
    }

    return 2 * most - (precision == 3);
}


/*
 * 4 if it names both, 3 with another version, 2 the type, 1 neither, 0 if it is
 * of another one.
 */

static int
fuzz_accept_range(char *range, const accept_media_t *media, int *weight)
{
    int    precision, other;
    char  *media_range, *type, *subtype;

    media_range = fuzz_accept_next(&range, ';');
    type = fuzz_accept_next(&media_range, '/');
    subtype = media_range ? fuzz_accept_next(&media_range, '\0') : NULL;

    *weight = 1000;
    other = 0;

    while (range) {
        if (!fuzz_accept_parameter(fuzz_accept_next(&range, ';'), media,
                                   weight))
        {
            other = 1;
        }
    }

    if (subtype == NULL) {
        return 0;
    }

    precision = strcmp(subtype, media->subtype) == 0 ? 4 : 2;

    if (precision == 2 && strcmp(subtype, "*") != 0) {
        return 0;
    }

    if (other && (precision == 2 || media->version == NULL || *weight == 0)) {
        return 0;
    }

    if (strcmp(type, media->type) == 0) {
        return precision - other;
    }

    return precision == 2 && strcmp(type, "*") == 0;
}


static int
fuzz_accept_parameter(char *parameter, const accept_media_t *media,
    int *weight)
{
    char  *name, *value;

    name = fuzz_accept_next(&parameter, '=');
    value = parameter ? fuzz_accept_next(&parameter, '\0') : "";

    if (strcmp(name, "q") == 0) {
        *weight = fuzz_accept_weight(value);
    }

    return strcmp(name, "version") != 0
           || (media->version && strcmp(value, media->version) == 0);
}


static int
fuzz_accept_weight(const char *value)
{
    int      weight;
    char     digits[] = "0000";
    size_t   n;

    n = strspn(value, "01") ? 1 : 0;

    if (n && value[1] == '.') {
        n = 2 + strspn(value + 2, "0123456789");
    }

    if (n == 0 || value[n] != '\0') {
        return 0;
    }

    digits[0] = value[0];

    if (n > 2) {
        memcpy(digits + 1, value + 2, n - 2 < 3 ? n - 2 : 3);
    }

    weight = atoi(digits);

    return weight < 1000 ? weight : 1000;
}


/* up to the separator, trimmed; "rest" is NULL behind the last one */

static char *
fuzz_accept_next(char **rest, char separator)
{
    char  *text, *end;

    text = *rest;

    if (text == NULL) {
        return NULL;
    }

    end = strchr(text, separator);

    *rest = (end && *end) ? end + 1 : NULL;

    if (end) {
        *end = '\0';
    }

    text += strspn(text, " \t");

    for (end = text + strlen(text);
         end > text && (end[-1] == ' ' || end[-1] == '\t');
         end--)
    {
        end[-1] = '\0';
    }

    return text;
}
