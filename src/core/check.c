
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <string.h>

#include "core/alphabet.h"
#include "core/check.h"
#include "core/number.h"


static unsigned check_luhn(uint64_t number);
static unsigned check_damm(uint64_t number);
static unsigned check_mod97(uint64_t number);
static unsigned check_crockford(uint64_t number);
static unsigned check_gf32(uint64_t number);


static const check_t  checks[] = {

    { "luhn", "0123456789", ALPHABET_DECIMAL, 1, check_luhn },

    { "damm", "0123456789", ALPHABET_DECIMAL, 1, check_damm },

    { "mod97", "0123456789", ALPHABET_DECIMAL, 2, check_mod97 },

    { "crockford", "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U", ALPHABET_BASE32, 1,
      check_crockford },

    { "gf32", "0123456789ABCDEFGHJKMNPQRSTVWXYZ", ALPHABET_BASE32, 1,
      check_gf32 }
};


const check_t *
check_find(const char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {

        if (strlen(checks[i].name) == len
            && memcmp(checks[i].name, name, len) == 0)
        {
            return &checks[i];
        }
    }

    return NULL;
}


unsigned char *
check_print(const check_t *check, uint64_t number, unsigned char *p)
{
    unsigned  value;

    value = check->compute(number);

    if (check->len == 2) {
        *p++ = (unsigned char) check->symbols[value / 10];
        value %= 10;
    }

    *p++ = (unsigned char) check->symbols[value];

    return p;
}


static unsigned
check_luhn(uint64_t number)
{
    unsigned  sum, pair;

    static const unsigned char  doubled[] = { 0, 2, 4, 6, 8, 1, 3, 5, 7, 9 };

    for (sum = 0; number; number /= 100) {
        pair = (unsigned) (number % 100);
        sum += doubled[pair % 10] + pair / 10;
    }

    return (10 - sum % 10) % 10;
}


static unsigned
check_damm(uint64_t number)
{
    unsigned        value;
    unsigned char   digits[NUMBER_LEN], *p;

    static const unsigned char  quasigroup[10][10] = {
        { 0, 3, 1, 7, 5, 9, 8, 6, 4, 2 },
        { 7, 0, 9, 2, 1, 5, 4, 8, 6, 3 },
        { 4, 2, 0, 6, 8, 7, 1, 3, 5, 9 },
        { 1, 7, 5, 0, 9, 8, 3, 4, 2, 6 },
        { 6, 1, 2, 3, 0, 4, 5, 9, 7, 8 },
        { 3, 6, 7, 4, 2, 0, 9, 5, 8, 1 },
        { 5, 8, 6, 9, 7, 2, 0, 1, 3, 4 },
        { 8, 9, 4, 5, 3, 6, 2, 0, 1, 7 },
        { 9, 4, 3, 8, 6, 1, 7, 2, 0, 5 },
        { 2, 5, 8, 1, 4, 3, 6, 7, 9, 0 }
    };

    value = 0;

    for (p = number_print(digits + NUMBER_LEN, number);
         p < digits + NUMBER_LEN;
         p++)
    {
        value = quasigroup[value][*p - '0'];
    }

    /* the diagonal is 0: the last value is what leads there */

    return value;
}


static unsigned
check_mod97(uint64_t number)
{
    return (unsigned) (98 - number % 97 * 100 % 97);
}


static unsigned
check_crockford(uint64_t number)
{
    return (unsigned) (number % 37);
}


static inline unsigned
check_gf32_times_x(unsigned element)
{
    element <<= 1;

    return element & 0x20 ? element ^ 0x25 : element;
}


static unsigned
check_gf32(uint64_t number)
{
    int       shift;
    unsigned  sum;

    sum = 0;

    for (shift = 60; shift >= 0; shift -= 5) {
        sum = check_gf32_times_x(sum) ^ (unsigned) (number >> shift & 31);
    }

    return check_gf32_times_x(sum);
}
