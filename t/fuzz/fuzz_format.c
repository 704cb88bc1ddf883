
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Written forms of numbers.  Of an input, the first line is a format, one
 * character each for alphabet, check, width, group, separator and "string"; the
 * second one is its prefix, and the rest is a text that somebody sent.  Whether
 * that is too large is decided by its digits, and by a type of twice the size.
 */


#include "fuzz.h"
#include "core/format.h"
#include "core/number.h"


#define UNTOUCHED  0xdeadbeefcafef00d


static void fuzz_format_spec(format_spec_t *spec, fuzz_text_t *input);
static void fuzz_format_read(const format_t *format, const char *text,
    size_t len);
static void fuzz_format_separate(const format_t *format, const char *text,
    size_t len);
static void fuzz_format_large(const format_t *format, const char *text,
    size_t len, int strict);
static int fuzz_format_parse(const format_t *format, const char *text,
    size_t len, int lenient, uint64_t *number);
static char *fuzz_format_print(const format_t *format, uint64_t number,
    size_t *len);
static void fuzz_format_back(const format_t *format, uint64_t number);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *text;
    size_t          len;
    uint64_t        largest;
    format_t        format;
    const char     *error;
    fuzz_text_t     input;
    format_spec_t   spec;

    input.pos = (const char *) data;
    input.last = input.pos + size;

    fuzz_format_spec(&spec, &input);

    len = (size_t) (input.last - input.pos);
    text = fuzz_copy(input.pos, len);

    largest = 0;
    memcpy(&largest, text, len < sizeof(largest) ? len : sizeof(largest));

    error = format_init(&format, &spec, largest);

    if (error == NULL) {
        fuzz_check(format.len <= FORMAT_LEN);

        fuzz_format_back(&format, largest);
        fuzz_format_back(&format, largest / 3);
        fuzz_format_back(&format, 0);

        fuzz_format_read(&format, text, len);

    } else {
        fuzz_check(*error);
    }

    fuzz_format_back(NULL, largest);
    fuzz_format_read(NULL, text, len);

    free(text);

    return 0;
}


static void
fuzz_format_spec(format_spec_t *spec, fuzz_text_t *input)
{
    size_t       len;
    const char  *line;

    static const char *const  alphabets[] = {
        "decimal", "hex", "base32", "base58", "base62"
    };

    static const char *const  checks[] = {
        "none", "luhn", "damm", "mod97", "crockford", "gf32"
    };

    unsigned char  words[6] = { 0 };

    line = fuzz_line(input, &len);

    if (line) {
        memcpy(words, line, len < sizeof(words) ? len : sizeof(words));
    }

    memset(spec, 0, sizeof(format_spec_t));

    spec->alphabet = alphabet_find(alphabets[words[0] % 5],
                                   strlen(alphabets[words[0] % 5]));
    spec->check = check_find(checks[words[1] % 6],
                             strlen(checks[words[1] % 6]));
    spec->width = words[2] % 23;
    spec->group = words[3] % 25;
    spec->separator = words[4];
    spec->string = words[5] & 1;

    line = fuzz_line(input, &len);

    if (line) {
        spec->prefix = (const unsigned char *) line;
        spec->prefix_len = len;
    }
}


/* a number has one text, and lenient reading finds no other number in it */

static void
fuzz_format_read(const format_t *format, const char *text, size_t len)
{
    int        strict, lenient;
    char      *printed;
    size_t     n;
    uint64_t   number, meant;

    strict = fuzz_format_parse(format, text, len, 0, &number);
    lenient = fuzz_format_parse(format, text, len, 1, &meant);

    if (strict == FORMAT_OK) {
        printed = fuzz_format_print(format, number, &n);

        fuzz_check(n == len && memcmp(printed, text, len) == 0);
        free(printed);

        fuzz_check(lenient == FORMAT_OK && meant == number);
    }

    if (strict == FORMAT_CHECK || strict == FORMAT_LARGE) {
        fuzz_check(lenient == strict);
    }

    if (lenient == FORMAT_OK) {
        fuzz_format_back(format, meant);
    }

    fuzz_format_large(format, text, len, strict);

    if (format && !format->plain && len >= format->prefix_len) {
        fuzz_format_separate(format, text, len);
    }
}


/* leniently, separators behind the prefix are as good as none */

static void
fuzz_format_separate(const format_t *format, const char *text, size_t len)
{
    int        rc;
    char      *bare, *more;
    size_t     i, n, m;
    uint64_t   number, other;

    bare = fuzz_alloc(len);
    more = fuzz_alloc(2 * len + 1);

    n = m = format->prefix_len;

    if (n) {
        memcpy(bare, text, n);
        memcpy(more, text, n);
    }

    for (i = n; i < len; i++) {
        more[m++] = "-._:/ "[i % 6];
        more[m++] = text[i];

        if (text[i] == '\0' || strchr("-._:/ ", text[i]) == NULL) {
            bare[n++] = text[i];
        }
    }

    more[m++] = '-';

    rc = fuzz_format_parse(format, text, len, 1, &number);

    fuzz_check(fuzz_format_parse(format, bare, n, 1, &other) == rc);
    fuzz_check(other == number);

    fuzz_check(fuzz_format_parse(format, more, m, 1, &other) == rc);
    fuzz_check(other == number);

    free(more);
    free(bare);
}


/* of a text without anything but the number, read strictly */

static void
fuzz_format_large(const format_t *format, const char *text, size_t len,
    int strict)
{
    int                  value;
    size_t               i;
    unsigned __int128    number;
    const alphabet_t    *alphabet;

    if (format == NULL || format->plain) {
        alphabet = alphabet_find("decimal", 7);

        if (len > 1 && text[0] == '0') {
            return;
        }

    } else {
        alphabet = format->alphabet;

        if (format->prefix_len || format->group || format->check
            || len != format->width)
        {
            return;
        }
    }

    number = 0;

    for (i = 0; i < len; i++) {
        value = alphabet_value(alphabet, (unsigned char) text[i]);

        if (value == -1) {
            fuzz_check(strict == FORMAT_MALFORMED);
            return;
        }

        if (number <= UINT64_MAX) {
            number = number * alphabet->base + (unsigned) value;
        }
    }

    if (len) {
        fuzz_check(strict == (number > UINT64_MAX ? FORMAT_LARGE : FORMAT_OK));
    }
}


static int
fuzz_format_parse(const format_t *format, const char *text, size_t len,
    int lenient, uint64_t *number)
{
    int  rc;

    *number = UNTOUCHED;

    rc = format_parse(format, (const unsigned char *) text, len, lenient,
                      number);

    fuzz_check(rc == FORMAT_OK || rc == FORMAT_MALFORMED
               || rc == FORMAT_CHECK || rc == FORMAT_LARGE);

    fuzz_check(rc == FORMAT_OK || *number == UNTOUCHED);
    fuzz_check(rc != FORMAT_CHECK || format->check);

    return rc;
}


static char *
fuzz_format_print(const format_t *format, uint64_t number, size_t *len)
{
    int             fixed;
    unsigned char  *p, *last;

    fixed = format && !format->plain;

    p = fuzz_alloc(fixed ? format->len : NUMBER_LEN);
    last = format_print(format, number, p);

    *len = (size_t) (last - p);
    fuzz_check(!fixed || *len == format->len);

    return (char *) p;
}


static void
fuzz_format_back(const format_t *format, uint64_t number)
{
    char      *text, *copy;
    size_t     len;
    uint64_t   back;

    text = fuzz_format_print(format, number, &len);
    copy = fuzz_copy(text, len);

    fuzz_check(fuzz_format_parse(format, copy, len, 0, &back) == FORMAT_OK);
    fuzz_check(back == number);

    free(copy);
    free(text);
}
