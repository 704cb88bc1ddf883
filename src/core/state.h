
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an nginx remembers of its ranges (I8), as a text that a person can read:
 *
 *     unique_random state 1
 *     pool numbers
 *     range 1-500000 epoch 1 incarnation UUID serial 12 reserved 192 timeline
 *         1 key SHA-256                               (each range on one line)
 *     sha256 SHA-256 of all that is above
 *
 * Plain C, no input or output.
 */


#ifndef _STATE_H_INCLUDED_
#define _STATE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* the holder's serial is not kept: a new zone is another holder */

typedef struct {
    uint64_t   first;
    uint64_t   last;
    memory_t   memory;
} state_range_t;


typedef enum {
    STATE_OK = 0,
    STATE_DAMAGED,          /* cut short, or changed */
    STATE_LATER,            /* a version that is not known here */
    STATE_FOREIGN           /* of another pool */
} state_result_e;


/* most ranges that a text of so many bytes may have */
#define state_ranges(len)       ((len) / 64 + 1)

/* bytes that a text of so many ranges may need */
#define state_len(pool, n)      (strlen(pool) + ((n) + 2) * 384)


/*
 * The name of a pool with nothing in it but letters, digits, '.', '_' and '-',
 * the rest as %XX: good for a line and for the name of a file.  Takes
 * 3 * len + 1 bytes.
 */
void state_name(char *name, const unsigned char *pool, size_t len);

/* "pool" is a name as above; "ranges" has place for state_ranges(len) */
state_result_e state_parse(const char *text, size_t len, const char *pool,
    state_range_t *ranges, size_t *n);

/*
 * Returns the length, or 0 if libcrypto fails; "text" has place for
 * state_len(pool, n).
 */
size_t state_print(char *text, const char *pool, const state_range_t *ranges,
    size_t n);

/*
 * Merges what is known of a range into "ranges", which has place for one more;
 * *n is how many it has.
 */
memory_merge_e state_merge(state_range_t *ranges, size_t *n,
    const state_range_t *range);


#pragma GCC visibility pop


#endif /* _STATE_H_INCLUDED_ */
