
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1: the secret order of a range.  Owns the keyed
 * bijection of [0, size) and nothing else; it knows no ranges, leases or
 * nginx.  Guarantees: the same key and size give the same bijection on every
 * machine and in every version (invariant I6), exact to the last position, and
 * an error rather than a wrong value when libcrypto or memory fails (with its
 * reasons left in libcrypto's error queue).
 *
 * The algorithm is the project's own choice among standard parts.  Above
 * PERMUTATION_TABLE_MAX: FF1 of NIST SP 800-38G with AES-256, radix 2,
 * n = max(20, bits of size - 1), the size as tweak, and cycle walking.  Up to
 * it, where FF1 would have too small a domain: the table of a Fisher-Yates
 * shuffle (Knuth, TAOCP volume 2, algorithm 3.4.2P) driven by AES-256-CTR with
 * rejection.
 */


#ifndef _PERMUTATION_H_INCLUDED_
#define _PERMUTATION_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define PERMUTATION_KEY_SIZE   32
#define PERMUTATION_SIZE_MAX   INT64_MAX

/* the largest size that has a table, of two bytes a position */
#define PERMUTATION_TABLE_MAX  65536


/*
 * Holds working buffers: one thread at a time.
 */
typedef struct permutation_s  permutation_t;


/*
 * size is the number of positions, 1 .. PERMUTATION_SIZE_MAX.  Returns NULL
 * for any other size, and when memory or libcrypto fails.  A table takes
 * about a millisecond to build.  The key is not referred to afterwards.
 *
 * The caller owns the result and gives it to permutation_destroy(), which
 * wipes everything that came from the key; NULL is fine there.
 */
permutation_t *permutation_create(const uint8_t key[PERMUTATION_KEY_SIZE],
    uint64_t size);
void permutation_destroy(permutation_t *p);


/*
 * Translate n positions (0-based, below size) to values in the same interval,
 * and back.  Any n will do: groups of 64 and more are several times cheaper
 * per number than single ones.  Both arrays may be the same one; otherwise
 * they must not overlap.
 *
 * Return 0, or -1 when an input is not below size (nothing is written then) or
 * when libcrypto fails (the output is meaningless then, and must not be used).
 * The first permutation_unmap() of a table allocates as much as the table
 * takes, and may return -1 for want of it; nothing else allocates.
 */
int permutation_map(permutation_t *p, const uint64_t *positions,
    uint64_t *values, size_t n);
int permutation_unmap(permutation_t *p, const uint64_t *values,
    uint64_t *positions, size_t n);


#pragma GCC visibility pop


#endif /* _PERMUTATION_H_INCLUDED_ */
