
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A pool as it is configured, with the state that each worker keeps of it.
 * It lives in the configuration's memory; what workers share is in the zone.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_POOL_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conninfo.h"
#include "ngx_http_unique_random_postgres.h"
#include "ngx_http_unique_random_zone.h"
#include "permutation.h"


/* the defaults of "lease" */
#define NGX_HTTP_UNIQUE_RANDOM_LEASE_MIN    16
#define NGX_HTTP_UNIQUE_RANDOM_LEASE_MAX    65536
#define NGX_HTTP_UNIQUE_RANDOM_LEASE_AHEAD  1000


/* the positions [start + next, start + n) are still to be issued */

#define NGX_HTTP_UNIQUE_RANDOM_BATCH        64

typedef struct {
    uint64_t                          epoch;       /* they were leased in */
    uint64_t                          start;
    ngx_uint_t                        n;
    ngx_uint_t                        next;
    uint64_t                          seen;        /* the next one, when it was
                                                      looked at last */
    uint64_t                          values[NGX_HTTP_UNIQUE_RANDOM_BATCH];

    unsigned                          mapped:1;
} ngx_http_unique_random_batch_t;


struct ngx_http_unique_random_range_s {
    uint64_t                          first;
    uint64_t                          last;
    ngx_http_unique_random_shard_t   *shard;

    ngx_http_unique_random_slot_t    *slot;
    uint64_t                          slot_id;

    /* of this worker */
    permutation_t                    *permutation; /* from the first draw */
    ngx_http_unique_random_batch_t    batch;
    ngx_queue_t                       queue;       /* in shard->asks */
    ngx_uint_t                        flight;
    reservation_params_t              params;
    uint64_t                          weight;      /* in a choice */

    unsigned                          preferred:1; /* likewise */
    unsigned                          asked:1;
};


/* an address to connect to; of a name, it may be only one of several */

typedef struct {
    const conninfo_host_t            *host;
    char                             *addr;        /* "" for a socket folder,
                                                      NULL: to be resolved */
} ngx_http_unique_random_peer_t;


/* what the connection of a shard is doing */

typedef enum {
    NGX_HTTP_UNIQUE_RANDOM_STEP_CONNECT = 0,
    NGX_HTTP_UNIQUE_RANDOM_STEP_RESERVE,
    NGX_HTTP_UNIQUE_RANDOM_STEP_SCHEMA,
    NGX_HTTP_UNIQUE_RANDOM_STEP_BOOTSTRAP
} ngx_http_unique_random_step_e;


struct ngx_http_unique_random_shard_s {
    ngx_str_t                         name;
    ngx_http_unique_random_pool_t    *pool;
    conninfo_t                        conninfo;
    ngx_array_t                       ranges;      /* of range_t */
    ngx_array_t                       peers;       /* of peer_t */
    ngx_uint_t                        max_fails;
    ngx_msec_t                        fail_timeout;

    u_char                           *file;
    ngx_uint_t                        line;
    ngx_uint_t                        seen;        /* parameters, bit by bit */

    ngx_http_unique_random_health_t  *health;

    /* of this worker: one connection, which its ranges use in turn */
    ngx_http_unique_random_postgres_t  postgres;
    ngx_resolver_ctx_t               *resolve;
    ngx_queue_t                       asks;        /* of ranges */
    ngx_uint_t                        peer;        /* the one in use */
    ngx_uint_t                        tried;       /* peers without success */
    ngx_msec_t                        deadline;    /* of the first ask */
    ngx_http_unique_random_step_e     step;

    unsigned                          bootstrapped:1;
    unsigned                          trust:1;
    unsigned                          drain:1;
    unsigned                          down:1;
};


struct ngx_http_unique_random_pool_s {
    ngx_str_t                         name;
    ngx_str_t                         literal;     /* the name, in SQL */
    ngx_array_t                       shards;      /* of shard_t * */
    ngx_array_t                       ranges;      /* of range_t * */

    size_t                            zone_size;
    ngx_shm_zone_t                   *shm_zone;
    uint32_t                          generation;
    ngx_http_unique_random_shctx_t   *sh;
    ngx_slab_pool_t                  *shpool;

    lease_policy_t                    lease;       /* max is 0: "lease off" */
    ngx_flag_t                        bootstrap;
    ngx_path_t                       *state;
    char                             *state_name;  /* of the pool */
    u_char                           *state_file;
    u_char                           *state_temp;
    u_char                           *state_lock;
    ngx_msec_t                        connect_timeout;
    ngx_msec_t                        reserve_timeout;
    ngx_msec_t                        wait_timeout;
    ngx_msec_t                        idle_timeout;
    ngx_uint_t                        queue;
    ngx_resolver_t                   *resolver;

    u_char                           *file;
    ngx_uint_t                        line;

    /* of the process that writes the state */
    uint32_t                          saved;       /* sum of what it wrote */
    ngx_uint_t                        unsaved;     /* it could not */

    /* of this worker: the weights of its ranges, all and with a lease */
    ngx_uint_t                        fresh;       /* for so many draws */
    uint64_t                          weight;
    uint64_t                          leased;
    ngx_http_unique_random_range_t   *look;        /* to be asked again */

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
char *ngx_http_unique_random_pool_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* what can only be done once the whole of http{} is read */
ngx_int_t ngx_http_unique_random_pool_finish(ngx_conf_t *cf,
    ngx_http_unique_random_pool_t *pool);

/* in a pool */
char *ngx_http_unique_random_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_unique_random_lease(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_unique_random_state(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_unique_random_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_unique_random_shard(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_unique_random_shard_resolve(ngx_conf_t *cf,
    ngx_http_unique_random_shard_t *shard);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_POOL_H_INCLUDED_ */
