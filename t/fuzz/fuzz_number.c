
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Decimal numbers, against what the C library makes of them.
 */


#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "fuzz.h"
#include "core/number.h"


static int fuzz_number_expected(const char *text, size_t len,
    uint64_t *number);
static void fuzz_number_print(uint64_t number);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int        rc;
    char      *text;
    uint64_t   number, expected, untouched;

    text = fuzz_copy(data, size);

    untouched = 0xdeadbeefcafef00d;
    number = untouched;

    rc = number_parse(text, size, &number);

    fuzz_check(rc == fuzz_number_expected(text, size, &expected));

    if (rc == 0) {
        fuzz_check(number == expected);
        fuzz_number_print(number);

    } else {
        fuzz_check(rc == -1);
        fuzz_check(number == untouched);
    }

    free(text);

    /* and any number is printed, not only those that can be parsed */

    number = 0;
    memcpy(&number, data, size < sizeof(number) ? size : sizeof(number));

    fuzz_number_print(number);

    return 0;
}


static int
fuzz_number_expected(const char *text, size_t len, uint64_t *number)
{
    char    *copy;
    size_t   i;

    for (i = 0; i < len; i++) {
        if (!isdigit((unsigned char) text[i])) {
            return -1;
        }
    }

    copy = fuzz_string(text, len);

    errno = 0;
    *number = strtoull(copy, NULL, 10);

    free(copy);

    return (len == 0 || errno || *number > INT64_MAX) ? -1 : 0;
}


static void
fuzz_number_print(uint64_t number)
{
    int             len;
    char            expected[NUMBER_LEN + 1];
    uint64_t        parsed;
    unsigned char  *place, *last, *p;

    len = snprintf(expected, sizeof(expected), "%" PRIu64, number);

    place = fuzz_alloc(NUMBER_LEN);
    last = place + NUMBER_LEN;

    p = number_print(last, number);

    fuzz_check(p >= place && last - p == len);
    fuzz_check(memcmp(p, expected, (size_t) len) == 0);

    if (number <= INT64_MAX) {
        fuzz_check(number_parse((char *) p, (size_t) len, &parsed) == 0);
        fuzz_check(parsed == number);
    }

    free(place);
}
