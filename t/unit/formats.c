
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "formats.h"


format_spec_t
formats_spec(const formats_words_t *words)
{
    format_spec_t  spec;

    memset(&spec, 0, sizeof(spec));

    spec.alphabet = alphabet_find(words->alphabet, strlen(words->alphabet));
    assert_non_null(spec.alphabet);

    if (words->check) {
        spec.check = check_find(words->check, strlen(words->check));
        assert_non_null(spec.check);
    }

    spec.width = words->width;
    spec.group = words->group;
    spec.separator = (unsigned char) words->separator;

    if (words->prefix) {
        spec.prefix = (const unsigned char *) words->prefix;
        spec.prefix_len = strlen(words->prefix);
    }

    return spec;
}


format_t
formats_init(const format_spec_t *spec, uint64_t largest)
{
    format_t     format;
    const char  *error;

    /* nothing is left to what was there before */

    memset(&format, 0xff, sizeof(format));

    error = format_init(&format, spec, largest);
    if (error) {
        fail_msg("%s", error);
    }

    assert_true(format.len <= FORMAT_LEN);

    return format;
}


format_t
formats_of(const formats_words_t *words)
{
    format_spec_t  spec;

    spec = formats_spec(words);

    return formats_init(&spec, words->largest);
}


void
formats_check_print(const format_t *format, uint64_t number, const char *text)
{
    size_t          len;
    unsigned char   buffer[FORMAT_LEN + 2], *end;

    memset(buffer, '#', sizeof(buffer));

    end = format_print(format, number, buffer + 1);
    len = (size_t) (end - buffer) - 1;

    buffer[len + 1] = '\0';
    assert_string_equal((char *) buffer + 1, text);

    if (format && !format->plain) {
        assert_int_equal(len, format->len);
    }

    assert_int_equal(buffer[0], '#');

    for (end++; end < buffer + sizeof(buffer); end++) {
        assert_int_equal(*end, '#');
    }
}


int
formats_parse(const format_t *format, const char *text, int lenient,
    uint64_t *number)
{
    int       rc;
    uint64_t  n;

    n = 0xdeadbeefcafef00d;

    rc = format_parse(format, (const unsigned char *) text, strlen(text),
                      lenient, &n);

    if (rc == FORMAT_OK) {
        *number = n;

    } else {
        assert_true(rc == FORMAT_MALFORMED || rc == FORMAT_CHECK
                    || rc == FORMAT_LARGE);
        assert_true(n == 0xdeadbeefcafef00d);
    }

    return rc;
}
