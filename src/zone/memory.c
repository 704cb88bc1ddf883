
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The file is written by nginx's cache manager process, and by the last worker
 * of each configuration when it exits.  Several masters may share a folder, two
 * of them during an upgrade of the binary: whoever writes takes a lock, merges
 * what others have written, and puts a new file in the place of the old one.
 */


#include "core/state.h"
#include "zone/memory.h"
#include "zone/slot.h"
#include "zone/state_file.h"


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
ngx_ur_memory_init(ngx_conf_t *cf, ngx_ur_pool_t *pool,
    ngx_path_manager_pt manager, void *data)
{
    size_t   len;
    u_char  *p;

    pool->state->manager = manager;
    pool->state->data = data;

    len = 3 * pool->name.len + 1;

    p = ngx_pnalloc(cf->pool, len + 4 * (pool->state->name.len + len
                                         + sizeof("/.state.damaged")));
    if (p == NULL) {
        return NGX_ERROR;
    }

    pool->state_name = (char *) p;
    state_name(pool->state_name, pool->name.data, pool->name.len);

    pool->state_file = p + ngx_strlen(p) + 1;
    pool->state_temp = ngx_sprintf(pool->state_file, "%V/%s.state%Z",
                                   &pool->state->name, pool->state_name);
    pool->state_lock = ngx_sprintf(pool->state_temp, "%V/%s.state.new%Z",
                                   &pool->state->name, pool->state_name);
    pool->state_damaged = ngx_sprintf(pool->state_lock, "%V/%s.state.lock%Z",
                                      &pool->state->name, pool->state_name);
    ngx_sprintf(pool->state_damaged, "%V/%s.state.damaged%Z",
                &pool->state->name, pool->state_name);

    return NGX_OK;
}


ngx_int_t
ngx_ur_memory_load(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = ngx_ur_state_file_load(pool, 0, &pool->known, &pool->nknown, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%s\" is not there yet: nothing is remembered of "
                      "unique_random_pool \"%V\"",
                      pool->state_file, &pool->name);
    }

    pool->unsure = (rc == NGX_DECLINED || rc == NGX_AGAIN
                    || ngx_ur_state_file_damaged(pool));

    if (rc != NGX_OK || !ngx_ur_memory_same_file(pool)) {

        /* what another file has, or had, is not on disk */

        for (i = 0; i < pool->sh->places; i++) {
            pool->sh->slots[i].saved_id = 0;
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
           && ngx_strcmp(old->state_file, pool->state_file) == 0;
}


/*
 * All slots of the zone are asked about: those of ranges that no configuration
 * has at the moment, too.
 */

ngx_int_t
ngx_ur_memory_recall(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t  rc;

    if (pool->known) {
        rc = ngx_ur_memory_remember(pool, pool->known, pool->nknown);
        ngx_free(pool->known);
        pool->known = NULL;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_ur_memory_inherit(pool, log) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a new zone is not known to any worker that could hold its mutex */

    if (pool->generation == 1) {
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

    if (old == NULL || old->sh == pool->sh) {
        return NGX_OK;
    }

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_ur_memory_collect(old->sh, temp, &slots);

    r = slots.elts;

    for (i = 0; rc == NGX_OK && i < slots.nelts; i++) {
        r[i].range.memory.holder_serial = 0;

        rc = ngx_ur_memory_remember(pool, &r[i].range, 1);
    }

    ngx_destroy_pool(temp);

    return rc;
}


/* adds to pool->recalled what is for a slot of the zone */

static ngx_int_t
ngx_ur_memory_remember(ngx_ur_pool_t *pool, state_range_t *ranges, size_t n)
{
    size_t                i;
    ngx_uint_t            j;
    ngx_ur_slot_t        *slot;
    ngx_ur_remembered_t  *r;

    for (i = 0; i < n; i++) {

        for (j = 0; j < pool->sh->places; j++) {
            slot = &pool->sh->slots[j];

            if (slot->id == 0
                || slot->first != ranges[i].first
                || slot->last != ranges[i].last)
            {
                continue;
            }

            r = ngx_array_push(&pool->recalled);
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

    r = pool->recalled.elts;

    for (i = 0; i < pool->recalled.nelts; i++) {

        /* a place that this configuration does not have may be given away */

        if (pool->worker && !r[i].own) {
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
                  slot->first, slot->last, &pool->name, pool->state_file);
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

    saved = 1;

    for (i = 0; i < pool->sh->places; i++) {
        saved &= ngx_ur_memory_saved(&pool->sh->slots[i]);
    }

    if (saved) {
        return;
    }

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return;
    }

    if (ngx_ur_memory_collect(pool->sh, temp, &slots) != NGX_OK
        || ngx_ur_memory_write(pool, &slots, log) != NGX_OK)
    {
        pool->unsaved = 1;
        ngx_destroy_pool(temp);
        return;
    }

    if (pool->unsaved) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%s\" is written again",
                      pool->state_file);
        pool->unsaved = 0;
    }

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

    fd = ngx_ur_state_file_lock(pool, log);

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

    rc = ngx_ur_state_file_load(pool, slots->nelts, &ranges, &all, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_AGAIN) {

        /* it may be as good as ever, and know more than the zone */

        ngx_free(ranges);
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_ur_state_file_put_aside(pool, log);
    }

    if (!ngx_ur_memory_add(pool, ranges, &all, slots, log)) {
        ngx_free(ranges);
        return NGX_OK;
    }

    rc = NGX_ERROR;

    text = ngx_alloc(state_len(pool->state_name, all), log);

    if (text) {
        len = state_print((char *) text, pool->state_name, ranges, all);

        if (len) {
            rc = ngx_ur_state_file_replace(pool, text, len, log);
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
