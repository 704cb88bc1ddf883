
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Maps whole groups of positions while this worker draws so many of each that
 * it pays: with many workers each draws few, and maps them alone.
 */


#include <openssl/crypto.h>
#include <string.h>

#include "mapping.h"


/* a group costs about as much as this many single positions */
#define MAPPING_WORTH  8


static int mapping_map_group(mapping_t *mapping);


int
mapping_init(mapping_t *mapping, const uint8_t key[PERMUTATION_KEY_SIZE],
    uint64_t size)
{
    memset(mapping, 0, sizeof(mapping_t));

    mapping->permutation = permutation_create(key, size);
    mapping->size = size;

    return mapping->permutation ? 0 : -1;
}


void
mapping_destroy(mapping_t *mapping)
{
    permutation_destroy(mapping->permutation);

    OPENSSL_cleanse(mapping, sizeof(mapping_t));
}


int
mapping_value(mapping_t *mapping, uint64_t position, uint64_t *value)
{
    uint64_t  group;

    group = position / MAPPING_GROUP;

    if (group != mapping->group) {
        mapping->dense = (mapping->drawn >= MAPPING_WORTH);
        mapping->group = group;
        mapping->drawn = 0;
        mapping->mapped = 0;
    }

    mapping->drawn++;

    if (mapping->dense && !mapping->mapped && position < mapping->size) {

        if (mapping_map_group(mapping) != 0) {
            return -1;
        }
    }

    if (mapping->mapped && position < mapping->size) {
        *value = mapping->values[position % MAPPING_GROUP];
        return 0;
    }

    return permutation_map(mapping->permutation, &position, value, 1);
}


static int
mapping_map_group(mapping_t *mapping)
{
    size_t    i, n;
    uint64_t  first;

    first = mapping->group * MAPPING_GROUP;
    n = MAPPING_GROUP;

    if (n > mapping->size - first) {
        n = mapping->size - first;
    }

    for (i = 0; i < n; i++) {
        mapping->values[i] = first + i;
    }

    if (permutation_map(mapping->permutation, mapping->values, mapping->values,
                        n)
        != 0)
    {
        return -1;
    }

    mapping->mapped = 1;

    return 0;
}
