
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What I8 compares with is remembered of every range that this nginx has ever
 * had: in the zone, and with "state" on disk.  zone/recall.c puts it into the
 * slots of each configuration, and zone/save.c saves all slots of the zone,
 * whatever the configuration says.
 */


#ifndef _NGX_UR_MEMORY_H_INCLUDED_
#define _NGX_UR_MEMORY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/state.h"
#include "pool.h"
#include "zone/state_file.h"
#include "zone/zone.h"


struct ngx_ur_memory_s {
    ngx_ur_state_file_t   file;         /* with "state" */

    /* found when the configuration was read, for slots of the zone */
    state_range_t        *known;        /* by the file */
    size_t                nknown;
    ngx_array_t           recalled;     /* of ngx_ur_remembered_t */
    ngx_uint_t            unsure;       /* the file was damaged */
    ngx_uint_t            elsewhere;    /* what was saved is in no such file */
};


/* of a slot, for as long as it has this id */

typedef struct {
    ngx_ur_slot_t        *slot;
    uint64_t              id;
    ngx_uint_t            own;          /* of the configuration */
    uint64_t              version;
    state_range_t         range;
} ngx_ur_remembered_t;


ngx_int_t ngx_ur_memory_create(ngx_conf_t *cf, ngx_ur_pool_t *pool);

/*
 * All that a zone remembers, into an array of ngx_ur_remembered_t that is made
 * in "temp".  Takes no lock: whatever happens to a slot meanwhile, with this id
 * it had this memory.
 */
ngx_int_t ngx_ur_memory_collect(ngx_ur_shctx_t *sh, ngx_pool_t *temp,
    ngx_array_t *slots);

/* whether nothing is lost with the slot */
ngx_uint_t ngx_ur_memory_saved(ngx_ur_slot_t *slot);

/* what is remembered elsewhere is not of this range: logged once for a slot */
void ngx_ur_memory_conflict(ngx_ur_pool_t *pool, ngx_ur_slot_t *slot,
    ngx_log_t *log);


#endif /* _NGX_UR_MEMORY_H_INCLUDED_ */
