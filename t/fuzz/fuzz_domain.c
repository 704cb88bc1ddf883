
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A domain against a count of one bit after another.  The first two bytes say
 * how many times the rest comes, and how many bits of its last byte count.
 */


#include "fuzz.h"
#include "core/domain.h"


#define FUZZ_MAX_BYTES  (1 << 18)


static uint8_t *fuzz_domain_bits(const uint8_t *data, size_t size,
    uint64_t *n);
static void fuzz_domain_check(const uint8_t *bits, uint64_t n);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t   *bits;
    uint64_t   n;

    if (size < 3) {
        return 0;
    }

    bits = fuzz_domain_bits(data, size, &n);

    fuzz_domain_check(bits, n);

    free(bits);

    return 0;
}


static uint8_t *
fuzz_domain_bits(const uint8_t *data, size_t size, uint64_t *n)
{
    size_t    i, times, len;
    uint8_t  *bits;

    len = size - 2;
    times = 1 + data[0];
    times = times * len > FUZZ_MAX_BYTES ? 1 : times;

    bits = malloc(times * len);
    fuzz_check(bits != NULL);

    for (i = 0; i < times; i++) {
        memcpy(&bits[i * len], &data[2], len);
    }

    *n = times * len * 8 - data[1] % 8;

    return bits;
}


static void
fuzz_domain_check(const uint8_t *bits, uint64_t n)
{
    int        rc;
    void      *memory;
    uint64_t   i, member, members;
    domain_t   domain;

    memory = malloc(domain_memory(n));
    fuzz_check(memory != NULL);

    domain_init(&domain, memory, n);

    for (i = 0, rc = 0; rc == 0 && domain_chunk_len(&domain, i); i++) {
        rc = domain_put(&domain, i, &bits[i * (DOMAIN_CHUNK / 8)]);
    }

    /* it is refused for bits beyond the last number, and for nothing else */

    fuzz_check((rc != 0) == (n % 8 && bits[n / 8] >> n % 8));

    members = 0;

    for (i = 0; rc == 0 && i < n; i++) {
        fuzz_check(domain_rank(&domain, i) == members);
        fuzz_check(domain_has(&domain, i) == (bits[i / 8] >> i % 8 & 1));

        if (domain_has(&domain, i)) {
            member = members++;
            domain_select(&domain, &member, 1);
            fuzz_check(member == i);
        }
    }

    fuzz_check(rc != 0 || *domain.size == members);

    free(memory);
}
