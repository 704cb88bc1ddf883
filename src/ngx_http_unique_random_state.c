
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The file is written by nginx's cache manager process, and by the last worker
 * when it exits.  Several masters may share a folder, two of them during an
 * upgrade of the binary: whoever writes takes a lock, merges what others have
 * written, and puts a new file in the place of the old one.
 */


#include "ngx_http_unique_random_state.h"
#include "ngx_http_unique_random_state_file.h"
#include "state.h"


static size_t ngx_http_unique_random_state_collect(
    ngx_http_unique_random_pool_t *pool, state_range_t *ranges);
static ngx_int_t ngx_http_unique_random_state_write(
    ngx_http_unique_random_pool_t *pool, state_range_t *mine, size_t n,
    ngx_log_t *log);
static ngx_int_t ngx_http_unique_random_state_merge(
    ngx_http_unique_random_pool_t *pool, state_range_t *mine, size_t n,
    ngx_log_t *log);
static ngx_int_t ngx_http_unique_random_state_read(
    ngx_http_unique_random_pool_t *pool, size_t more, state_range_t **ranges,
    size_t *n, ngx_log_t *log);
static ngx_int_t ngx_http_unique_random_state_parse(
    ngx_http_unique_random_pool_t *pool, u_char *text, size_t len,
    state_range_t *ranges, size_t *n, ngx_log_t *log);


ngx_int_t
ngx_http_unique_random_state_init(ngx_conf_t *cf,
    ngx_http_unique_random_pool_t *pool, ngx_path_manager_pt manager,
    void *data)
{
    size_t   len;
    u_char  *p;

    pool->state->manager = manager;
    pool->state->data = data;

    len = 3 * pool->name.len + 1;

    p = ngx_pnalloc(cf->pool, len + 3 * (pool->state->name.len + len
                                         + sizeof("/.state.lock")));
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
    ngx_sprintf(pool->state_lock, "%V/%s.state.lock%Z",
                &pool->state->name, pool->state_name);

    return NGX_OK;
}


ngx_int_t
ngx_http_unique_random_state_load(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log)
{
    size_t                            i, n;
    ngx_int_t                         rc;
    ngx_uint_t                        j;
    state_range_t                    *known;
    ngx_http_unique_random_slot_t    *slot;
    ngx_http_unique_random_range_t  **ranges;

    rc = ngx_http_unique_random_state_read(pool, 0, &known, &n, log);

    if (rc == NGX_DONE) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%s\" is not there yet: nothing is remembered of "
                      "unique_random_pool \"%V\"",
                      pool->state_file, &pool->name);
    }

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    ranges = pool->ranges.elts;

    for (i = 0; i < n; i++) {
        for (j = 0; j < pool->ranges.nelts; j++) {
            slot = ranges[j]->slot;

            if (slot->first == known[i].first && slot->last == known[i].last) {
                state_merge_memory(&slot->memory, &known[i].memory);
                slot->known = 1;
            }
        }
    }

    ngx_free(known);

    return NGX_OK;
}


void
ngx_http_unique_random_state_save(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log)
{
    size_t          n, size;
    uint32_t        crc;
    state_range_t  *mine;

    size = pool->ranges.nelts * sizeof(state_range_t);

    mine = ngx_calloc(size, log);
    if (mine == NULL) {
        return;
    }

    n = ngx_http_unique_random_state_collect(pool, mine);

    crc = ngx_crc32_long((u_char *) mine, size);

    if (n && crc != pool->saved) {

        if (ngx_http_unique_random_state_write(pool, mine, n, log) == NGX_OK) {

            if (pool->unsaved) {
                ngx_log_error(NGX_LOG_NOTICE, log, 0,
                              "\"%s\" is written again", pool->state_file);
            }

            pool->saved = crc;
            pool->unsaved = 0;

        } else {
            pool->unsaved = 1;
        }
    }

    ngx_free(mine);
}


/* field by field: the padding stays zero, so equal contents have equal sums */

static size_t
ngx_http_unique_random_state_collect(ngx_http_unique_random_pool_t *pool,
    state_range_t *ranges)
{
    size_t                            n;
    ngx_uint_t                        i;
    reservation_memory_t             *to, *from;
    ngx_http_unique_random_slot_t    *slot;
    ngx_http_unique_random_range_t  **r;

    r = pool->ranges.elts;
    n = 0;

    ngx_shmtx_lock(&pool->shpool->mutex);

    for (i = 0; i < pool->ranges.nelts; i++) {
        slot = r[i]->slot;

        if (slot->id != r[i]->slot_id || !slot->known) {
            continue;
        }

        to = &ranges[n].memory;
        from = &slot->memory;

        ranges[n].first = slot->first;
        ranges[n].last = slot->last;

        to->epoch = from->epoch;
        to->serial = from->serial;
        to->reserved = from->reserved;
        to->timeline = from->timeline;
        ngx_memcpy(to->incarnation, from->incarnation,
                   sizeof(to->incarnation));
        ngx_memcpy(to->digest, from->digest, sizeof(to->digest));

        n++;
    }

    ngx_shmtx_unlock(&pool->shpool->mutex);

    return n;
}


static ngx_int_t
ngx_http_unique_random_state_write(ngx_http_unique_random_pool_t *pool,
    state_range_t *mine, size_t n, ngx_log_t *log)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_http_unique_random_state_file_lock(pool, log);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = ngx_http_unique_random_state_merge(pool, mine, n, log);

    /* unlocks it */

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_http_unique_random_state_merge(ngx_http_unique_random_pool_t *pool,
    state_range_t *mine, size_t n, ngx_log_t *log)
{
    size_t          i, all, len;
    u_char         *text;
    ngx_int_t       rc;
    state_range_t  *ranges;

    rc = ngx_http_unique_random_state_read(pool, n, &ranges, &all, log);

    if (rc == NGX_ERROR || rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        all = state_merge(ranges, all, &mine[i]);
    }

    rc = NGX_ERROR;

    text = ngx_alloc(state_len(pool->state_name, all), log);

    if (text) {
        len = state_print((char *) text, pool->state_name, ranges, all);

        if (len) {
            rc = ngx_http_unique_random_state_file_replace(pool, text, len,
                                                           log);
        }

        ngx_free(text);
    }

    ngx_free(ranges);

    return rc;
}


/*
 * Allocates "ranges", with place for "more", unless it returns NGX_ERROR or
 * NGX_ABORT: the file must not be replaced.  NGX_DONE: there is none,
 * NGX_DECLINED: it cannot be read.
 */

static ngx_int_t
ngx_http_unique_random_state_read(ngx_http_unique_random_pool_t *pool,
    size_t more, state_range_t **ranges, size_t *n, ngx_log_t *log)
{
    size_t      len;
    u_char     *text;
    ngx_int_t   rc;

    *n = 0;

    rc = ngx_http_unique_random_state_file_read(pool, &text, &len, log);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    *ranges = ngx_alloc((state_ranges(len) + more) * sizeof(state_range_t),
                        log);
    if (*ranges == NULL) {
        rc = NGX_ERROR;

    } else if (rc == NGX_OK) {
        rc = ngx_http_unique_random_state_parse(pool, text, len, *ranges, n,
                                                log);
        if (rc == NGX_ABORT) {
            ngx_free(*ranges);
        }
    }

    if (text) {
        ngx_free(text);
    }

    return rc;
}


static ngx_int_t
ngx_http_unique_random_state_parse(ngx_http_unique_random_pool_t *pool,
    u_char *text, size_t len, state_range_t *ranges, size_t *n,
    ngx_log_t *log)
{
    ngx_uint_t  level;

    level = pool->unsaved ? NGX_LOG_INFO : NGX_LOG_EMERG;

    switch (state_parse((char *) text, len, pool->state_name, ranges, n)) {

    case STATE_OK:
        return NGX_OK;

    case STATE_FOREIGN:
        ngx_log_error(level, log, 0,
                      "\"%s\" is the state of another pool than \"%s\"",
                      pool->state_file, pool->state_name);
        return NGX_ABORT;

    case STATE_LATER:
        ngx_log_error(level, log, 0,
                      "\"%s\" was written by a later version of this "
                      "module", pool->state_file);
        return NGX_ABORT;

    default: /* STATE_DAMAGED */
        ngx_log_error(ngx_max(level, NGX_LOG_ALERT), log, 0,
                      "\"%s\" is damaged: what it remembered of the ranges of "
                      "unique_random_pool \"%V\" is lost",
                      pool->state_file, &pool->name);
        *n = 0;
        return NGX_DECLINED;
    }
}
