
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Query strings, against a reader that first divides and decodes all of it.
 */


#include "fuzz.h"
#include "core/query.h"


#define NAME   "number"
#define PLACE  16


static int fuzz_query_decode(const char *text, size_t len, char *to,
    size_t *to_len);
static void fuzz_query_value(const query_value_t *value);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             found;
    char           *args, *name;
    size_t          start, end, equals, len, first, first_len;
    query_found_e   rc;
    query_value_t   value;

    args = fuzz_copy(data, size);
    name = fuzz_alloc(size + 1);

    found = 0;
    first = first_len = 0;

    for (start = 0; start <= size; start = end + 1) {

        for (end = start; end < size && args[end] != '&'; end++) { }
        for (equals = start; equals < end && args[equals] != '='; equals++) { }

        if (fuzz_query_decode(args + start, equals - start, name, &len) == 0
            && len == sizeof(NAME) - 1
            && memcmp(name, NAME, len) == 0
            && ++found == 1)
        {
            first = equals < end ? equals + 1 : end;
            first_len = end - first;
        }
    }

    rc = query_find((unsigned char *) args, size, NAME, &value);

    fuzz_check(rc == (found == 0 ? QUERY_NONE
                      : found == 1 ? QUERY_ONE : QUERY_MANY));

    if (rc != QUERY_NONE) {
        fuzz_check(value.data == (unsigned char *) args + first);
        fuzz_check(value.len == first_len);

        fuzz_query_value(&value);
    }

    free(name);
    free(args);

    return 0;
}


/* "to" has place for "len" bytes */

static int
fuzz_query_decode(const char *text, size_t len, char *to, size_t *to_len)
{
    char    digits[3], *end;
    size_t  i, n;

    n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] != '%') {
            to[n++] = text[i] == '+' ? ' ' : text[i];
            continue;
        }

        if (len - i < 3
            || strchr("+- \t\n\v\f\r", text[i + 1])
            || strchr("xX", text[i + 2]))
        {
            return -1;
        }

        digits[0] = text[i + 1];
        digits[1] = text[i + 2];
        digits[2] = '\0';

        to[n++] = (char) strtoul(digits, &end, 16);

        if (end != digits + 2) {
            return -1;
        }

        i += 2;
    }

    *to_len = n;

    return 0;
}


static void
fuzz_query_value(const query_value_t *value)
{
    int             rc;
    char           *expected;
    size_t          expected_len, len;
    unsigned char  *to;

    expected = fuzz_alloc(value->len);
    to = fuzz_alloc(PLACE);

    rc = fuzz_query_decode((const char *) value->data, value->len, expected,
                           &expected_len);

    if (rc == 0 && expected_len > PLACE) {
        rc = -1;
    }

    fuzz_check(query_decode(value, to, PLACE, &len) == rc);

    if (rc == 0) {
        fuzz_check(len == expected_len);
        fuzz_check(len == 0 || memcmp(to, expected, len) == 0);
    }

    free(to);
    free(expected);
}
