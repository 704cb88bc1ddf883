
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * FF1, the format-preserving cipher of NIST SP 800-38G ("Recommendation for
 * Block Cipher Modes of Operation: Methods for Format-Preserving Encryption",
 * March 2016), over AES from libcrypto.  It permutes the numeral strings of
 * one radix and length under one key and one tweak.  Guarantees: exactly the
 * standard's function; an error where libcrypto fails, its reasons left in its
 * error queue, never a wrong value; no allocation and no key schedule after
 * ff1_create(), one EVP_EncryptUpdate() per round for a whole group of strings.
 */


#ifndef _FF1_H_INCLUDED_
#define _FF1_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* the longest tweak, in bytes */
#define FF1_TWEAK_MAX  256

/* the most strings one call takes */
#define FF1_GROUP      64


/*
 * Holds working buffers besides the key schedule: one thread at a time.
 */
typedef struct ff1_s  ff1_t;


/*
 * key_len is in bytes: 16, 24 or 32.  The strings have len numerals, each
 * below radix.  Neither the key nor the tweak is referred to afterwards; an
 * empty tweak may be NULL.
 *
 * Returns NULL when memory or libcrypto fails, and for what is not supported:
 * a radix outside 2 .. 65536, a half of radix^ceil(len / 2) >= 2^64 values,
 * radix^len < 1000000 (the least SP 800-38G recommends, and its revision
 * requires), a tweak longer than FF1_TWEAK_MAX.
 *
 * The caller owns the result and gives it to ff1_destroy(), which wipes it;
 * NULL is fine there.
 */
ff1_t *ff1_create(const uint8_t *key, size_t key_len, uint32_t radix,
    uint32_t len, const uint8_t *tweak, size_t tweak_len);
void ff1_destroy(ff1_t *ff1);


/*
 * Work in place on n <= FF1_GROUP strings, given as the standard's halves read
 * as numbers, most significant numeral first: a[i] is the first floor(len / 2)
 * numerals of string i, b[i] the others.
 *
 * Return 0, or -1 when n is too large, a half is out of range (both leave the
 * arrays alone) or libcrypto fails (their content is then meaningless).
 */
int ff1_encrypt(ff1_t *ff1, uint64_t *a, uint64_t *b, size_t n);
int ff1_decrypt(ff1_t *ff1, uint64_t *a, uint64_t *b, size_t n);


#pragma GCC visibility pop


#endif /* _FF1_H_INCLUDED_ */
