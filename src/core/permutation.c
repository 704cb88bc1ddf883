
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1.  Owns a shuffled table, or an FF1 instance with the
 * cycle walk around it, and chooses between them by size alone.  Every constant
 * here is part of the algorithm: a change of any of them makes numbers repeat
 * that were issued before it (invariant I6).
 */


#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/ff1.h"
#include "core/permutation.h"


/* makes FF1's domain 2^20, the least power of two that is large enough */
#define PERMUTATION_BITS_MIN    20

#define PERMUTATION_WORD        4
#define PERMUTATION_KEYSTREAM   4096


typedef int (*permutation_ff1_pt)(ff1_t *ff1, uint64_t *a, uint64_t *b,
    size_t n);


typedef struct {
    EVP_CIPHER_CTX  *cipher;
    size_t           used;
    uint8_t          bytes[PERMUTATION_KEYSTREAM];
} permutation_keystream_t;


/* either ff1 or table is set */

struct permutation_s {
    uint64_t         size;

    ff1_t           *ff1;
    unsigned         low_bits;

    uint16_t        *table;
    /* NULL until first used */
    uint16_t        *inverse;
};


static int permutation_init_ff1(permutation_t *p, const uint8_t *key);
static int permutation_init_table(permutation_t *p, const uint8_t *key);
static int permutation_init_inverse(permutation_t *p);
static int permutation_shuffle(uint16_t *table, uint32_t size,
    permutation_keystream_t *ks);
static int permutation_word(permutation_keystream_t *ks, uint32_t *word);
static int permutation_in_range(permutation_t *p, const uint64_t *in,
    size_t n);
static void permutation_look_up(const uint16_t *table, const uint64_t *in,
    uint64_t *out, size_t n);
static int permutation_walk(permutation_t *p, permutation_ff1_pt step,
    const uint64_t *in, uint64_t *out, size_t n);
static void permutation_put64(uint8_t *p, uint64_t n);


permutation_t *
permutation_create(const uint8_t key[PERMUTATION_KEY_SIZE], uint64_t size)
{
    int             rc;
    permutation_t  *p;

    if (size == 0 || size > PERMUTATION_SIZE_MAX) {
        return NULL;
    }

    p = OPENSSL_zalloc(sizeof(permutation_t));
    if (p == NULL) {
        return NULL;
    }

    p->size = size;

    if (size <= PERMUTATION_TABLE_MAX) {
        rc = permutation_init_table(p, key);

    } else {
        rc = permutation_init_ff1(p, key);
    }

    if (rc != 0) {
        permutation_destroy(p);
        return NULL;
    }

    return p;
}


void
permutation_destroy(permutation_t *p)
{
    if (p == NULL) {
        return;
    }

    ff1_destroy(p->ff1);

    /* a table tells as much as the key would */

    OPENSSL_clear_free(p->table, p->size * sizeof(uint16_t));
    OPENSSL_clear_free(p->inverse, p->size * sizeof(uint16_t));

    OPENSSL_free(p);
}


int
permutation_map(permutation_t *p, const uint64_t *positions, uint64_t *values,
    size_t n)
{
    if (permutation_in_range(p, positions, n) != 0) {
        return -1;
    }

    if (p->table) {
        permutation_look_up(p->table, positions, values, n);
        return 0;
    }

    return permutation_walk(p, ff1_encrypt, positions, values, n);
}


int
permutation_unmap(permutation_t *p, const uint64_t *values,
    uint64_t *positions, size_t n)
{
    if (permutation_in_range(p, values, n) != 0) {
        return -1;
    }

    if (p->table) {
        if (p->inverse == NULL && permutation_init_inverse(p) != 0) {
            return -1;
        }

        permutation_look_up(p->inverse, values, positions, n);
        return 0;
    }

    return permutation_walk(p, ff1_decrypt, values, positions, n);
}


static int
permutation_init_ff1(permutation_t *p, const uint8_t *key)
{
    uint8_t   tweak[8];
    unsigned  bits;

    bits = PERMUTATION_BITS_MIN;

    while ((p->size - 1) >> bits) {
        bits++;
    }

    permutation_put64(tweak, p->size);

    p->ff1 = ff1_create(key, PERMUTATION_KEY_SIZE, 2, bits, tweak,
                        sizeof(tweak));
    if (p->ff1 == NULL) {
        return -1;
    }

    p->low_bits = bits - bits / 2;

    return 0;
}


static int
permutation_init_table(permutation_t *p, const uint8_t *key)
{
    int                      rc;
    uint8_t                  counter[16];
    permutation_keystream_t  ks;

    p->table = OPENSSL_malloc(p->size * sizeof(uint16_t));
    if (p->table == NULL) {
        return -1;
    }

    ks.cipher = EVP_CIPHER_CTX_new();
    if (ks.cipher == NULL) {
        return -1;
    }

    ks.used = PERMUTATION_KEYSTREAM;

    memset(counter, 0, sizeof(counter));
    permutation_put64(counter, p->size);

    rc = -1;

    if (EVP_EncryptInit_ex(ks.cipher, EVP_aes_256_ctr(), NULL, key, counter)
        == 1)
    {
        rc = permutation_shuffle(p->table, (uint32_t) p->size, &ks);
    }

    EVP_CIPHER_CTX_free(ks.cipher);
    OPENSSL_cleanse(&ks, sizeof(permutation_keystream_t));

    return rc;
}


static int
permutation_init_inverse(permutation_t *p)
{
    size_t  i;

    p->inverse = OPENSSL_malloc(p->size * sizeof(uint16_t));
    if (p->inverse == NULL) {
        return -1;
    }

    for (i = 0; i < p->size; i++) {
        p->inverse[p->table[i]] = (uint16_t) i;
    }

    return 0;
}


static int
permutation_shuffle(uint16_t *table, uint32_t size,
    permutation_keystream_t *ks)
{
    uint16_t  value;
    uint32_t  i, word, mask;

    for (i = 0; i < size; i++) {
        table[i] = (uint16_t) i;
    }

    mask = PERMUTATION_TABLE_MAX - 1;

    for (i = size - 1; i > 0; i--) {

        while (mask >> 1 >= i) {
            mask >>= 1;
        }

        /* a remainder would favour small indices, rejection favours none */

        do {
            if (permutation_word(ks, &word) != 0) {
                return -1;
            }

            word &= mask;
        } while (word > i);

        value = table[i];
        table[i] = table[word];
        table[word] = value;
    }

    return 0;
}


static int
permutation_word(permutation_keystream_t *ks, uint32_t *word)
{
    int       len;
    uint8_t  *p;

    if (ks->used == PERMUTATION_KEYSTREAM) {
        memset(ks->bytes, 0, PERMUTATION_KEYSTREAM);

        if (EVP_EncryptUpdate(ks->cipher, ks->bytes, &len, ks->bytes,
                              PERMUTATION_KEYSTREAM)
            != 1
            || len != PERMUTATION_KEYSTREAM)
        {
            return -1;
        }

        ks->used = 0;
    }

    p = &ks->bytes[ks->used];
    ks->used += PERMUTATION_WORD;

    *word = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
            | (uint32_t) p[2] << 8 | (uint32_t) p[3];

    return 0;
}


static int
permutation_in_range(permutation_t *p, const uint64_t *in, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (in[i] >= p->size) {
            return -1;
        }
    }

    return 0;
}


static void
permutation_look_up(const uint16_t *table, const uint64_t *in, uint64_t *out,
    size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        out[i] = table[in[i]];
    }
}


/*
 * Cycle walking: FF1 permutes a domain of 2^bits values, larger than
 * [0, size), so a lane whose value falls outside takes another step.  It is
 * bound to come back in, since it moves on a cycle that it entered from the
 * inside.  That takes 2^bits / size steps on average: at most 2, or up to 16
 * where PERMUTATION_BITS_MIN decides.
 *
 * A lane that is done makes room for the next input, so that groups stay full.
 * Outputs go only to places whose input was already read, which is what lets
 * "in" and "out" be the same array.
 */

static int
permutation_walk(permutation_t *p, permutation_ff1_pt step, const uint64_t *in,
    uint64_t *out, size_t n)
{
    size_t    i, next, lanes, left, index[FF1_GROUP];
    uint64_t  x, low_mask, a[FF1_GROUP], b[FF1_GROUP];

    low_mask = ((uint64_t) 1 << p->low_bits) - 1;

    next = 0;
    lanes = 0;

    for ( ;; ) {

        while (lanes < FF1_GROUP && next < n) {
            a[lanes] = in[next] >> p->low_bits;
            b[lanes] = in[next] & low_mask;
            index[lanes++] = next++;
        }

        if (lanes == 0) {
            return 0;
        }

        if (step(p->ff1, a, b, lanes) != 0) {
            return -1;
        }

        left = 0;

        for (i = 0; i < lanes; i++) {
            x = a[i] << p->low_bits | b[i];

            if (x < p->size) {
                out[index[i]] = x;
                continue;
            }

            a[left] = a[i];
            b[left] = b[i];
            index[left++] = index[i];
        }

        lanes = left;
    }
}


static void
permutation_put64(uint8_t *p, uint64_t n)
{
    unsigned  i;

    for (i = 0; i < 8; i++) {
        p[i] = (uint8_t) (n >> (56 - 8 * i));
    }
}
