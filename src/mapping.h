
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The numbers of a range's next positions.  They are mapped in groups, which
 * costs a fraction per number, and by one worker for all: each draws some of
 * every group, and with many workers each draws few.  Nothing is taken by
 * mapping a position, so what is mapped and not drawn is of no consequence.
 *
 * Plain C with no lock of its own: the caller holds the lock of the memory
 * where mapping_t lives, which mapping_map_group() has no need of.
 */


#ifndef _MAPPING_H_INCLUDED_
#define _MAPPING_H_INCLUDED_


#include <stdint.h>

#include "permutation.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define MAPPING_GROUP  64


typedef struct {
    uint64_t             id;         /* from 1; 0 if there are no values */
    uint64_t             n;          /* of values; fewer at the range's end */
    uint64_t             values[MAPPING_GROUP];
} mapping_group_t;


/* group "id" is in groups[id % 2]: the one that is drawn from, and the next */

typedef struct {
    uint64_t             claimed;    /* by a worker that maps it ahead */
    mapping_group_t      groups[2];
} mapping_t;


/* the value of a position in the group; -1 if it has none */
int mapping_value(const mapping_group_t *group, uint64_t position,
    uint64_t *value);

/* the value of a position in the group that is here; -1 if there is none */
int mapping_find(const mapping_t *mapping, uint64_t position,
    uint64_t *value);

/*
 * The group that the caller is to map, who drew the position of a range of
 * "size": the one of the position itself, if it is not here; or the next one,
 * which one caller only is asked for; or 0.
 */
uint64_t mapping_claim(mapping_t *mapping, uint64_t position, uint64_t size);

/* maps a group; -1 if it is out of range or libcrypto fails */
int mapping_map_group(mapping_group_t *group, uint64_t id, permutation_t *p,
    uint64_t size);

/* keeps a copy of the group in its place, where another one was */
void mapping_put(mapping_t *mapping, const mapping_group_t *group);


#pragma GCC visibility pop


#endif /* _MAPPING_H_INCLUDED_ */
