
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The permutation of a range as one worker uses it.  Positions come one by
 * one, but the worker that drew one is likely to draw its neighbours: so they
 * are mapped in groups, which costs a fraction per number.  Nothing is taken
 * by mapping a position, so what is mapped and not drawn is of no consequence.
 */


#ifndef _MAPPING_H_INCLUDED_
#define _MAPPING_H_INCLUDED_


#include <stdint.h>

#include "permutation.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define MAPPING_GROUP  32


typedef struct {
    permutation_t       *permutation;        /* NULL until mapping_init() */
    uint64_t             size;
    uint64_t             group;              /* of the last position */
    unsigned             drawn;              /* positions drawn in it */
    unsigned             dense:1;            /* many were in the one before */
    unsigned             mapped:1;           /* values are set */
    uint64_t             values[MAPPING_GROUP];
} mapping_t;


/* 0, or -1 if memory or libcrypto fails; a zeroed mapping is not set up yet */
int mapping_init(mapping_t *mapping, const uint8_t key[PERMUTATION_KEY_SIZE],
    uint64_t size);

/* wipes everything that came from the key */
void mapping_destroy(mapping_t *mapping);

/* 0, or -1 if the position is out of range or libcrypto fails */
int mapping_value(mapping_t *mapping, uint64_t position, uint64_t *value);


#pragma GCC visibility pop


#endif /* _MAPPING_H_INCLUDED_ */
