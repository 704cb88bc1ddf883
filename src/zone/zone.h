
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The shared memory of a pool: places for ranges, with their leases and with
 * what is remembered of their rows, for the health of shards, and for the
 * workers and what each has under way.
 *
 * Workers read and write under the zone's mutex; but what says whether a batch
 * may be issued, "id", "outcome" and the epoch of "memory", is also read
 * without.  The master waits for no lock: it gives places to ranges, by plain
 * stores, and only places that no worker uses.
 */


#ifndef _NGX_UR_ZONE_H_INCLUDED_
#define _NGX_UR_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"


typedef struct ngx_ur_pool_s   ngx_ur_pool_t;
typedef struct ngx_ur_shard_s  ngx_ur_shard_t;
typedef struct ngx_ur_range_s  ngx_ur_range_t;


/*
 * The configurations that have had a place, from the first one to the latest;
 * the master's.  0: none yet that was accepted.
 */

typedef struct {
    uint32_t                   first;
    uint32_t                   last;
} ngx_ur_generations_t;


/*
 * A slot is (first, last, key digest), I6: a configuration finds it by first
 * and last, and keeps its id to notice when it has been given to another
 * range.  The digest is learned from the state on disk or from the first reply,
 * which has the key, and never changes.
 *
 * What a batch is taken from comes first, in few cache lines.
 */

typedef struct {
    uint64_t                   id;             /* 0: of no range */
    uint64_t                   first;
    uint64_t                   last;

    /* of the last reply: why nothing was granted, or RESERVATION_GRANTED */
    ngx_uint_t                 outcome;

    uint64_t                   remaining;      /* that can be reserved */
    uint64_t                   granted;        /* by the last grant */
    lease_rate_t               rate;
    leases_t                   leases;

    memory_cell_t              memory;
    u_char                     key[RESERVATION_KEY_LEN];
    uint64_t                   burned;
    ngx_msec_t                 answered_at;
    uint32_t                   detail;         /* of outcome: a text's CRC */

    ngx_ur_generations_t  had_by;

    /* the version of "memory" that is on disk, if saved_id is id */
    uint64_t                   saved;
    uint64_t                   saved_id;

    /* the worker that asks for all, void when its entry is: one at a time */
    ngx_pid_t                  asker;
    uint32_t                   asker_entry;

    /* the state on disk remembers another key or life; it has been reported */
    ngx_uint_t                 conflict;

    unsigned                   has_key:1;
    unsigned                   cautious:1;     /* a reply was lost (I3) */
} ngx_ur_slot_t;


/* kinds of warnings that are known to have been logged */
#define NGX_UR_WARNINGS  16


/* found by the MD5 of the shard's name */

typedef struct {
    u_char                     id[16];
    ngx_uint_t                 used;           /* by a shard, once */
    ngx_ur_generations_t  had_by;

    ngx_uint_t                 fails;
    ngx_msec_t                 failed_at;
    ngx_uint_t                 broken;         /* and so for a while */

    /* a new kind takes the place of the oldest */
    ngx_uint_t                 nwarnings;      /* so far */
    uint32_t                   warnings[NGX_UR_WARNINGS];
} ngx_ur_health_t;


/*
 * A worker, the configuration that it runs, and what it has under way in the
 * pool.  Written by the worker alone, under the mutex; all of it is void when
 * the pid is gone, and each deadline when it is past.  0: nothing.
 */

typedef struct {
    ngx_pid_t                  pid;
    uint32_t                   generation;
    ngx_msec_t                 asking_until;   /* reservations */
    ngx_msec_t                 batches_until;  /* that it may put back */
} ngx_ur_worker_t;


#define NGX_UR_WORKERS  256


typedef struct {
    char                       holder[MEMORY_UUID_LEN + 1];

    /* the master's: ids and configurations so far, the latest one accepted */
    uint64_t                   last_id;
    uint32_t                   generations;
    volatile uint32_t          generation;

    /* workers that found no entry: what they have under way is not known */
    ngx_uint_t                 crowded;

    ngx_uint_t                 places;         /* of each of the two */
    ngx_ur_slot_t    *slots;
    ngx_ur_health_t  *shards;

    ngx_ur_worker_t   workers[NGX_UR_WORKERS];
} ngx_ur_shctx_t;


#define ngx_ur_past(time)                                     \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


/* the init handler of the shared memory zone */
ngx_int_t ngx_ur_zone_init(ngx_shm_zone_t *shm_zone, void *data);


/*
 * The mutex of a pool's zone, for workers: never for long, and not for ever if
 * whoever has it was killed.
 */
void ngx_ur_zone_lock(ngx_ur_pool_t *pool);
void ngx_ur_zone_unlock(ngx_ur_pool_t *pool);

/* the pool of the same name in the configuration that is running, or NULL */
ngx_ur_pool_t *ngx_ur_zone_running(ngx_ur_pool_t *pool);


#endif /* _NGX_UR_ZONE_H_INCLUDED_ */
