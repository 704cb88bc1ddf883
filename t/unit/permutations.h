
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The permutations that tests share: one key, and sizes on both sides of every
 * threshold, which are those between table and FF1, and of each number of bits.
 */


#ifndef _PERMUTATIONS_H_INCLUDED_
#define _PERMUTATIONS_H_INCLUDED_


#include <stdint.h>

#include "core/permutation.h"


#define SIZE_MAX_63  (((uint64_t) 1 << 63) - 1)

#define NSIZES       23


extern const uint8_t   key[PERMUTATION_KEY_SIZE];
extern const uint64_t  sizes[NSIZES];


/* never NULL */
permutation_t *create(uint64_t size);


#endif /* _PERMUTATIONS_H_INCLUDED_ */
