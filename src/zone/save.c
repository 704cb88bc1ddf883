
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
#include "zone/account.h"
#include "zone/memory.h"
#include "zone/save.h"
#include "zone/slot.h"
#include "zone/state_file.h"
#include "zone/zone.h"


/* how often to look whether there is something to write, in milliseconds */
#define NGX_UR_SAVE_INTERVAL  1000


static ngx_int_t ngx_ur_save_check(ngx_ur_pool_t *pool, ngx_log_t *log);
static ngx_msec_t ngx_ur_save_manager(void *data);
static void ngx_ur_save_mark(ngx_ur_pool_t *pool, ngx_array_t *slots);
static ngx_uint_t ngx_ur_save_is_done(ngx_ur_pool_t *pool);
static ngx_int_t ngx_ur_save_write(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log);
static ngx_int_t ngx_ur_save_merged(ngx_ur_pool_t *pool, ngx_array_t *slots,
    ngx_log_t *log);
static ngx_uint_t ngx_ur_save_add(ngx_ur_pool_t *pool, state_range_t *ranges,
    size_t *n, ngx_array_t *slots, ngx_log_t *log);


/*
 * nginx asks the managers of paths.  It makes the folders of those that it has
 * before zones are, and does not start if it cannot give one to the user of the
 * workers: hence not before.
 */

ngx_int_t
ngx_ur_save_init(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_path_t           *path, **slot;
    ngx_array_t          *paths;
    ngx_ur_state_file_t  *file;

    if (pool->state.len == 0) {
        return NGX_OK;
    }

    if (ngx_ur_save_check(pool, log) != NGX_OK) {
        return NGX_ERROR;
    }

    file = &pool->memory->file;
    paths = &file->cycle->paths;

    if (ngx_ur_state_file_folder(file, log) != NGX_OK) {
        return NGX_ERROR;
    }

    path = ngx_pcalloc(file->cycle->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_ERROR;
    }

    path->name = pool->state;
    path->manager = ngx_ur_save_manager;
    path->data = pool;

    slot = ngx_array_push(paths);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = path;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_save_check(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_uint_t            i;
    ngx_path_t          **slot;
    ngx_array_t          *paths;
    ngx_ur_state_file_t  *file;

    file = &pool->memory->file;

    if (ngx_strlen(file->name) > NGX_UR_STATE_NAME) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the name of unique_random_pool \"%V\" is too long for a "
                      "file of \"state\" in %s:%ui",
                      &pool->name, pool->file, pool->line);
        return NGX_ERROR;
    }

    paths = &file->cycle->paths;
    slot = paths->elts;

    for (i = 0; i < paths->nelts; i++) {

        /* a cache would remove the file, which is none of its own */

        if (slot[i]->manager != ngx_ur_save_manager
            && slot[i]->name.len == pool->state.len
            && ngx_memcmp(slot[i]->name.data, pool->state.data,
                          pool->state.len) == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "the same path name \"%V\" is used elsewhere and for "
                          "\"state\" of unique_random_pool \"%V\" in %s:%ui",
                          &pool->state, &pool->name, pool->file, pool->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_msec_t
ngx_ur_save_manager(void *data)
{
    ngx_ur_pool_t *pool = data;

    ngx_ur_state_file_check(&pool->memory->file, ngx_cycle->log);
    ngx_ur_save(pool, ngx_cycle->log);

    return NGX_UR_SAVE_INTERVAL;
}


void
ngx_ur_save(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t     rc;
    ngx_pool_t   *temp;
    ngx_array_t   slots;

    if (pool->state.len == 0 || ngx_ur_save_is_done(pool)) {
        return;
    }

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return;
    }

    rc = ngx_ur_memory_collect(pool->zone->sh, temp, &slots);

    if (rc == NGX_OK) {
        rc = ngx_ur_save_write(pool, &slots, log);
    }

    if (rc != NGX_OK) {
        if (rc != NGX_BUSY) {
            ngx_ur_state_file_saved(&pool->memory->file, 0, log);
        }

        ngx_destroy_pool(temp);
        return;
    }

    ngx_ur_state_file_saved(&pool->memory->file, 1, log);
    ngx_ur_save_mark(pool, &slots);

    ngx_destroy_pool(temp);
}


/*
 * A configuration that has come meanwhile may have another file.  It takes back
 * what was marked until it was accepted; what is marked later is taken back
 * here.
 */

static void
ngx_ur_save_mark(ngx_ur_pool_t *pool, ngx_array_t *slots)
{
    ngx_uint_t            i;
    ngx_ur_remembered_t  *r;

    if (pool->zone->files != pool->zone->sh->files) {
        return;
    }

    pool->zone->sh->accounts->written = ngx_ur_account_time();

    r = slots->elts;

    for (i = 0; i < slots->nelts; i++) {
        /* whoever is killed in between leaves a slot that is not saved */

        r[i].slot->saved_id = 0;

        ngx_memory_barrier();

        r[i].slot->saved = r[i].version;

        ngx_memory_barrier();

        r[i].slot->saved_id = r[i].id;

        ngx_memory_barrier();

        if (pool->zone->files != pool->zone->sh->files) {
            r[i].slot->saved_id = 0;
            return;
        }
    }
}


static ngx_uint_t
ngx_ur_save_is_done(ngx_ur_pool_t *pool)
{
    ngx_uint_t  i;

    for (i = 0; i < pool->zone->sh->places; i++) {

        if (!ngx_ur_memory_saved(&pool->zone->sh->slots[i])) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_ur_save_write(ngx_ur_pool_t *pool, ngx_array_t *slots, ngx_log_t *log)
{
    ngx_fd_t    fd;
    ngx_int_t   rc;
    ngx_uint_t  again;

    /* the cache manager comes again, or that of a later configuration */

    again = (ngx_process == NGX_PROCESS_HELPER
             || pool->zone->generation != pool->zone->sh->generation);

    rc = ngx_ur_state_file_lock(&pool->memory->file, &fd, again, log);

    if (rc != NGX_OK) {
        return rc;
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

    if (!ngx_ur_save_add(pool, ranges, &all, slots, log) && !file->unsaved) {

        /* whoever wrote it may have been killed before it was on the disk */

        ngx_free(ranges);
        return ngx_ur_state_file_sync(file, log);
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
