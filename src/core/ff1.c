
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * FF1 of NIST SP 800-38G, algorithms 7 and 8.  Owns the AES key schedule and
 * what can be computed once per key and tweak.  Names (P, Q, S, u, v, b, d, y)
 * are the standard's.  Halves fit 64 bits, hence b <= 8 and d <= 12: S is never
 * longer than the one block that the standard calls R, and the round number
 * and the half always share the last block of Q.  So all of P | Q that comes
 * before them is the same in every round, and a round costs one AES block.
 */


#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/ff1.h"


#define FF1_BLOCK       16
#define FF1_ROUNDS      10
#define FF1_RADIX_MAX   65536
#define FF1_DOMAIN_MIN  1000000


struct ff1_s {
    EVP_CIPHER_CTX  *cipher;

    /* radix^u and radix^v, by which even and odd rounds reduce */
    uint64_t         modulus[2];

    /*
     * the CBC-MAC's input to its last block (upper and lower 64 bits) but for
     * the round number and the half, which are still to be XORed into it
     */
    uint64_t         base[2];

    unsigned         b;
    unsigned         d;

    /* both moduli are powers of two */
    unsigned         binary:1;

    uint8_t          blocks[FF1_GROUP * FF1_BLOCK];
};


static int ff1_init_domain(ff1_t *ff1, uint32_t radix, uint32_t len);
static int ff1_init_cipher(ff1_t *ff1, const uint8_t *key, size_t key_len);
static int ff1_init_base(ff1_t *ff1, uint32_t radix, uint32_t len,
    const uint8_t *tweak, size_t tweak_len);
static int ff1_power(uint32_t radix, uint32_t exponent, uint64_t *power);
static int ff1_in_range(ff1_t *ff1, const uint64_t *a, const uint64_t *b,
    size_t n);
static int ff1_prf(ff1_t *ff1, unsigned round, const uint64_t *half, size_t n);
static int ff1_aes(ff1_t *ff1, size_t n);
static void ff1_add(ff1_t *ff1, unsigned round, uint64_t *half, size_t n);
static void ff1_subtract(ff1_t *ff1, unsigned round, uint64_t *half, size_t n);
static uint64_t ff1_reduce(const uint8_t *s, unsigned d, uint64_t modulus);
static uint64_t ff1_add_mod(uint64_t x, uint64_t y, uint64_t modulus);
static void ff1_swap(uint64_t **a, uint64_t **b);
static inline uint64_t ff1_get64(const uint8_t *p);
static void ff1_put32(uint8_t *p, uint32_t n);
static void ff1_put64(uint8_t *p, uint64_t n);


ff1_t *
ff1_create(const uint8_t *key, size_t key_len, uint32_t radix, uint32_t len,
    const uint8_t *tweak, size_t tweak_len)
{
    ff1_t  *ff1;

    ff1 = OPENSSL_zalloc(sizeof(ff1_t));
    if (ff1 == NULL) {
        return NULL;
    }

    if (ff1_init_domain(ff1, radix, len) != 0
        || ff1_init_cipher(ff1, key, key_len) != 0
        || ff1_init_base(ff1, radix, len, tweak, tweak_len) != 0)
    {
        ff1_destroy(ff1);
        return NULL;
    }

    return ff1;
}


void
ff1_destroy(ff1_t *ff1)
{
    if (ff1 == NULL) {
        return;
    }

    EVP_CIPHER_CTX_free(ff1->cipher);
    OPENSSL_clear_free(ff1, sizeof(ff1_t));
}


int
ff1_encrypt(ff1_t *ff1, uint64_t *a, uint64_t *b, size_t n)
{
    unsigned  round;

    if (ff1_in_range(ff1, a, b, n) != 0) {
        return -1;
    }

    /* the rounds are even in number, so the halves end up where they began */

    for (round = 0; round < FF1_ROUNDS; round++) {
        if (ff1_prf(ff1, round, b, n) != 0) {
            return -1;
        }

        ff1_add(ff1, round, a, n);
        ff1_swap(&a, &b);
    }

    return 0;
}


int
ff1_decrypt(ff1_t *ff1, uint64_t *a, uint64_t *b, size_t n)
{
    unsigned  round;

    if (ff1_in_range(ff1, a, b, n) != 0) {
        return -1;
    }

    for (round = FF1_ROUNDS; round-- > 0; /* void */) {
        if (ff1_prf(ff1, round, a, n) != 0) {
            return -1;
        }

        ff1_subtract(ff1, round, b, n);
        ff1_swap(&a, &b);
    }

    return 0;
}


static int
ff1_init_domain(ff1_t *ff1, uint32_t radix, uint32_t len)
{
    uint64_t  last, *modulus;

    modulus = ff1->modulus;

    if (radix < 2
        || radix > FF1_RADIX_MAX
        || ff1_power(radix, len / 2, &modulus[0]) != 0
        || ff1_power(radix, len - len / 2, &modulus[1]) != 0
        || modulus[0] <= (FF1_DOMAIN_MIN - 1) / modulus[1])
    {
        return -1;
    }

    for (last = modulus[1] - 1; last != 0; last >>= 8) {
        ff1->b++;
    }

    ff1->d = (ff1->b + 3) / 4 * 4 + 4;
    ff1->binary = (modulus[0] & (modulus[0] - 1)) == 0
                  && (modulus[1] & (modulus[1] - 1)) == 0;

    return 0;
}


static int
ff1_init_cipher(ff1_t *ff1, const uint8_t *key, size_t key_len)
{
    const EVP_CIPHER  *aes;

    switch (key_len) {

    case 16:
        aes = EVP_aes_128_ecb();
        break;

    case 24:
        aes = EVP_aes_192_ecb();
        break;

    case 32:
        aes = EVP_aes_256_ecb();
        break;

    default:
        return -1;
    }

    ff1->cipher = EVP_CIPHER_CTX_new();

    if (ff1->cipher == NULL
        || EVP_EncryptInit_ex(ff1->cipher, aes, NULL, key, NULL) != 1
        || EVP_CIPHER_CTX_set_padding(ff1->cipher, 0) != 1)
    {
        return -1;
    }

    return 0;
}


static int
ff1_init_base(ff1_t *ff1, uint32_t radix, uint32_t len, const uint8_t *tweak,
    size_t tweak_len)
{
    size_t    i, size;
    uint8_t  *p;
    uint8_t   input[FF1_BLOCK + FF1_TWEAK_MAX + FF1_BLOCK];

    if (tweak_len > FF1_TWEAK_MAX) {
        return -1;
    }

    memset(input, 0, sizeof(input));

    input[0] = 1;
    input[1] = 2;
    input[2] = 1;
    input[3] = (uint8_t) (radix >> 16);
    input[4] = (uint8_t) (radix >> 8);
    input[5] = (uint8_t) radix;
    input[6] = FF1_ROUNDS;
    input[7] = (uint8_t) (len / 2);
    ff1_put32(&input[8], len);
    ff1_put32(&input[12], (uint32_t) tweak_len);

    if (tweak_len != 0) {
        memcpy(&input[FF1_BLOCK], tweak, tweak_len);
    }

    size = FF1_BLOCK + tweak_len + 1 + ff1->b;
    size = (size + FF1_BLOCK - 1) / FF1_BLOCK * FF1_BLOCK;

    for (p = input; /* void */; p += FF1_BLOCK) {
        for (i = 0; i < FF1_BLOCK; i++) {
            ff1->blocks[i] ^= p[i];
        }

        if (p == input + size - FF1_BLOCK) {
            break;
        }

        if (ff1_aes(ff1, 1) != 0) {
            return -1;
        }
    }

    ff1->base[0] = ff1_get64(&ff1->blocks[0]);
    ff1->base[1] = ff1_get64(&ff1->blocks[8]);

    return 0;
}


static int
ff1_power(uint32_t radix, uint32_t exponent, uint64_t *power)
{
    *power = 1;

    while (exponent-- > 0) {
        if (*power > UINT64_MAX / radix) {
            return -1;
        }

        *power *= radix;
    }

    return 0;
}


static int
ff1_in_range(ff1_t *ff1, const uint64_t *a, const uint64_t *b, size_t n)
{
    size_t  i;

    if (n > FF1_GROUP) {
        return -1;
    }

    for (i = 0; i < n; i++) {
        if (a[i] >= ff1->modulus[0] || b[i] >= ff1->modulus[1]) {
            return -1;
        }
    }

    return 0;
}


/*
 * Leaves R of every half in ff1->blocks.
 */

static int
ff1_prf(ff1_t *ff1, unsigned round, const uint64_t *half, size_t n)
{
    size_t    i;
    uint8_t  *p, head[8];
    uint64_t  high, low;

    high = ff1->base[0];
    low = ff1->base[1];

    /* the round number is the byte before the b bytes of the half */

    if (ff1->b < 8) {
        low ^= (uint64_t) round << (8 * ff1->b);

    } else {
        high ^= round;
    }

    ff1_put64(head, high);
    p = ff1->blocks;

    for (i = 0; i < n; i++) {
        memcpy(p, head, sizeof(head));
        ff1_put64(p + 8, low ^ half[i]);
        p += FF1_BLOCK;
    }

    return ff1_aes(ff1, n);
}


static int
ff1_aes(ff1_t *ff1, size_t n)
{
    int  in, out;

    in = (int) (n * FF1_BLOCK);

    if (EVP_EncryptUpdate(ff1->cipher, ff1->blocks, &out, ff1->blocks, in) != 1
        || out != in)
    {
        return -1;
    }

    return 0;
}


static void
ff1_add(ff1_t *ff1, unsigned round, uint64_t *half, size_t n)
{
    size_t    i;
    uint8_t  *s;
    uint64_t  y, modulus;

    modulus = ff1->modulus[round & 1];

    for (i = 0, s = ff1->blocks; i < n; i++, s += FF1_BLOCK) {

        if (ff1->binary) {
            half[i] += ff1_get64(s + ff1->d - 8);
            half[i] &= modulus - 1;
            continue;
        }

        y = ff1_reduce(s, ff1->d, modulus);
        half[i] = ff1_add_mod(half[i], y, modulus);
    }
}


static void
ff1_subtract(ff1_t *ff1, unsigned round, uint64_t *half, size_t n)
{
    size_t    i;
    uint8_t  *s;
    uint64_t  y, modulus;

    modulus = ff1->modulus[round & 1];

    for (i = 0, s = ff1->blocks; i < n; i++, s += FF1_BLOCK) {

        if (ff1->binary) {
            half[i] -= ff1_get64(s + ff1->d - 8);
            half[i] &= modulus - 1;
            continue;
        }

        y = ff1_reduce(s, ff1->d, modulus);
        half[i] = ff1_add_mod(half[i], modulus - y, modulus);
    }
}


/*
 * The d bytes of S, 8 or 12, as a number modulo the given one.  C99 has no
 * type for 96 bits, so the last 32 are shifted in one by one.
 */

static uint64_t
ff1_reduce(const uint8_t *s, unsigned d, uint64_t modulus)
{
    unsigned  i, bit;
    uint64_t  y;

    y = ff1_get64(s) % modulus;

    for (i = 64; i < 8 * d; i++) {
        bit = s[i / 8] >> (7 - i % 8) & 1;
        y = ff1_add_mod(y, y, modulus);
        y = ff1_add_mod(y, bit, modulus);
    }

    return y;
}


/*
 * x < modulus, y <= modulus; the plain sum might not fit 64 bits.
 */

static uint64_t
ff1_add_mod(uint64_t x, uint64_t y, uint64_t modulus)
{
    if (x >= modulus - y) {
        return x - (modulus - y);
    }

    return x + y;
}


static void
ff1_swap(uint64_t **a, uint64_t **b)
{
    uint64_t  *half;

    half = *a;
    *a = *b;
    *b = half;
}


static inline uint64_t
ff1_get64(const uint8_t *p)
{
    return (uint64_t) p[0] << 56 | (uint64_t) p[1] << 48
           | (uint64_t) p[2] << 40 | (uint64_t) p[3] << 32
           | (uint64_t) p[4] << 24 | (uint64_t) p[5] << 16
           | (uint64_t) p[6] << 8 | (uint64_t) p[7];
}


static void
ff1_put32(uint8_t *p, uint32_t n)
{
    p[0] = (uint8_t) (n >> 24);
    p[1] = (uint8_t) (n >> 16);
    p[2] = (uint8_t) (n >> 8);
    p[3] = (uint8_t) n;
}


static void
ff1_put64(uint8_t *p, uint64_t n)
{
    p[0] = (uint8_t) (n >> 56);
    p[1] = (uint8_t) (n >> 48);
    p[2] = (uint8_t) (n >> 40);
    p[3] = (uint8_t) (n >> 32);
    p[4] = (uint8_t) (n >> 24);
    p[5] = (uint8_t) (n >> 16);
    p[6] = (uint8_t) (n >> 8);
    p[7] = (uint8_t) n;
}
