
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A block is found by the sample before the member, and from there by a binary
 * search: in what is dense the next sample is a block or two away, and in what
 * is sparse the search has at most 21 steps.  Below that nothing branches: all
 * words of a block are compared at once, and so are the bytes of a word, and
 * the bits of a byte (Vigna, Broadword Implementation of Rank/Select Queries,
 * 2008: rank9, and the select of a word).
 */


#include "core/domain.h"


#define DOMAIN_BLOCK    512             /* bits; and members a sample */
#define DOMAIN_WORDS    (DOMAIN_BLOCK / 64)
#define DOMAIN_FIELD    9               /* bits, for members before a word */
#define DOMAIN_BATCH    64              /* members selected at once */

/* a one in each byte, and in each field of nine bits */
#define DOMAIN_BYTES    ((uint64_t) 0x0101010101010101)
#define DOMAIN_FIELDS   ((uint64_t) 0x0040201008040201)

/* bit k of byte k */
#define DOMAIN_DIAGONAL  ((uint64_t) 0x8040201008040201)

#define domain_blocks(n)  (((n) + DOMAIN_BLOCK - 1) / DOMAIN_BLOCK)


static uint64_t domain_word(const uint8_t *bytes, size_t len);
static void domain_count(domain_t *domain, uint64_t block);
static void domain_select_batch(const domain_t *domain, uint64_t *values,
    size_t n);
static uint64_t domain_block(const domain_t *domain, uint64_t k);
static uint64_t domain_select_block(const domain_t *domain, uint64_t block,
    uint64_t k);
static unsigned domain_select_field(uint64_t fields, unsigned k);
static unsigned domain_select_word(uint64_t word, unsigned k);
static unsigned domain_field(uint64_t fields, unsigned i);
static unsigned domain_ones(uint64_t word);
static uint64_t domain_sums(uint64_t word);
static unsigned domain_at_most(uint64_t sums, unsigned k);


size_t
domain_memory(uint64_t n)
{
    uint64_t  blocks;

    blocks = domain_blocks(n);

    return sizeof(uint64_t)
           + blocks * (DOMAIN_WORDS + 1) * sizeof(uint64_t)
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
    domain->fields = domain->bits + blocks * DOMAIN_WORDS;
    domain->ranks = (uint32_t *) (domain->fields + blocks);
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
    uint64_t   before, members, fields, next;
    uint64_t  *words;

    words = &domain->bits[block * DOMAIN_WORDS];
    before = *domain->size;

    members = domain_ones(words[0]);
    fields = 0;

    for (i = 1; i < DOMAIN_WORDS; i++) {
        fields |= members << (i - 1) * DOMAIN_FIELD;
        members += domain_ones(words[i]);
    }

    domain->ranks[block] = (uint32_t) before;
    domain->fields[block] = fields;

    *domain->size = before + members;

    /* a block has no more members than one sample stands for */

    next = (before + DOMAIN_BLOCK - 1) / DOMAIN_BLOCK;

    if (next * DOMAIN_BLOCK < *domain->size) {
        domain->samples[next] = (uint32_t) block;
    }
}


void
domain_select(const domain_t *domain, uint64_t *values, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i += DOMAIN_BATCH) {
        domain_select_batch(domain, &values[i],
                            n - i < DOMAIN_BATCH ? n - i : DOMAIN_BATCH);
    }
}


/* the memory that they are in is waited for by all at once */

static void
domain_select_batch(const domain_t *domain, uint64_t *values, size_t n)
{
    size_t    i;
    uint64_t  blocks[DOMAIN_BATCH];

    for (i = 0; i < n; i++) {
        blocks[i] = domain_block(domain, values[i]);

        __builtin_prefetch(&domain->fields[blocks[i]]);
        __builtin_prefetch(&domain->bits[blocks[i] * DOMAIN_WORDS]);
    }

    for (i = 0; i < n; i++) {
        values[i] = domain_select_block(domain, blocks[i], values[i]);
    }
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


/* the member with k before it, which is in this block */

static uint64_t
domain_select_block(const domain_t *domain, uint64_t block, uint64_t k)
{
    unsigned  i, left;
    uint64_t  word;

    left = (unsigned) (k - domain->ranks[block]);

    i = domain_select_field(domain->fields[block], left);
    left -= domain_field(domain->fields[block], i);

    word = block * DOMAIN_WORDS + i;

    return word * 64 + domain_select_word(domain->bits[word], left);
}


uint64_t
domain_rank(const domain_t *domain, uint64_t number)
{
    uint64_t  block, word;

    block = number / DOMAIN_BLOCK;
    word = number / 64;

    return domain->ranks[block]
           + domain_field(domain->fields[block], word % DOMAIN_WORDS)
           + domain_ones(domain->bits[word]
                         & (((uint64_t) 1 << number % 64) - 1));
}


int
domain_has(const domain_t *domain, uint64_t number)
{
    return domain->bits[number / 64] >> number % 64 & 1;
}


/*
 * The last word of a block that has at most k members before it.  All fields
 * are compared at once: where the ninth bits of k and of a field are the same,
 * its lower eight are taken from those of k with a ninth one lent, which is
 * left where they are not more; where they differ, k's is the one that is set.
 */

static unsigned
domain_select_field(uint64_t fields, unsigned k)
{
    uint64_t  all, tops, least;

    all = k * DOMAIN_FIELDS;
    tops = DOMAIN_FIELDS << (DOMAIN_FIELD - 1);

    least = (all | tops) - (fields & ~tops);
    least = ((all & ~fields) | (~(all ^ fields) & least)) & tops;

    return (unsigned) ((least >> (DOMAIN_FIELD - 1)) * DOMAIN_FIELDS
                       >> 6 * DOMAIN_FIELD & 7);
}


/* the place of the member of a word with k others below it */

static unsigned
domain_select_word(uint64_t word, unsigned k)
{
    unsigned  place;
    uint64_t  sums, bits;

    sums = domain_sums(word);
    place = domain_at_most(sums, k) % 8 * 8;

    k -= (unsigned) (sums << 8 >> place & 0xff);

    /* each bit of this byte becomes a one of its own byte, or a zero */

    bits = (word >> place & 0xff) * DOMAIN_BYTES & DOMAIN_DIAGONAL;
    bits = (bits + (DOMAIN_BYTES << 7) - DOMAIN_BYTES) >> 7 & DOMAIN_BYTES;

    return place + domain_at_most(bits * DOMAIN_BYTES, k);
}


/* members of a block before its word number i */

static unsigned
domain_field(uint64_t fields, unsigned i)
{
    return i ? fields >> (i - 1) * DOMAIN_FIELD & 0x1ff : 0;
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


/* how many of eight sums are k or less, k being below 128 */

static unsigned
domain_at_most(uint64_t sums, unsigned k)
{
    uint64_t  least;

    least = (k * DOMAIN_BYTES | DOMAIN_BYTES << 7) - sums;

    return (unsigned) ((least >> 7 & DOMAIN_BYTES) * DOMAIN_BYTES >> 56);
}
