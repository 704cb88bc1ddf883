
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <string.h>

#include "core/hex.h"


int
hex_read(uint8_t *to, size_t len, const char *hex)
{
    size_t       i;
    const char  *high, *low;

    static const char  digits[] = "0123456789abcdef";

    if (strlen(hex) != 2 * len) {
        return -1;
    }

    for (i = 0; i < len; i++) {
        high = strchr(digits, hex[2 * i]);
        low = strchr(digits, hex[2 * i + 1]);

        if (high == NULL || low == NULL) {
            return -1;
        }

        to[i] = (uint8_t) ((high - digits) << 4 | (low - digits));
    }

    return 0;
}
