
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The choice among ranges must not be predictable, so it comes from a CSPRNG;
 * one call fills a buffer for many choices.  A worker must not inherit a
 * buffer that the master has filled, or all would draw alike.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "zone/random.h"

#include <openssl/rand.h>


typedef struct {
    ngx_pid_t    pid;
    ngx_uint_t   left;
    uint64_t     numbers[512];
} ngx_ur_buffer_t;


static ngx_ur_buffer_t  ngx_ur_buffer;


uint64_t
ngx_ur_random(void)
{
    ngx_ur_buffer_t  *b;

    b = &ngx_ur_buffer;

    if (b->left == 0 || b->pid != ngx_pid) {

        if (RAND_bytes((u_char *) b->numbers, sizeof(b->numbers)) != 1) {

            /* the order of ranges is the only thing that suffers */

            return (uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random();
        }

        b->pid = ngx_pid;
        b->left = sizeof(b->numbers) / sizeof(b->numbers[0]);
    }

    return b->numbers[--b->left];
}


uint64_t
ngx_ur_random_below(uint64_t random, uint64_t n)
{
    uint64_t  r;

    r = (uint64_t) ((double) (random >> 11) / 9007199254740992.0 * (double) n);

    return r < n ? r : n - 1;
}


ngx_int_t
ngx_ur_random_uuid(char *uuid)
{
    u_char  b[16];

    if (RAND_bytes(b, sizeof(b)) != 1) {
        return NGX_ERROR;
    }

    ngx_sprintf((u_char *) uuid,
                "%02xd%02xd%02xd%02xd-%02xd%02xd-%02xd%02xd-"
                "%02xd%02xd-%02xd%02xd%02xd%02xd%02xd%02xd%Z",
                b[0], b[1], b[2], b[3], b[4], b[5], (b[6] & 0x0f) | 0x40, b[7],
                (b[8] & 0x3f) | 0x80, b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]);

    return NGX_OK;
}
