
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What I8 compares with is remembered of every range that this nginx has ever
 * had: in the zone, and with "state" on disk.  It is recalled into the slots
 * of each configuration, and saved from all slots of the zone, whatever the
 * configuration says.
 */


#ifndef _NGX_UR_MEMORY_H_INCLUDED_
#define _NGX_UR_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/state.h"
#include "pool.h"
#include "zone/state_file.h"


struct ngx_ur_memory_s {
    ngx_ur_state_file_t   file;         /* with "state" */

    /* found when the configuration was read, for slots of the zone */
    state_range_t        *known;        /* by the file */
    size_t                nknown;
    ngx_array_t           recalled;     /* of remembered_t */
    ngx_uint_t            unsure;       /* the file was damaged */
};


/*
 * Has nginx's cache manager save what is remembered by pools, an array of
 * pool_t * : two that share a folder share the manager as well.
 */
ngx_int_t ngx_ur_memory_create(ngx_conf_t *cf, ngx_ur_pool_t *pool,
    ngx_array_t *pools);

/*
 * When a configuration is read, before places are given away: reads the file.
 * A missing or damaged one is reported only, and "unsure" set; NGX_ERROR if it
 * is another pool's, or of a later version.
 */
ngx_int_t ngx_ur_memory_load(ngx_ur_pool_t *pool, ngx_log_t *log);

/*
 * After that: finds what the file and the running zone remember of the ranges
 * that have a slot.  Both are the master's, without a lock.
 */
ngx_int_t ngx_ur_memory_recall(ngx_ur_pool_t *pool, ngx_log_t *log);

/* merges what was recalled into the slots; more than once changes nothing */
void ngx_ur_memory_merge(ngx_ur_pool_t *pool, ngx_log_t *log);

/*
 * With "state", writes what the zone remembers, if it is more than what is on disk.  Blocks
 * for the time of a fsync(): for a helper process, or at exit.  Without a
 * lock.
 */
void ngx_ur_memory_save(ngx_ur_pool_t *pool, ngx_log_t *log);

/* whether nothing is lost with the slot */
ngx_uint_t ngx_ur_memory_saved(ngx_ur_slot_t *slot);


#endif /* _NGX_UR_MEMORY_H_INCLUDED_ */
