
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Two groups of values.  A wrong one would be a repeated number, so a group
 * has no id while it is being copied: who is killed meanwhile leaves none.
 */


#include <string.h>

#include "barrier.h"
#include "mapping.h"


#define mapping_id(position)  ((position) / MAPPING_GROUP + 1)


int
mapping_value(const mapping_group_t *group, uint64_t position, uint64_t *value)
{
    if (group->id != mapping_id(position)
        || position % MAPPING_GROUP >= group->n)
    {
        return -1;
    }

    *value = group->values[position % MAPPING_GROUP];

    return 0;
}


int
mapping_find(const mapping_t *mapping, uint64_t position, uint64_t *value)
{
    return mapping_value(&mapping->groups[mapping_id(position) % 2], position,
                         value);
}


uint64_t
mapping_claim(mapping_t *mapping, uint64_t position, uint64_t size)
{
    uint64_t  id;

    id = mapping_id(position);

    if (mapping->groups[id % 2].id != id) {
        return id;
    }

    /* its first position is the end of this group */

    if (id > (size - 1) / MAPPING_GROUP) {
        return 0;
    }

    id++;

    if (mapping->groups[id % 2].id == id || mapping->claimed == id) {
        return 0;
    }

    mapping->claimed = id;

    return id;
}


int
mapping_map_group(mapping_group_t *group, uint64_t id, permutation_t *p,
    uint64_t size)
{
    uint64_t  i, first;

    first = (id - 1) * MAPPING_GROUP;

    if (first >= size) {
        return -1;
    }

    group->id = id;
    group->n = (size - first < MAPPING_GROUP) ? size - first : MAPPING_GROUP;

    for (i = 0; i < group->n; i++) {
        group->values[i] = first + i;
    }

    return permutation_map(p, group->values, group->values, group->n);
}


void
mapping_put(mapping_t *mapping, const mapping_group_t *group)
{
    mapping_group_t  *to;

    to = &mapping->groups[group->id % 2];

    to->id = 0;

    barrier_stores();

    to->n = group->n;
    memcpy(to->values, group->values, group->n * sizeof(uint64_t));

    barrier_stores();

    to->id = group->id;
}
