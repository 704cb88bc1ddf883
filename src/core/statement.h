
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The statements that a shard is sent, and their parameters: what asks for
 * some ranges at once, and what gives leases of one range back.  Plain C, no
 * input or output.
 */


#ifndef _STATEMENT_H_INCLUDED_
#define _STATEMENT_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define STATEMENT_RESERVE_NPARAMS    15
#define STATEMENT_GIVE_BACK_NPARAMS  14


/* answers with a row for each ask, which reservation_parse() reads */
extern const char  *statement_reserve;

/*
 * $1 to $4: pool, first, last, chunk; one row: size, SHA-256 and bits of its
 * domain, or NULL, whether the range is there, and whether this is a standby.
 */
extern const char  *statement_domain;

/* answers with NULL, or with the reason why nothing is taken back */
extern const char  *statement_give_back;


#define STATEMENT_SHA256_LEN         32


/* what a range is asked for */

typedef struct {
    uint64_t               first;
    uint64_t               last;
    uint64_t               size;            /* positions that it has */
    unsigned char          domain[STATEMENT_SHA256_LEN]; /* its SHA-256, if it
                                                            was adopted */
    uint64_t               want;            /* 0: look, reserve nothing */
    uint64_t               places;          /* for intervals of a grant */
    memory_t               memory;          /* as it was when asking */
    unsigned               with_key:1;
    unsigned               adopted:1;
} statement_ask_t;


/* who asks; strings are the caller's */

typedef struct {
    const char            *pool;
    const char            *holder;
    uint64_t               lock_wait;       /* milliseconds */
    uint64_t               places;          /* the fewest that an ask has */
} statement_caller_t;


/* bytes that the parameters of so many asks may need */
#define statement_params_size(n)  (STATEMENT_RESERVE_NPARAMS * 6 + (n) * 320)

/*
 * Writes the parameters into "buf", which has place for
 * statement_params_size(n), and lets "values" point there and to the caller's
 * strings.
 */
void statement_reserve_params(const char *values[STATEMENT_RESERVE_NPARAMS],
    char *buf, const statement_caller_t *caller,
    const statement_ask_t *const *asks, size_t n);

/*
 * Likewise, with "buf" as for one ask: the last two, "starts" and "ends", are
 * arrays and the caller's.
 */
void statement_give_back_params(
    const char *values[STATEMENT_GIVE_BACK_NPARAMS], char *buf,
    const statement_caller_t *caller, const statement_ask_t *ask,
    const char *starts, const char *ends);


#pragma GCC visibility pop


#endif /* _STATEMENT_H_INCLUDED_ */
