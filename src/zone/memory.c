
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The file is written by nginx's cache manager process, and by the last worker
 * of each configuration when it exits.  Several masters may share a folder, two
 * of them during an upgrade of the binary: whoever writes takes a lock, merges
 * what others have written, and puts a new file in the place of the old one.
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


/* how often to look whether there is something to write, in milliseconds */
#define NGX_UR_MEMORY_INTERVAL  1000


/* of a slot, for as long as it has this id */

typedef struct {
    ngx_ur_slot_t  *slot;
    uint64_t        id;
    ngx_uint_t      own;                /* of the configuration */
    uint64_t        version;
    state_range_t   range;
} ngx_ur_remembered_t;


static ngx_msec_t ngx_ur_memory_manager(void *data);
static ngx_uint_t ngx_ur_memory_same_file(ngx_ur_pool_t *pool);
static ngx_int_t ngx_ur_memory_inherit(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_int_t ngx_ur_memory_remember(ngx_ur_pool_t *pool,
    state_range_t *ranges, size_t n);
static ngx_uint_t ngx_ur_memory_own(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot);
static void ngx_ur_memory_conflict(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot,
    ngx_log_t *log);
static ngx_int_t ngx_ur_memory_collect(ngx_ur_shctx_t *sh, ngx_pool_t *temp,
    ngx_array_t *slots);
static ngx_int_t ngx_ur_memory_write(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log);
static ngx_int_t ngx_ur_memory_write_merged(ngx_ur_pool_t *pool,
    ngx_array_t *slots, ngx_log_t *log);
static ngx_uint_t ngx_ur_memory_add(ngx_ur_pool_t *pool, state_range_t *ranges,
    size_t *n, ngx_array_t *slots, ngx_log_t *log);


ngx_int_t
ngx_ur_memory_create(ngx_conf_t *cf, ngx_ur_pool_t *pool, ngx_array_t *pools)
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

    if (pool->state == NULL) {
        return NGX_OK;
    }

    pool->state->manager = ngx_ur_memory_manager;
    pool->state->data = pools;

    return ngx_ur_state_file_init(cf, &memory->file, &pool->state->name,
                                  &pool->name);
}


static ngx_msec_t
ngx_ur_memory_manager(void *data)
{
    ngx_array_t *list = data;

    ngx_uint_t       i;
    ngx_ur_pool_t  **pools;

    pools = list->elts;

    for (i = 0; i < list->nelts; i++) {
        ngx_ur_memory_save(pools[i], ngx_cycle->log);
    }

    return NGX_UR_MEMORY_INTERVAL;
}


ngx_int_t
ngx_ur_memory_load(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = ngx_ur_state_file_load(&pool->memory->file, 0, &pool->memory->known, &pool->memory->nknown, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%s\" is not there yet: nothing is remembered of "
                      "unique_random_pool \"%V\"",
                      pool->memory->file.path, &pool->name);
    }

    pool->memory->unsure = (rc == NGX_DECLINED || rc == NGX_AGAIN
                    || ngx_ur_state_file_damaged(&pool->memory->file));

    if (rc != NGX_OK || !ngx_ur_memory_same_file(pool)) {

        /* what another file has, or had, is not on disk */

        for (i = 0; i < pool->zone->sh->places; i++) {
            pool->zone->sh->slots[i].saved_id = 0;
        }
    }

    return NGX_OK;
}


/* whether the configuration that is running saves to the same file */

static ngx_uint_t
ngx_ur_memory_same_file(ngx_ur_pool_t *pool)
{
    ngx_ur_pool_t  *old;

    old = ngx_ur_zone_running(pool);

    return old
           && old->state
           && ngx_strcmp(old->memory->file.path, pool->memory->file.path) == 0;
}


/*
 * All slots of the zone are asked about: those of ranges that no configuration
 * has at the moment, too.
 */

ngx_int_t
ngx_ur_memory_recall(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t  rc;

    if (pool->memory->known) {
        rc = ngx_ur_memory_remember(pool, pool->memory->known, pool->memory->nknown);
        ngx_free(pool->memory->known);
        pool->memory->known = NULL;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_ur_memory_inherit(pool, log) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a new zone is not known to any worker that could hold its mutex */

    if (pool->zone->generation == 1) {
        ngx_ur_memory_merge(pool, log);
    }

    return NGX_OK;
}


/* from the zone that is running, if this is another one: another holder's */

static ngx_int_t
ngx_ur_memory_inherit(ngx_ur_pool_t *pool, ngx_log_t *log)
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

        rc = ngx_ur_memory_remember(pool, &r[i].range, 1);
    }

    ngx_destroy_pool(temp);

    return rc;
}


/* adds to pool->memory->recalled what is for a slot of the zone */

static ngx_int_t
ngx_ur_memory_remember(ngx_ur_pool_t *pool, state_range_t *ranges, size_t n)
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
            r->own = ngx_ur_memory_own(pool, slot);
            r->version = 0;
            r->range = ranges[i];
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_ur_memory_own(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot)
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
ngx_ur_memory_merge(ngx_ur_pool_t *pool, ngx_log_t *log)
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


/* once for each slot */

static void
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
                  slot->first, slot->last, &pool->name, pool->memory->file.path);
}


ngx_uint_t
ngx_ur_memory_saved(ngx_ur_slot_t *slot)
{
    return slot->memory.version == 0
           || (slot->saved_id == slot->id
               && slot->saved == slot->memory.version);
}


void
ngx_ur_memory_save(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_uint_t            i, saved;
    ngx_pool_t           *temp;
    ngx_array_t           slots;
    ngx_ur_remembered_t  *r;

    if (pool->state == NULL) {
        return;
    }

    saved = 1;

    for (i = 0; i < pool->zone->sh->places; i++) {
        saved &= ngx_ur_memory_saved(&pool->zone->sh->slots[i]);
    }

    if (saved) {
        return;
    }

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return;
    }

    if (ngx_ur_memory_collect(pool->zone->sh, temp, &slots) != NGX_OK
        || ngx_ur_memory_write(pool, &slots, log) != NGX_OK)
    {
        ngx_ur_state_file_saved(&pool->memory->file, 0, log);
        ngx_destroy_pool(temp);
        return;
    }

    ngx_ur_state_file_saved(&pool->memory->file, 1, log);

    r = slots.elts;

    for (i = 0; i < slots.nelts; i++) {
        /* whoever is killed in between leaves a slot that is not saved */

        r[i].slot->saved_id = 0;

        ngx_memory_barrier();

        r[i].slot->saved = r[i].version;

        ngx_memory_barrier();

        r[i].slot->saved_id = r[i].id;
    }

    ngx_destroy_pool(temp);
}


/* whatever happens to a slot meanwhile: with this id it had this memory */

static ngx_int_t
ngx_ur_memory_collect(ngx_ur_shctx_t *sh, ngx_pool_t *temp, ngx_array_t *slots)
{
    ngx_uint_t            i;
    ngx_ur_slot_t        *slot;
    ngx_ur_remembered_t  *r;

    if (ngx_array_init(slots, temp, 16,
                       sizeof(ngx_ur_remembered_t))
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


static ngx_int_t
ngx_ur_memory_write(ngx_ur_pool_t *pool, ngx_array_t *slots, ngx_log_t *log)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_ur_state_file_lock(&pool->memory->file, log);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = ngx_ur_memory_write_merged(pool, slots, log);

    /* unlocks it */

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_ur_memory_write_merged(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log)
{
    size_t          all, len;
    u_char         *text;
    ngx_int_t       rc;
    state_range_t  *ranges;

    rc = ngx_ur_state_file_load(&pool->memory->file, slots->nelts, &ranges, &all, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_AGAIN) {

        /* it may be as good as ever, and know more than the zone */

        ngx_free(ranges);
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_ur_state_file_put_aside(&pool->memory->file, log);
    }

    if (!ngx_ur_memory_add(pool, ranges, &all, slots, log)) {
        ngx_free(ranges);
        return NGX_OK;
    }

    rc = NGX_ERROR;

    text = ngx_alloc(state_len(pool->memory->file.name, all), log);

    if (text) {
        len = state_print((char *) text, pool->memory->file.name, ranges, all);

        if (len) {
            rc = ngx_ur_state_file_replace(&pool->memory->file, text, len, log);
        }

        ngx_free(text);
    }

    ngx_free(ranges);

    return rc;
}


/* whether there was anything to add to what the file remembers */

static ngx_uint_t
ngx_ur_memory_add(ngx_ur_pool_t *pool, state_range_t *ranges, size_t *n,
    ngx_array_t *slots, ngx_log_t *log)
{
    ngx_uint_t            i, changed;
    ngx_ur_remembered_t  *r;

    changed = 0;
    r = slots->elts;

    for (i = 0; i < slots->nelts; i++) {

        switch (state_merge(ranges, n, &r[i].range)) {

        case MEMORY_CHANGED:
            changed = 1;
            break;

        case MEMORY_CONFLICT:
            ngx_ur_memory_conflict(pool, r[i].slot, log);
            break;

        default: /* MEMORY_SAME */
            break;
        }
    }

    return changed;
}
