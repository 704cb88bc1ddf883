
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <string.h>
#include <strings.h>

#include "core/accept.h"


/* a part of the field */

typedef struct {
    const char  *start;
    const char  *end;
} accept_text_t;


/* weights are in thousandths, and those of a closer match count */

typedef struct {
    int          weight;
    int          precision;
} accept_match_t;


/* how close: the type by a wildcard or two, in another version, or as it is */

enum {
    ACCEPT_NONE = 0,
    ACCEPT_ALL,
    ACCEPT_TYPE,
    ACCEPT_VERSION,
    ACCEPT_EXACT
};


static void accept_range(accept_text_t range, const accept_media_t *media,
    accept_match_t *match);
static int accept_precision(accept_text_t *range,
    const accept_media_t *media);
static int accept_weight(accept_text_t value);
static accept_text_t accept_part(accept_text_t *rest, char separator);
static accept_text_t accept_trim(const char *start, const char *end);
static accept_text_t accept_unquote(accept_text_t text);
static int accept_is(accept_text_t text, const char *word);


size_t
accept_choose(const char *field, size_t len, const accept_media_t *media,
    size_t n)
{
    int             best, liking;
    size_t          i, chosen;
    accept_text_t   rest;
    accept_match_t  match;

    best = 0;
    chosen = 0;

    for (i = 0; i < n; i++) {
        match.weight = 0;
        match.precision = ACCEPT_NONE;

        rest.start = field;
        rest.end = field + len;

        while (rest.start < rest.end) {
            accept_range(accept_part(&rest, ','), &media[i], &match);
        }

        /* what was asked for comes before another version, liked the same */

        liking = 2 * match.weight - (match.precision == ACCEPT_VERSION);

        if (liking > best) {
            best = liking;
            chosen = i;
        }
    }

    return chosen;
}


static void
accept_range(accept_text_t range, const accept_media_t *media,
    accept_match_t *match)
{
    int            precision, weight;
    accept_text_t  parameter, name;

    precision = accept_precision(&range, media);

    if (precision == ACCEPT_NONE) {
        return;
    }

    weight = 1000;

    while (range.start < range.end) {
        parameter = accept_part(&range, ';');
        name = accept_part(&parameter, '=');

        if (accept_is(name, "q")) {
            weight = accept_weight(parameter);

        } else if (accept_is(name, "version")
                   && (media->version == NULL
                       || !accept_is(accept_unquote(parameter),
                                     media->version)))
        {
            if (media->version == NULL || precision < ACCEPT_VERSION) {
                return;
            }

            precision = ACCEPT_VERSION;
        }
    }

    /* who wants no other version may want this one */

    if (precision == ACCEPT_VERSION && weight == 0) {
        return;
    }

    if (precision > match->precision
        || (precision == match->precision && weight > match->weight))
    {
        match->precision = precision;
        match->weight = weight;
    }
}


/* takes the type from the front */

static int
accept_precision(accept_text_t *range, const accept_media_t *media)
{
    accept_text_t  subtype, type;

    subtype = accept_part(range, ';');
    type = accept_part(&subtype, '/');

    if (accept_is(type, "*") && accept_is(subtype, "*")) {
        return ACCEPT_ALL;
    }

    if (!accept_is(type, media->type)) {
        return ACCEPT_NONE;
    }

    if (accept_is(subtype, "*")) {
        return ACCEPT_TYPE;
    }

    return accept_is(subtype, media->subtype) ? ACCEPT_EXACT : ACCEPT_NONE;
}


/* 0 to 1, of which three digits matter; what is none counts as 0 */

static int
accept_weight(accept_text_t value)
{
    int  weight, scale;

    if (value.start == value.end || *value.start < '0' || *value.start > '1') {
        return 0;
    }

    weight = (*value.start++ - '0') * 1000;

    if (value.start < value.end && *value.start++ != '.') {
        return 0;
    }

    for (scale = 100; value.start < value.end; scale /= 10) {

        if (*value.start < '0' || *value.start > '9') {
            return 0;
        }

        weight += (*value.start++ - '0') * scale;
    }

    return weight < 1000 ? weight : 1000;
}


/* takes what is before the separator, and that */

static accept_text_t
accept_part(accept_text_t *rest, char separator)
{
    int            quoted;
    const char    *p;
    accept_text_t  part;

    quoted = 0;

    for (p = rest->start; p < rest->end; p++) {

        if (*p == '"') {
            quoted = !quoted;

        } else if (*p == '\\' && quoted && p + 1 < rest->end) {
            p++;

        } else if (*p == separator && !quoted) {
            break;
        }
    }

    part = accept_trim(rest->start, p);
    *rest = accept_trim(p < rest->end ? p + 1 : p, rest->end);

    return part;
}


static accept_text_t
accept_trim(const char *start, const char *end)
{
    accept_text_t  text;

    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }

    while (start < end && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    text.start = start;
    text.end = end;

    return text;
}


static accept_text_t
accept_unquote(accept_text_t text)
{
    if (text.end - text.start >= 2 && *text.start == '"' && text.end[-1] == '"')
    {
        text.start++;
        text.end--;
    }

    return text;
}


static int
accept_is(accept_text_t text, const char *word)
{
    size_t  len;

    len = strlen(word);

    return (size_t) (text.end - text.start) == len
           && strncasecmp(text.start, word, len) == 0;
}
