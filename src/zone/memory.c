
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a zone remembers, as whoever takes no lock sees it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "core/state.h"
#include "pool.h"
#include "zone/memory.h"
#include "zone/slot.h"
#include "zone/state_file.h"
#include "zone/zone.h"


ngx_int_t
ngx_ur_memory_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_ur_memory_t  *memory;

    memory = ngx_pcalloc(cf->pool, sizeof(ngx_ur_memory_t));

    if (memory == NULL
        || ngx_array_init(&memory->recalled, cf->pool, 4,
                          sizeof(ngx_ur_remembered_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool->memory = memory;

    if (pool->state.len == 0) {
        return NGX_OK;
    }

    return ngx_ur_state_file_init(cf, &memory->file, &pool->state, &pool->name);
}


ngx_int_t
ngx_ur_memory_collect(ngx_ur_shctx_t *sh, ngx_pool_t *temp, ngx_array_t *slots)
{
    ngx_uint_t            i;
    ngx_ur_slot_t        *slot;
    ngx_ur_remembered_t  *r;

    if (ngx_array_init(slots, temp, 16, sizeof(ngx_ur_remembered_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < sh->places; i++) {
        slot = &sh->slots[i];

        r = ngx_array_push(slots);
        if (r == NULL) {
            return NGX_ERROR;
        }

        r->slot = slot;
        r->id = slot->id;

        ngx_memory_barrier();

        r->range.first = slot->first;
        r->range.last = slot->last;
        r->version = memory_read(&slot->memory, &r->range.memory);

        ngx_memory_barrier();

        if (r->id == 0 || r->id != slot->id || r->version == 0) {
            slots->nelts--;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_ur_memory_saved(ngx_ur_slot_t *slot)
{
    return slot->memory.version == 0
           || (slot->saved_id == slot->id
               && slot->saved == slot->memory.version);
}


void
ngx_ur_memory_conflict(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot,
    ngx_log_t *log)
{
    if (slot->conflict) {
        return;
    }

    slot->conflict = 1;

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "range %uL-%uL of unique_random_pool \"%V\" is not the one "
                  "that was remembered before: it has another key, or has "
                  "begun another life at the same time, and its numbers may "
                  "repeat; what was remembered is kept in \"%s\"",
                  slot->first, slot->last, &pool->name,
                  pool->memory->file.path);
}
