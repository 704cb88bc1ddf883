
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Stands between the code under test and libcrypto.  Counts its calls and its
 * allocations, makes a chosen one fail, keeps what went through AES, and looks
 * for secrets in the memory that was allocated through OPENSSL_malloc().
 */


#ifndef _PROBE_H_INCLUDED_
#define _PROBE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define PROBE_TRACE   16
#define PROBE_SECRET  32


typedef struct {
    /* calls since probe_reset() */
    unsigned   inits;
    unsigned   updates;
    unsigned   allocations;

    /* which of them fail, the first being 1; 0 is none */
    unsigned   failing_update;
    unsigned   failing_allocation;

    /* the first block of each of the first EVP_EncryptUpdate() calls */
    uint8_t    in[PROBE_TRACE][16];
    uint8_t    out[PROBE_TRACE][16];

    /* a byte string, and how many blocks were freed that still held it */
    uint8_t    secret[PROBE_SECRET];
    size_t     secret_len;
    unsigned   exposed;
} probe_t;


extern probe_t  probe;


/* once, before anything else of libcrypto; returns 0 or -1 */
int probe_install(void);

void probe_reset(void);
void probe_watch(const void *secret, size_t len);

/* how many blocks in use hold the secret */
unsigned probe_holders(void);

/* how many blocks are in use */
size_t probe_in_use(void);


#endif /* _PROBE_H_INCLUDED_ */
