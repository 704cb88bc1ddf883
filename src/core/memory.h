
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an nginx remembers of a range (I8): the farthest that its row was seen
 * to be, in the latest of its lives.  One struct, one merge, and a cell in
 * shared memory that holds the old memory or the new one at any instant.
 *
 * Plain C, no input or output.
 */


#ifndef _MEMORY_H_INCLUDED_
#define _MEMORY_H_INCLUDED_


#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define MEMORY_UUID_LEN    36
#define MEMORY_DIGEST_LEN  64


/* strings as PostgreSQL prints them, with their final zero */

typedef struct {
    uint64_t             epoch;           /* 0: nothing is remembered */
    uint64_t             serial;
    uint64_t             reserved;        /* positions */
    uint64_t             timeline;
    uint64_t             holder_serial;   /* last one granted to this zone */
    char                 incarnation[MEMORY_UUID_LEN + 1];
    char                 digest[MEMORY_DIGEST_LEN + 1];   /* of the key */
} memory_t;


/*
 * copy[version % 2] counts, the other one is where the next is written.  All
 * zero to begin with; a version is never used twice.
 */

typedef struct {
    volatile uint64_t    version;         /* 0: nothing is remembered */
    memory_t             copy[2];
} memory_cell_t;


typedef enum {
    MEMORY_SAME = 0,
    MEMORY_CHANGED,
    MEMORY_CONFLICT                       /* the two cannot both be true */
} memory_merge_e;


/*
 * Takes into "to" what "from" knows more.  The later life counts, and within
 * one life the higher of each number.  Another key, or the same epoch with
 * another incarnation, is a conflict: then "to" stays as it is.
 */
memory_merge_e memory_merge(memory_t *to, const memory_t *from);

/*
 * Becomes visible by the store of one word: whoever is killed before it leaves
 * the old memory.  The caller holds the lock of those who publish.
 */
void memory_publish(memory_cell_t *cell, const memory_t *memory);

/*
 * Needs no lock.  Returns the version that was read; with 0, nothing is
 * remembered and "memory" is all zero.
 */
uint64_t memory_read(const memory_cell_t *cell, memory_t *memory);

/* the memory itself, for who holds the lock of those who publish */
#define memory_now(cell)    (&(cell)->copy[(cell)->version % 2])

/*
 * The epoch of now; needs no lock.  That of a memory which is about to be
 * published may be seen before it, but none from before the version that is
 * read.
 */
#define memory_epoch(cell)                                                    \
    __atomic_load_n(&(cell)->copy[__atomic_load_n(&(cell)->version,           \
                                                  __ATOMIC_ACQUIRE) % 2]      \
                    .epoch, __ATOMIC_RELAXED)


#pragma GCC visibility pop


#endif /* _MEMORY_H_INCLUDED_ */
