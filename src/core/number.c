
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * strtoull() takes signs and white space.  ngx_sprintf() prints digit by digit,
 * which was a tenth of an answer's own instructions.
 */


#include <string.h>

#include "core/number.h"


static const char  number_pairs[] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";


int
number_parse(const char *text, size_t len, uint64_t *number)
{
    uint64_t     n, digit;
    const char  *last;

    if (len == 0) {
        return -1;
    }

    last = text + len;

    for (n = 0; text < last; text++) {

        if (*text < '0' || *text > '9') {
            return -1;
        }

        digit = (uint64_t) (*text - '0');

        if (n > (INT64_MAX - digit) / 10) {
            return -1;
        }

        n = n * 10 + digit;
    }

    *number = n;

    return 0;
}


unsigned char *
number_print(unsigned char *last, uint64_t number)
{
    unsigned  four;

    /* one long division for four digits */

    while (number >= 10000) {
        four = (unsigned) (number % 10000);
        number /= 10000;

        last -= 4;
        memcpy(last, &number_pairs[four / 100 * 2], 2);
        memcpy(last + 2, &number_pairs[four % 100 * 2], 2);
    }

    if (number >= 100) {
        last -= 2;
        memcpy(last, &number_pairs[number % 100 * 2], 2);
        number /= 100;
    }

    if (number >= 10) {
        last -= 2;
        memcpy(last, &number_pairs[number * 2], 2);

    } else {
        *--last = (unsigned char) ('0' + number);
    }

    return last;
}
