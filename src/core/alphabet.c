
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A number is printed for each answer, so every base is a constant where it is
 * divided by: the compiler has multiplications and shifts for it.
 */


#include <string.h>

#include "core/alphabet.h"
#include "core/number.h"


static unsigned char *alphabet_print_decimal(uint64_t number, unsigned width,
    unsigned char *p);


static const alphabet_t  alphabets[] = {

    { "decimal", "0123456789", ALPHABET_DECIMAL },

    { "hex", "0123456789abcdef", 16 },

    { "base32", "0123456789ABCDEFGHJKMNPQRSTVWXYZ", ALPHABET_BASE32 },

    { "base58",
      "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 58 },

    { "base62",
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 62 }
};


const alphabet_t *
alphabet_find(const char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < sizeof(alphabets) / sizeof(alphabets[0]); i++) {

        if (strlen(alphabets[i].name) == len
            && memcmp(alphabets[i].name, name, len) == 0)
        {
            return &alphabets[i];
        }
    }

    return NULL;
}


unsigned
alphabet_width(const alphabet_t *alphabet, uint64_t number)
{
    unsigned  width;

    for (width = 1; number >= alphabet->base; width++) {
        number /= alphabet->base;
    }

    return width;
}


static inline unsigned char *
alphabet_print_base(const char *symbols, unsigned base, uint64_t number,
    unsigned width, unsigned char *p)
{
    unsigned char  *last;

    last = p + width;

    while (width) {
        p[--width] = (unsigned char) symbols[number % base];
        number /= base;
    }

    return last;
}


unsigned char *
alphabet_print(const alphabet_t *alphabet, uint64_t number, unsigned width,
    unsigned char *p)
{
    const char  *symbols;

    symbols = alphabet->symbols;

    switch (alphabet->base) {

    case 16:
        return alphabet_print_base(symbols, 16, number, width, p);

    case ALPHABET_BASE32:
        return alphabet_print_base(symbols, ALPHABET_BASE32, number, width, p);

    case 58:
        return alphabet_print_base(symbols, 58, number, width, p);

    case 62:
        return alphabet_print_base(symbols, 62, number, width, p);

    default:
        return alphabet_print_decimal(number, width, p);
    }
}


static unsigned char *
alphabet_print_decimal(uint64_t number, unsigned width, unsigned char *p)
{
    unsigned char  digits[NUMBER_LEN];

    memset(digits, '0', NUMBER_LEN);

    (void) number_print(digits + NUMBER_LEN, number);

    memcpy(p, digits + NUMBER_LEN - width, width);

    return p + width;
}


int
alphabet_value(const alphabet_t *alphabet, unsigned char ch)
{
    const char  *symbol;

    symbol = memchr(alphabet->symbols, ch, alphabet->base);

    return symbol ? (int) (symbol - alphabet->symbols) : -1;
}


unsigned char
alphabet_fold(const alphabet_t *alphabet, unsigned char ch)
{
    if (alphabet->base == 16) {
        return (unsigned char) (ch >= 'A' && ch <= 'F' ? ch | 0x20 : ch);
    }

    if (alphabet->base != ALPHABET_BASE32) {
        return ch;
    }

    if (ch >= 'a' && ch <= 'z') {
        ch &= 0xdf;
    }

    switch (ch) {

    case 'I':
    case 'L':
        return '1';

    case 'O':
        return '0';

    default:
        return ch;
    }
}
