
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Alphabets that numbers are written with, the most significant symbol first.
 *
 *     decimal   0-9
 *     hex       0-9a-f
 *     base32    0-9A-Z without I, L, O and U: Douglas Crockford's, see
 *               https://www.crockford.com/base32.html
 *     base58    1-9A-Za-z without I, O and l: Bitcoin's, as in its base58.cpp
 *     base62    0-9A-Za-z
 */


#ifndef _ALPHABET_H_INCLUDED_
#define _ALPHABET_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define ALPHABET_DECIMAL  10
#define ALPHABET_BASE32   32


typedef struct {
    const char  *name;
    const char  *symbols;       /* by value, from 0 on */
    unsigned     base;          /* how many; no two alphabets have as many */
} alphabet_t;


/* NULL if there is none of that name */
const alphabet_t *alphabet_find(const char *name, size_t len);

/* how many symbols the number takes, at least 1 */
unsigned alphabet_width(const alphabet_t *alphabet, uint64_t number);

/*
 * Writes so many symbols, zeros before the number if need be, and returns the
 * end.  Of a number that takes more the first ones are missing.
 */
unsigned char *alphabet_print(const alphabet_t *alphabet, uint64_t number,
    unsigned width, unsigned char *p);

/* the value of a symbol; -1 if it is none */
int alphabet_value(const alphabet_t *alphabet, unsigned char ch);

/*
 * What somebody may have meant who typed it: of an alphabet of one case, the
 * letter in that case; of base32, 0 for O, and 1 for I and L, too.
 */
unsigned char alphabet_fold(const alphabet_t *alphabet, unsigned char ch);


#pragma GCC visibility pop


#endif /* _ALPHABET_H_INCLUDED_ */
