
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The permutations that tests share.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "permutations.h"


const uint8_t  key[PERMUTATION_KEY_SIZE] = {
    0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe,
    0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81,
    0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7,
    0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4
};


const uint64_t  sizes[NSIZES] = {
    1, 2, 3, 10, 255, 256, 257, 65535, 65536, 65537, 100000, 524289, 1000003,
    1048575, 1048576, 1048577, 2097153, 1000000000000, 4503599627370497,
    SIZE_MAX_63 / 2 + 1, SIZE_MAX_63 / 2 + 2, SIZE_MAX_63 - 1, SIZE_MAX_63
};

permutation_t *
create(uint64_t size)
{
    permutation_t  *p;

    p = permutation_create(key, size);
    assert_non_null(p);

    return p;
}
