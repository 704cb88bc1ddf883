
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The functions of libcrypto that the tests watch, replaced with the linker's
 * --wrap, and its allocator, replaced with CRYPTO_set_mem_functions().  One
 * thread only.
 */


#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "probe.h"


typedef struct probe_block_s  probe_block_t;

struct probe_block_s {
    probe_block_t  *prev;
    probe_block_t  *next;
    size_t          size;
    size_t          padding;
};


int __real_EVP_EncryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type,
    ENGINE *impl, const unsigned char *key, const unsigned char *iv);
int __wrap_EVP_EncryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type,
    ENGINE *impl, const unsigned char *key, const unsigned char *iv);
int __real_EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out,
    int *out_len, const unsigned char *in, int in_len);
int __wrap_EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out,
    int *out_len, const unsigned char *in, int in_len);

static void *probe_malloc(size_t size, const char *file, int line);
static void *probe_realloc(void *p, size_t size, const char *file, int line);
static void probe_free(void *p, const char *file, int line);
static int probe_holds(const probe_block_t *block);


probe_t  probe;

static probe_block_t  probe_blocks = { &probe_blocks, &probe_blocks, 0, 0 };


int
probe_install(void)
{
    if (CRYPTO_set_mem_functions(probe_malloc, probe_realloc, probe_free)
        != 1)
    {
        return -1;
    }

    return 0;
}


void
probe_reset(void)
{
    memset(&probe, 0, sizeof(probe_t));
}


void
probe_watch(const void *secret, size_t len)
{
    memcpy(probe.secret, secret, len);

    probe.secret_len = len;
    probe.exposed = 0;
}


unsigned
probe_holders(void)
{
    unsigned        n;
    probe_block_t  *block;

    n = 0;

    for (block = probe_blocks.next;
         block != &probe_blocks;
         block = block->next)
    {
        n += probe_holds(block);
    }

    return n;
}


size_t
probe_in_use(void)
{
    size_t          n;
    probe_block_t  *block;

    n = 0;

    for (block = probe_blocks.next;
         block != &probe_blocks;
         block = block->next)
    {
        n++;
    }

    return n;
}


int
__wrap_EVP_EncryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type,
    ENGINE *impl, const unsigned char *key, const unsigned char *iv)
{
    probe.inits++;

    return __real_EVP_EncryptInit_ex(ctx, type, impl, key, iv);
}


int
__wrap_EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_len,
    const unsigned char *in, int in_len)
{
    int       rc;
    unsigned  i;

    i = probe.updates++;

    if (probe.updates == probe.failing_update) {
        return 0;
    }

    if (i < PROBE_TRACE && in_len >= 16) {
        memcpy(probe.in[i], in, 16);
    }

    rc = __real_EVP_EncryptUpdate(ctx, out, out_len, in, in_len);

    if (i < PROBE_TRACE && in_len >= 16) {
        memcpy(probe.out[i], out, 16);
    }

    return rc;
}


static void *
probe_malloc(size_t size, const char *file, int line)
{
    probe_block_t  *block;

    (void) file;
    (void) line;

    if (++probe.allocations == probe.failing_allocation) {
        return NULL;
    }

    /* cleared, so that no old secret shines through and no byte is undefined */

    block = calloc(1, sizeof(probe_block_t) + size);
    if (block == NULL) {
        return NULL;
    }

    block->size = size;
    block->prev = &probe_blocks;
    block->next = probe_blocks.next;
    block->next->prev = block;
    probe_blocks.next = block;

    return block + 1;
}


static void *
probe_realloc(void *p, size_t size, const char *file, int line)
{
    void           *new;
    probe_block_t  *block;

    new = probe_malloc(size, file, line);
    if (new == NULL || p == NULL) {
        return new;
    }

    block = (probe_block_t *) p - 1;
    memcpy(new, p, block->size < size ? block->size : size);

    probe_free(p, file, line);

    return new;
}


static void
probe_free(void *p, const char *file, int line)
{
    probe_block_t  *block;

    (void) file;
    (void) line;

    if (p == NULL) {
        return;
    }

    block = (probe_block_t *) p - 1;

    probe.exposed += probe_holds(block);

    block->prev->next = block->next;
    block->next->prev = block->prev;

    free(block);
}


static int
probe_holds(const probe_block_t *block)
{
    size_t          i;
    const uint8_t  *p;

    if (probe.secret_len == 0) {
        return 0;
    }

    p = (const uint8_t *) (block + 1);

    for (i = 0; i + probe.secret_len <= block->size; i++) {
        if (memcmp(p + i, probe.secret, probe.secret_len) == 0) {
            return 1;
        }
    }

    return 0;
}
