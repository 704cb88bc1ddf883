
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A block is found by the sample before the member, and from there by a binary
 * search: in what is dense the next sample is a block or two away, and in what
 * is sparse the search has at most 21 steps.
 */


#include "core/domain.h"


#define DOMAIN_BLOCK    512             /* bits; and members a sample */
#define DOMAIN_WORDS    (DOMAIN_BLOCK / 64)

/* a one in each byte */
#define DOMAIN_BYTES    ((uint64_t) 0x0101010101010101)

#define domain_blocks(n)  (((n) + DOMAIN_BLOCK - 1) / DOMAIN_BLOCK)


static uint64_t domain_word(const uint8_t *bytes, size_t len);
static void domain_count(domain_t *domain, uint64_t block);
static uint64_t domain_block(const domain_t *domain, uint64_t k);
static unsigned domain_select_word(uint64_t word, unsigned k);
static unsigned domain_ones(uint64_t word);
static uint64_t domain_sums(uint64_t word);


size_t
domain_memory(uint64_t n)
{
    uint64_t  blocks;

    blocks = domain_blocks(n);

    return sizeof(uint64_t)
           + blocks * DOMAIN_WORDS * sizeof(uint64_t)
           + 2 * blocks * sizeof(uint32_t);
}


void
domain_init(domain_t *domain, void *memory, uint64_t n)
{
    uint64_t  blocks;

    blocks = domain_blocks(n);

    domain->n = n;
    domain->size = memory;
    domain->bits = domain->size + 1;
    domain->ranks = (uint32_t *) (domain->bits + blocks * DOMAIN_WORDS);
    domain->samples = domain->ranks + blocks;
}


size_t
domain_chunk_len(const domain_t *domain, uint64_t i)
{
    uint64_t  left;

    if (i * DOMAIN_CHUNK >= domain->n) {
        return 0;
    }

    left = domain->n - i * DOMAIN_CHUNK;

    return (size_t) ((left < DOMAIN_CHUNK ? left : DOMAIN_CHUNK) + 7) / 8;
}


int
domain_put(domain_t *domain, uint64_t i, const uint8_t *bytes)
{
    size_t    len, rest;
    uint64_t  word, last, block;

    if (i == 0) {
        *domain->size = 0;
    }

    len = domain_chunk_len(domain, i);
    last = (i * DOMAIN_CHUNK + len * 8 - 1) / DOMAIN_BLOCK;
    word = i * DOMAIN_CHUNK / 64;

    if (domain->n % 8
        && i * DOMAIN_CHUNK + len * 8 > domain->n
        && bytes[len - 1] >> (domain->n % 8))
    {
        return -1;
    }

    while (word < (last + 1) * DOMAIN_WORDS) {
        rest = len < 8 ? len : 8;

        domain->bits[word++] = domain_word(bytes, rest);

        bytes += rest;
        len -= rest;
    }

    for (block = i * DOMAIN_CHUNK / DOMAIN_BLOCK; block <= last; block++) {
        domain_count(domain, block);
    }

    return 0;
}


/* of bytes that come in this order on every platform; len may be 0 */

static uint64_t
domain_word(const uint8_t *bytes, size_t len)
{
    uint64_t  word;

    word = 0;

    while (len) {
        word = word << 8 | bytes[--len];
    }

    return word;
}


static void
domain_count(domain_t *domain, uint64_t block)
{
    int        i;
    uint64_t   before, next;
    uint64_t  *words;

    words = &domain->bits[block * DOMAIN_WORDS];
    before = *domain->size;

    domain->ranks[block] = (uint32_t) before;

    for (i = 0; i < DOMAIN_WORDS; i++) {
        *domain->size += domain_ones(words[i]);
    }

    /* a block has no more members than one sample stands for */

    next = (before + DOMAIN_BLOCK - 1) / DOMAIN_BLOCK;

    if (next * DOMAIN_BLOCK < *domain->size) {
        domain->samples[next] = (uint32_t) block;
    }
}


uint64_t
domain_select(const domain_t *domain, uint64_t k)
{
    unsigned   ones, left;
    uint64_t   block;
    uint64_t  *word;

    block = domain_block(domain, k);

    word = &domain->bits[block * DOMAIN_WORDS];
    left = (unsigned) (k - domain->ranks[block]);

    for ( ;; ) {
        ones = domain_ones(*word);

        if (left < ones) {
            break;
        }

        left -= ones;
        word++;
    }

    return (uint64_t) (word - domain->bits) * 64
           + domain_select_word(*word, left);
}


/* the last one that has at most k members before it, and so has the member */

static uint64_t
domain_block(const domain_t *domain, uint64_t k)
{
    uint64_t  sample, low, high, middle;

    sample = k / DOMAIN_BLOCK;

    low = domain->samples[sample];
    high = ((sample + 1) * DOMAIN_BLOCK < *domain->size)
           ? domain->samples[sample + 1]
           : domain_blocks(domain->n) - 1;

    while (low < high) {
        middle = (low + high + 1) / 2;

        if (domain->ranks[middle] <= k) {
            low = middle;

        } else {
            high = middle - 1;
        }
    }

    return low;
}


uint64_t
domain_rank(const domain_t *domain, uint64_t number)
{
    uint64_t  rank, word;

    rank = domain->ranks[number / DOMAIN_BLOCK];

    for (word = number / DOMAIN_BLOCK * DOMAIN_WORDS;
         word < number / 64;
         word++)
    {
        rank += domain_ones(domain->bits[word]);
    }

    return rank + domain_ones(domain->bits[word]
                              & (((uint64_t) 1 << number % 64) - 1));
}


int
domain_has(const domain_t *domain, uint64_t number)
{
    return domain->bits[number / 64] >> number % 64 & 1;
}


/*
 * The place of the one with k others below it, by the sums of all bytes at once
 * (Vigna, Broadword Implementation of Rank/Select Queries, 2008).
 */

static unsigned
domain_select_word(uint64_t word, unsigned k)
{
    unsigned  place;
    uint64_t  sums, below;

    sums = domain_sums(word);

    /* the bytes that end before it have a sum of k at most */

    below = ((k * DOMAIN_BYTES | DOMAIN_BYTES << 7) - sums) >> 7 & DOMAIN_BYTES;
    place = (unsigned) (below * DOMAIN_BYTES >> 56) * 8;

    k -= (unsigned) (sums << 8 >> place & 0xff);
    word >>= place;

    while (k--) {
        word &= word - 1;
    }

    while ((word & 1) == 0) {
        word >>= 1;
        place++;
    }

    return place;
}


static unsigned
domain_ones(uint64_t word)
{
    return (unsigned) (domain_sums(word) >> 56);
}


/*
 * In each byte, how many there are in it and in those below: "sideways
 * addition", Knuth, The Art of Computer Programming 4A, 7.1.3.
 */

static uint64_t
domain_sums(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;

    return word * DOMAIN_BYTES;
}
