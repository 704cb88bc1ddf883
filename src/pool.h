
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A pool as it is configured, with the state that each worker keeps of it.
 * It lives in the configuration's memory; what workers share is in the zone.
 */


#ifndef _NGX_UR_POOL_H_INCLUDED_
#define _NGX_UR_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/conninfo.h"
#include "core/permutation.h"
#include "core/state.h"
#include "core/statement.h"
#include "postgres/postgres.h"
#include "zone/zone.h"


/* the defaults of "lease" */
#define NGX_UR_LEASE_MIN    16
#define NGX_UR_LEASE_MAX    65536
#define NGX_UR_LEASE_AHEAD  1000


typedef struct ngx_ur_connect_s
    ngx_ur_connect_t;


/* the positions [start + next, start + n) are still to be issued */

#define NGX_UR_BATCH        64

typedef struct {
    uint64_t                          epoch;       /* they were leased in */
    uint64_t                          start;
    ngx_uint_t                        n;
    ngx_uint_t                        next;
    uint64_t                          tidied;      /* the next one, when it was
                                                      tidied last */
    uint64_t                          values[NGX_UR_BATCH];

    unsigned                          mapped:1;
} ngx_ur_batch_t;


/* what a range is asked for */

typedef enum {
    NGX_UR_NEED_NONE = 0,
    NGX_UR_NEED_LOOK,              /* whether it grants again */
    NGX_UR_NEED_LEASE
} ngx_ur_need_e;


struct ngx_ur_range_s {
    uint64_t                          first;
    uint64_t                          last;
    ngx_ur_shard_t   *shard;

    ngx_ur_slot_t    *slot;
    uint64_t                          slot_id;

    /* of this worker */
    permutation_t                    *permutation; /* from the first draw */
    ngx_ur_batch_t    batch;
    uint64_t                          weight;      /* in a choice */
    ngx_queue_t                       queue;       /* in shard->asks or sent */
    statement_ask_t                   ask;
    ngx_ur_need_e     need;        /* while it is asked */
    ngx_msec_t                        busy_until;  /* its row was locked */

    unsigned                          preferred:1; /* in a choice */
    unsigned                          asked:1;
    unsigned                          chosen:1;    /* for those who wait */
    unsigned                          locked:1;    /* and that was logged */
};


/* what the query of a shard is for */

typedef enum {
    NGX_UR_STEP_RESERVE = 0,
    NGX_UR_STEP_SCHEMA,
    NGX_UR_STEP_BOOTSTRAP
} ngx_ur_step_e;


struct ngx_ur_shard_s {
    ngx_str_t                         name;
    ngx_ur_pool_t    *pool;
    ngx_str_t                         text;        /* of the conninfo */
    conninfo_t                        conninfo;
    ngx_array_t                       ranges;      /* of range_t */
    ngx_uint_t                        max_fails;
    ngx_msec_t                        fail_timeout;

    u_char                           *file;
    ngx_uint_t                        line;
    ngx_uint_t                        given;       /* parameters, bit by bit */

    ngx_ur_health_t  *health;

    /* of this worker: one connection, which its ranges use in turn */
    ngx_ur_postgres_t  postgres;
    ngx_ur_connect_t  *connect;    /* from the first one on */
    ngx_queue_t                       asks;        /* of ranges, to be sent */
    ngx_queue_t                       sent;        /* in one statement */
    ngx_msec_t                        deadline;    /* of what is sent */
    ngx_msec_t                        short_until; /* a pause of this worker */
    u_char                            doubt[256];  /* a warning of the commit of
                                                      what is sent, or "" */
    ngx_ur_step_e     step;

    unsigned                          busy:1;      /* asks or sent has some */
    unsigned                          bootstrapped:1;
    unsigned                          cautioned:1; /* why it is not */
    unsigned                          stale:1;     /* the connection leads to
                                                      a copy left behind */
    unsigned                          trust:1;
    unsigned                          drain:1;
    unsigned                          down:1;
};


struct ngx_ur_pool_s {
    ngx_str_t                         name;
    ngx_str_t                         literal;     /* the name, in SQL */
    u_char                           *others;      /* the names of all pools,
                                                      an array of SQL */
    ngx_array_t                       shards;      /* of shard_t * */
    ngx_array_t                       ranges;      /* of range_t * */

    size_t                            zone_size;
    ngx_shm_zone_t                   *shm_zone;
    uint32_t                          generation;
    ngx_ur_shctx_t   *sh;
    ngx_slab_pool_t                  *shpool;

    /* found when the configuration was read, for slots of the zone */
    state_range_t                    *known;       /* by the file */
    size_t                            nknown;
    ngx_array_t                       recalled;    /* of remembered_t */
    ngx_uint_t                        unsure;      /* the state was damaged */

    lease_policy_t                    lease;       /* max is 0: "lease off" */
    ngx_flag_t                        bootstrap;
    ngx_path_t                       *state;
    char                             *state_name;  /* of the pool */
    u_char                           *state_file;
    u_char                           *state_temp;
    u_char                           *state_lock;
    u_char                           *state_damaged;
    ngx_msec_t                        connect_timeout;
    ngx_msec_t                        reserve_timeout;
    ngx_msec_t                        wait_timeout;
    ngx_msec_t                        idle_timeout;
    ngx_uint_t                        queue;

    u_char                           *file;
    ngx_uint_t                        line;

    /* of the process that writes the state */
    ngx_uint_t                        unsaved;     /* it could not */

    /* of this worker: its entry in the zone, or NULL */
    ngx_ur_worker_t  *worker;
    ngx_uint_t                        crowded;     /* there was none */

    /* the weights of its ranges, all and with a lease */
    ngx_uint_t                        draws;       /* that go by them yet */
    uint64_t                          weight;
    uint64_t                          leased;
    ngx_uint_t                        look;        /* some are due for one */

    ngx_queue_t                       waiters;
    ngx_uint_t                        nwaiters;
    ngx_uint_t                        nasked;      /* ranges that are asked */
    ngx_msec_t                        asked_at;    /* the last one of them */
    ngx_uint_t                        patient;     /* none has ended since */

    /* posted when numbers may have come, or armed as a timer */
    ngx_event_t                       wake;

    /* a timer, armed while a range has a batch */
    ngx_event_t                       tidy;
};


/* "unique_random_pool NAME { }" */
char *ngx_ur_pool_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* the names of the pools, as an array of SQL; NULL if there is no memory */
u_char *ngx_ur_pool_names(ngx_conf_t *cf, ngx_array_t *list);

/* in a pool */
char *ngx_ur_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_state(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_ur_shard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_UR_POOL_H_INCLUDED_ */
