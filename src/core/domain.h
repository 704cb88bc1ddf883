
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The domain of a range that was adopted: which of its numbers may be given
 * out, a bit for each.  The permutation of such a range runs over the size of
 * its domain, and select turns what it gives into a number.
 *
 * The bits are counted in blocks of 512, each with the counts of its words, and
 * each 512th member has its block remembered: the classical directory of rank
 * and select (Jacobson 1989; Clark 1996; Vigna 2008), in a quarter of the room
 * of the bits.
 *
 * A domain lies in memory of the caller, which processes may share.  It is
 * filled from the front; until it is full, nothing else may be called.  Where
 * one process fills it anew while another one reads, that reads any number, but
 * nothing beyond the memory.
 */


#ifndef _DOMAIN_H_INCLUDED_
#define _DOMAIN_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* most numbers that a domain is among */
#define DOMAIN_MAX    ((uint64_t) 1 << 30)

/* it is put in by so many bits, and what is left over at last */
#define DOMAIN_CHUNK  ((uint64_t) 1 << 20)


/* where the parts are, as a process sees them; what changes is in the memory */

typedef struct {
    uint64_t    n;                      /* numbers */
    uint64_t   *size;                   /* members, of those put in so far */
    uint64_t   *bits;
    uint64_t   *fields;                 /* members before each word, in its
                                           block, by block */
    uint32_t   *ranks;                  /* members before each block */
    uint32_t   *samples;                /* the block of each 512th member */
} domain_t;


/* bytes of memory for n numbers, 1 .. DOMAIN_MAX */
size_t domain_memory(uint64_t n);

/* of this memory, aligned for 64 bits; changes nothing in it */
void domain_init(domain_t *domain, void *memory, uint64_t n);

/* how many bytes chunk number i has, 0 if there is none */
size_t domain_chunk_len(const domain_t *domain, uint64_t i);

/*
 * Puts chunk number i in, after those before it: bit k of byte j is for number
 * i * DOMAIN_CHUNK + j * 8 + k.  -1 if a bit beyond the last number is set.
 */
int domain_put(domain_t *domain, uint64_t i, const uint8_t *bytes);

/* each of the n values k, below *size, becomes the member with k before it */
void domain_select(const domain_t *domain, uint64_t *values, size_t n);

/* how many members are below the number, which is below n */
uint64_t domain_rank(const domain_t *domain, uint64_t number);

/* whether the number, below n, is one */
int domain_has(const domain_t *domain, uint64_t number);


#pragma GCC visibility pop


#endif /* _DOMAIN_H_INCLUDED_ */
