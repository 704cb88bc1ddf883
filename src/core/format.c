
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <string.h>

#include "core/format.h"
#include "core/number.h"


static const char *format_spec_error(const format_spec_t *spec,
    unsigned least);
static int format_is_prefix(const unsigned char *prefix, size_t len);
static int format_is_separator(unsigned char ch);
static int format_is_mark(unsigned char ch);
static int format_is_letter(unsigned char ch);
static unsigned char *format_print_plain(uint64_t number, unsigned char *p);
static int format_parse_plain(const unsigned char *text, size_t len,
    uint64_t *number);
static int format_has_prefix(const format_t *format, const unsigned char *text,
    size_t len, int lenient);
static int format_split(const format_t *format, const unsigned char *text,
    const unsigned char *last, int lenient, unsigned char *symbols);
static const unsigned char *format_skip(const unsigned char *p,
    const unsigned char *last);
static int format_is_check(const check_t *check, const unsigned char *symbols);
static int format_number(const alphabet_t *alphabet,
    const unsigned char *symbols, size_t width, uint64_t *number);
static int format_verify(const check_t *check, const unsigned char *symbols,
    uint64_t number);


const char *
format_init(format_t *format, const format_spec_t *spec, uint64_t largest)
{
    unsigned     least;
    const char  *error;

    least = alphabet_width(spec->alphabet, largest);

    error = format_spec_error(spec, least);
    if (error) {
        return error;
    }

    memset(format, 0, sizeof(format_t));

    format->alphabet = spec->alphabet;
    format->check = spec->check;
    format->width = spec->width ? spec->width : least;
    format->symbols = format->width + (spec->check ? spec->check->len : 0);
    format->group = spec->group;
    format->separator = spec->separator ? spec->separator : '-';

    format->prefix_len = (unsigned) spec->prefix_len;

    if (spec->prefix_len) {
        memcpy(format->prefix, spec->prefix, spec->prefix_len);
    }

    format->plain = spec->string && spec->alphabet->base == ALPHABET_DECIMAL
                    && spec->check == NULL && spec->prefix_len == 0
                    && spec->width == 0 && spec->group == 0;

    format->len = format->prefix_len + format->symbols;

    if (format->group) {
        format->len += (format->symbols - 1) / format->group;
    }

    return NULL;
}


static const char *
format_spec_error(const format_spec_t *spec, unsigned least)
{
    if (spec->width > FORMAT_WIDTH) {
        return "width must be from 1 to 20";
    }

    if (spec->width && spec->width < least) {
        return "width is too small for the largest number";
    }

    if (spec->prefix_len > FORMAT_PREFIX_LEN) {
        return "prefix must have at most 32 characters";
    }

    if (!format_is_prefix(spec->prefix, spec->prefix_len)) {
        return "prefix must consist of letters, digits and - . _ : /";
    }

    if (spec->check && spec->check->base != spec->alphabet->base) {
        return spec->check->base == ALPHABET_DECIMAL
               ? "checks \"luhn\", \"damm\" and \"mod97\" are of decimal only"
               : "checks \"crockford\" and \"gf32\" are of base32 only";
    }

    if (spec->separator) {

        if (spec->group == 0) {
            return "separator must be with a group";
        }

        if (!format_is_separator(spec->separator)) {
            return "separator must be one of - . _ : / or a space";
        }
    }

    return NULL;
}


static int
format_is_prefix(const unsigned char *prefix, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        if (!format_is_letter(prefix[i]) && !format_is_mark(prefix[i])
            && !(prefix[i] >= '0' && prefix[i] <= '9'))
        {
            return 0;
        }
    }

    return 1;
}


/* none of them is a symbol of any alphabet or check, or is taken for one */

static int
format_is_separator(unsigned char ch)
{
    return ch == ' ' || format_is_mark(ch);
}


static int
format_is_mark(unsigned char ch)
{
    return ch == '-' || ch == '.' || ch == '_' || ch == ':' || ch == '/';
}


static int
format_is_letter(unsigned char ch)
{
    ch |= 0x20;

    return ch >= 'a' && ch <= 'z';
}


unsigned char *
format_print(const format_t *format, uint64_t number, unsigned char *p)
{
    unsigned              left;
    unsigned char        *last, symbols[FORMAT_SYMBOLS];
    const unsigned char  *symbol;

    if (format == NULL || format->plain) {
        return format_print_plain(number, p);
    }

    memcpy(p, format->prefix, format->prefix_len);
    p += format->prefix_len;

    last = format->group ? symbols : p;

    last = alphabet_print(format->alphabet, number, format->width, last);

    if (format->check) {
        last = check_print(format->check, number, last);
    }

    if (format->group == 0) {
        return last;
    }

    left = format->group;

    for (symbol = symbols; symbol < last; symbol++) {

        if (left == 0) {
            *p++ = format->separator;
            left = format->group;
        }

        *p++ = *symbol;
        left--;
    }

    return p;
}


static unsigned char *
format_print_plain(uint64_t number, unsigned char *p)
{
    size_t          len;
    unsigned char  *digit, *last, digits[NUMBER_LEN];

    last = digits + NUMBER_LEN;

    digit = number_print(last, number);

    len = (size_t) (last - digit);

    memcpy(p, digit, len);

    return p + len;
}


int
format_parse(const format_t *format, const unsigned char *text, size_t len,
    int lenient, uint64_t *number)
{
    int            rc;
    uint64_t       n;
    unsigned char  symbols[FORMAT_SYMBOLS];

    if (format == NULL || format->plain) {
        return format_parse_plain(text, len, number);
    }

    if (!format_has_prefix(format, text, len, lenient)
        || format_split(format, text + format->prefix_len, text + len, lenient,
                        symbols)
           != FORMAT_OK
        || !format_is_check(format->check, symbols + format->width))
    {
        return FORMAT_MALFORMED;
    }

    rc = format_number(format->alphabet, symbols, format->width, &n);

    if (rc == FORMAT_OK) {
        rc = format_verify(format->check, symbols + format->width, n);
    }

    if (rc == FORMAT_OK) {
        *number = n;
    }

    return rc;
}


static int
format_parse_plain(const unsigned char *text, size_t len, uint64_t *number)
{
    if (len == 0 || (text[0] == '0' && len > 1)) {
        return FORMAT_MALFORMED;
    }

    return format_number(alphabet_find("decimal", 7), text, len, number);
}


static int
format_has_prefix(const format_t *format, const unsigned char *text,
    size_t len, int lenient)
{
    unsigned       i;
    unsigned char  ch;

    if (len < format->prefix_len) {
        return 0;
    }

    for (i = 0; i < format->prefix_len; i++) {
        ch = format->prefix[i];

        if (text[i] != ch
            && !(lenient && format_is_letter(ch) && (text[i] ^ ch) == 0x20))
        {
            return 0;
        }
    }

    return 1;
}


/* the symbols of number and check, of which there must be just so many */

static int
format_split(const format_t *format, const unsigned char *text,
    const unsigned char *last, int lenient, unsigned char *symbols)
{
    unsigned  i;

    for (i = 0; i < format->symbols; i++) {

        if (lenient) {
            text = format_skip(text, last);

        } else if (format->group && i && i % format->group == 0) {

            if (text == last || *text != format->separator) {
                return FORMAT_MALFORMED;
            }

            text++;
        }

        if (text == last) {
            return FORMAT_MALFORMED;
        }

        symbols[i] = lenient ? alphabet_fold(format->alphabet, *text) : *text;
        text++;
    }

    if (lenient) {
        text = format_skip(text, last);
    }

    return text == last ? FORMAT_OK : FORMAT_MALFORMED;
}


static const unsigned char *
format_skip(const unsigned char *p, const unsigned char *last)
{
    while (p < last && format_is_separator(*p)) {
        p++;
    }

    return p;
}


static int
format_is_check(const check_t *check, const unsigned char *symbols)
{
    unsigned  i;

    for (i = 0; check && i < check->len; i++) {

        if (memchr(check->symbols, symbols[i], strlen(check->symbols))
            == NULL)
        {
            return 0;
        }
    }

    return 1;
}


static int
format_number(const alphabet_t *alphabet, const unsigned char *symbols,
    size_t width, uint64_t *number)
{
    int       rc, value;
    size_t    i;
    uint64_t  n;

    rc = FORMAT_OK;
    n = 0;

    for (i = 0; i < width; i++) {
        value = alphabet_value(alphabet, symbols[i]);

        if (value == -1) {
            return FORMAT_MALFORMED;
        }

        /* what is behind may still be no symbol */

        if (n > (UINT64_MAX - (unsigned) value) / alphabet->base) {
            rc = FORMAT_LARGE;
        }

        n = n * alphabet->base + (unsigned) value;
    }

    if (rc == FORMAT_OK) {
        *number = n;
    }

    return rc;
}


static int
format_verify(const check_t *check, const unsigned char *symbols,
    uint64_t number)
{
    unsigned char  expected[CHECK_LEN];

    if (check == NULL) {
        return FORMAT_OK;
    }

    (void) check_print(check, number, expected);

    return memcmp(symbols, expected, check->len) == 0 ? FORMAT_OK
                                                       : FORMAT_CHECK;
}
