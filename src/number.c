
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * strtoull() takes signs and white space, and ngx_atoi() stops at 2^31 on
 * 32-bit platforms.
 */


#include "number.h"


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
