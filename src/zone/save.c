
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
#include "zone/save.h"
#include "zone/slot.h"
#include "zone/state_file.h"
#include "zone/zone.h"


/* how often to look whether there is something to write, in milliseconds */
#define NGX_UR_SAVE_INTERVAL  1000


static ngx_msec_t ngx_ur_save_manager(void *data);
static ngx_int_t ngx_ur_save_write(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log);
static ngx_int_t ngx_ur_save_merged(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log);
static ngx_uint_t ngx_ur_save_add(ngx_ur_pool_t *pool, state_range_t *ranges,
    size_t *n, ngx_array_t *slots, ngx_log_t *log);


void
ngx_ur_save_create(ngx_ur_pool_t *pool, ngx_array_t *pools)
{
    if (pool->state) {
        pool->state->manager = ngx_ur_save_manager;
        pool->state->data = pools;
    }
}


static ngx_msec_t
ngx_ur_save_manager(void *data)
{
    ngx_array_t *list = data;

    ngx_uint_t       i;
    ngx_ur_pool_t  **pools;

    pools = list->elts;

    for (i = 0; i < list->nelts; i++) {
        ngx_ur_save(pools[i], ngx_cycle->log);
    }

    return NGX_UR_SAVE_INTERVAL;
}


void
ngx_ur_save(ngx_ur_pool_t *pool, ngx_log_t *log)
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
        || ngx_ur_save_write(pool, &slots, log) != NGX_OK)
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


static ngx_int_t
ngx_ur_save_write(ngx_ur_pool_t *pool, ngx_array_t *slots, ngx_log_t *log)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_ur_state_file_lock(&pool->memory->file, log);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = ngx_ur_save_merged(pool, slots, log);

    /* unlocks it */

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_ur_save_merged(ngx_ur_pool_t *pool, ngx_array_t *slots, ngx_log_t *log)
{
    size_t                all, len;
    u_char               *text;
    ngx_int_t             rc;
    state_range_t        *ranges;
    ngx_ur_state_file_t  *file;

    file = &pool->memory->file;

    rc = ngx_ur_state_file_load(file, slots->nelts, &ranges, &all, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_AGAIN) {

        /* it may be as good as ever, and know more than the zone */

        ngx_free(ranges);
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_ur_state_file_put_aside(file, log);
    }

    if (!ngx_ur_save_add(pool, ranges, &all, slots, log)) {
        ngx_free(ranges);
        return NGX_OK;
    }

    rc = NGX_ERROR;

    text = ngx_alloc(state_len(file->name, all), log);

    if (text) {
        len = state_print((char *) text, file->name, ranges, all);

        if (len) {
            rc = ngx_ur_state_file_replace(file, text, len, log);
        }

        ngx_free(text);
    }

    ngx_free(ranges);

    return rc;
}


/* whether there was anything to add to what the file remembers */

static ngx_uint_t
ngx_ur_save_add(ngx_ur_pool_t *pool, state_range_t *ranges, size_t *n,
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
