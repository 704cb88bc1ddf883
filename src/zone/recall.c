
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What the file and a zone of another size remember comes into the zone of a
 * configuration: the master finds it, without a lock, and the workers merge it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "core/state.h"
#include "pool.h"
#include "zone/memory.h"
#include "zone/recall.h"
#include "zone/slot.h"
#include "zone/state_file.h"
#include "zone/zone.h"


static ngx_uint_t ngx_ur_recall_same_file(ngx_ur_pool_t *pool);
static ngx_int_t ngx_ur_recall_inherit(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_ur_recall_add(ngx_ur_pool_t *pool, state_range_t *ranges,
    size_t n);
static ngx_uint_t ngx_ur_recall_own(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot);


ngx_int_t
ngx_ur_recall_load(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t         rc;
    ngx_ur_memory_t  *memory;

    memory = pool->memory;

    rc = ngx_ur_state_file_load(&memory->file, 0, &memory->known,
                                &memory->nknown, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%s\" is not there yet: nothing is remembered of "
                      "unique_random_pool \"%V\"",
                      memory->file.path, &pool->name);
    }

    memory->unsure = (rc == NGX_DECLINED || rc == NGX_AGAIN
                      || ngx_ur_state_file_damaged(&memory->file));

    memory->elsewhere = (rc != NGX_OK || !ngx_ur_recall_same_file(pool));

    return NGX_OK;
}


void
ngx_ur_recall_accept(ngx_ur_pool_t *pool)
{
    ngx_uint_t       i;
    ngx_ur_shctx_t  *sh;

    sh = pool->zone->sh;

    if (pool->memory->elsewhere) {
        sh->files++;

        /*
         * From here on nobody marks what he has saved to the file before, and
         * what that has, or had, is not on disk.
         */

        ngx_memory_barrier();

        for (i = 0; i < sh->places; i++) {
            sh->slots[i].saved_id = 0;
        }
    }

    pool->zone->files = sh->files;
}


/* whether the configuration that is running saves to the same file */

static ngx_uint_t
ngx_ur_recall_same_file(ngx_ur_pool_t *pool)
{
    ngx_ur_pool_t  *old;

    old = ngx_ur_zone_running(pool);

    return old
           && old->state.len
           && ngx_strcmp(old->memory->file.path, pool->memory->file.path) == 0;
}


/*
 * All slots of the zone are asked about: those of ranges that no configuration
 * has at the moment, too.
 */

ngx_int_t
ngx_ur_recall(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t  rc;

    if (pool->memory->known) {
        rc = ngx_ur_recall_add(pool, pool->memory->known, pool->memory->nknown);
        ngx_free(pool->memory->known);
        pool->memory->known = NULL;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_ur_recall_inherit(pool, log) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a new zone is not known to any worker that could hold its mutex */

    if (pool->zone->generation == 1) {
        ngx_ur_recall_merge(pool, log);
    }

    return NGX_OK;
}


/* from the zone that is running, if this is another one: another holder's */

static ngx_int_t
ngx_ur_recall_inherit(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_pool_t           *temp;
    ngx_array_t           slots;
    ngx_ur_pool_t        *old;
    ngx_ur_remembered_t  *r;

    old = ngx_ur_zone_running(pool);

    if (old == NULL || old->zone->sh == pool->zone->sh) {
        return NGX_OK;
    }

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_ur_memory_collect(old->zone->sh, temp, &slots);

    r = slots.elts;

    for (i = 0; rc == NGX_OK && i < slots.nelts; i++) {
        r[i].range.memory.holder_serial = 0;

        rc = ngx_ur_recall_add(pool, &r[i].range, 1);
    }

    ngx_destroy_pool(temp);

    return rc;
}


/* adds to pool->memory->recalled what is for a slot of the zone */

static ngx_int_t
ngx_ur_recall_add(ngx_ur_pool_t *pool, state_range_t *ranges, size_t n)
{
    size_t                i;
    ngx_uint_t            j;
    ngx_ur_slot_t        *slot;
    ngx_ur_remembered_t  *r;

    for (i = 0; i < n; i++) {

        for (j = 0; j < pool->zone->sh->places; j++) {
            slot = &pool->zone->sh->slots[j];

            if (slot->id == 0
                || slot->first != ranges[i].first
                || slot->last != ranges[i].last)
            {
                continue;
            }

            r = ngx_array_push(&pool->memory->recalled);
            if (r == NULL) {
                return NGX_ERROR;
            }

            r->slot = slot;
            r->id = slot->id;
            r->own = ngx_ur_recall_own(pool, slot);
            r->version = 0;
            r->range = ranges[i];
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_ur_recall_own(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (ranges[i]->slot == slot) {
            return 1;
        }
    }

    return 0;
}


void
ngx_ur_recall_merge(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_uint_t            i;
    ngx_ur_slot_t        *slot;
    memory_merge_e        rc;
    ngx_ur_remembered_t  *r;

    r = pool->memory->recalled.elts;

    for (i = 0; i < pool->memory->recalled.nelts; i++) {

        /* a place that this configuration does not have may be given away */

        if (pool->zone->worker && !r[i].own) {
            continue;
        }

        slot = r[i].slot;
        rc = MEMORY_SAME;

        ngx_ur_zone_lock(pool);

        if (slot->id == r[i].id) {
            rc = ngx_ur_slot_learn(slot, &r[i].range.memory);
        }

        ngx_ur_zone_unlock(pool);

        if (rc == MEMORY_CONFLICT) {
            ngx_ur_memory_conflict(pool, slot, log);
        }
    }
}
