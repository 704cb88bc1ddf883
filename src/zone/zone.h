
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The shared memory of a pool: places for ranges, with their leases and with
 * what is remembered of their rows, for the health of shards, for the workers
 * and what each has under way; and the accounts of all of them.
 *
 * Workers read and write under the zone's mutex; but what says whether a batch
 * may be issued, "id", "outcome" and the epoch of "memory" in a slot, is also
 * read without.  The master waits for no lock: it gives places to ranges, by
 * plain stores, and only places that no worker uses.
 */


#ifndef _NGX_UR_ZONE_H_INCLUDED_
#define _NGX_UR_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "pool.h"


/* in the table of workers */
#define NGX_UR_WORKERS  256


typedef struct ngx_ur_worker_s    ngx_ur_worker_t;
typedef struct ngx_ur_workers_s   ngx_ur_workers_t;
typedef struct ngx_ur_accounts_s  ngx_ur_accounts_t;


/*
 * The configurations that have had a place, from the first one to the latest;
 * the master's.  0: none yet that was accepted.
 */

typedef struct {
    uint32_t             first;
    uint32_t             last;
} ngx_ur_generations_t;


typedef struct {
    char                 holder[MEMORY_UUID_LEN + 1];

    /* the master's: ids and configurations so far, the latest one accepted */
    uint64_t             last_id;
    uint32_t             generations;
    volatile uint32_t    generation;

    /* zone/recall.c: files of "state" so far, each another one than before */
    volatile uint32_t    files;

    ngx_uint_t           places;        /* of each of the two */
    ngx_ur_slot_t       *slots;
    ngx_ur_health_t     *shards;

    ngx_ur_workers_t    *workers;
    ngx_ur_accounts_t   *accounts;
} ngx_ur_shctx_t;


/* the zone of a pool, as a configuration sees it */

struct ngx_ur_zone_s {
    ngx_shm_zone_t      *shm_zone;
    ngx_slab_pool_t     *shpool;
    ngx_ur_shctx_t      *sh;            /* NULL until it is there */
    uint32_t             generation;
    uint32_t             files;         /* ours is the last one of these */

    /* zone/workers.c: the entry of this worker, or NULL */
    ngx_ur_worker_t     *worker;
    ngx_uint_t           crowded;       /* there was none */
};


/*
 * The mutex of a pool's zone, for workers: never for long, and not for ever if
 * whoever has it was killed.
 */
void ngx_ur_zone_lock(ngx_ur_pool_t *pool);
void ngx_ur_zone_unlock(ngx_ur_pool_t *pool);

/* of any zone: if whoever has it was killed */
void ngx_ur_zone_unlock_dead(ngx_shmtx_t *mtx);

/* the pool of the same name in the configuration that is running, or NULL */
ngx_ur_pool_t *ngx_ur_zone_running(ngx_ur_pool_t *pool);


#endif /* _NGX_UR_ZONE_H_INCLUDED_ */
