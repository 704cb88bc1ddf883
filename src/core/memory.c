
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The cell is a sequence lock with two copies, so that neither a reader nor
 * the death of a writer makes anybody wait.
 */


#include <string.h>

#include "core/memory.h"


static memory_merge_e memory_max(uint64_t *to, uint64_t from);


memory_merge_e
memory_merge(memory_t *to, const memory_t *from)
{
    memory_merge_e  rc;

    if (from->epoch == 0) {
        return MEMORY_SAME;
    }

    if (to->epoch
        && (strcmp(from->digest, to->digest) != 0
            || (from->epoch == to->epoch
                && strcmp(from->incarnation, to->incarnation) != 0)))
    {
        return MEMORY_CONFLICT;
    }

    if (from->epoch < to->epoch) {
        return MEMORY_SAME;
    }

    if (from->epoch > to->epoch) {
        *to = *from;
        return MEMORY_CHANGED;
    }

    rc = memory_max(&to->serial, from->serial);
    rc |= memory_max(&to->reserved, from->reserved);
    rc |= memory_max(&to->timeline, from->timeline);
    rc |= memory_max(&to->holder_serial, from->holder_serial);

    return rc;
}


static memory_merge_e
memory_max(uint64_t *to, uint64_t from)
{
    if (from <= *to) {
        return MEMORY_SAME;
    }

    *to = from;

    return MEMORY_CHANGED;
}


void
memory_publish(memory_cell_t *cell, const memory_t *memory)
{
    uint64_t  version;

    version = cell->version + 1;

    /* a reader that sees part of this copy sees the version before it, too */

    __atomic_thread_fence(__ATOMIC_RELEASE);

    cell->copy[version % 2] = *memory;

    __atomic_store_n(&cell->version, version, __ATOMIC_RELEASE);
}


uint64_t
memory_read(const memory_cell_t *cell, memory_t *memory)
{
    uint64_t  version;

    do {
        version = __atomic_load_n(&cell->version, __ATOMIC_ACQUIRE);

        *memory = cell->copy[version % 2];

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (version != __atomic_load_n(&cell->version, __ATOMIC_RELAXED));

    return version;
}
