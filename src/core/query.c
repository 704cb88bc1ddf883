
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <string.h>

#include "core/query.h"


static int query_is(const unsigned char *p, const unsigned char *last,
    const char *name);
static int query_next(const unsigned char **p, const unsigned char *last);
static int query_digit(unsigned char ch);


query_found_e
query_find(const unsigned char *args, size_t len, const char *name,
    query_value_t *value)
{
    query_found_e         found;
    const unsigned char  *last, *end, *equals;

    if (len == 0) {
        return QUERY_NONE;
    }

    found = QUERY_NONE;
    last = args + len;

    for ( ;; ) {
        end = memchr(args, '&', (size_t) (last - args));
        if (end == NULL) {
            end = last;
        }

        equals = memchr(args, '=', (size_t) (end - args));
        if (equals == NULL) {
            equals = end;
        }

        if (query_is(args, equals, name)) {

            if (found == QUERY_ONE) {
                return QUERY_MANY;
            }

            found = QUERY_ONE;

            value->data = (equals < end) ? equals + 1 : end;
            value->len = (size_t) (end - value->data);
        }

        if (end == last) {
            return found;
        }

        args = end + 1;
    }
}


static int
query_is(const unsigned char *p, const unsigned char *last, const char *name)
{
    while (p < last) {

        /* the end of the name is no byte that is looked for */

        if (*name == '\0' || query_next(&p, last) != (unsigned char) *name) {
            return 0;
        }

        name++;
    }

    return *name == '\0';
}


int
query_decode(const query_value_t *value, unsigned char *to, size_t size,
    size_t *len)
{
    int                   ch;
    size_t                n;
    const unsigned char  *p, *last;

    p = value->data;
    last = p + value->len;

    for (n = 0; p < last; n++) {
        ch = query_next(&p, last);

        if (ch == -1 || n == size) {
            return -1;
        }

        to[n] = (unsigned char) ch;
    }

    *len = n;

    return 0;
}


/* the next byte as it is meant, or -1; there is something left */

static int
query_next(const unsigned char **p, const unsigned char *last)
{
    int            high, low;
    unsigned char  ch;

    ch = *(*p)++;

    if (ch == '+') {
        return ' ';
    }

    if (ch != '%') {
        return ch;
    }

    if (last - *p < 2) {
        return -1;
    }

    high = query_digit(*(*p)++);
    low = query_digit(*(*p)++);

    return (high == -1 || low == -1) ? -1 : high * 16 + low;
}


static int
query_digit(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}
