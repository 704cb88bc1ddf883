
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The nouns: a pool, its shards and their ranges, as they are configured.  They
 * live in the configuration's memory.
 *
 * What files keep of them, each defines for itself and makes for every pool of
 * a configuration: the nouns have a pointer to it.
 */


#ifndef _NGX_UR_POOL_H_INCLUDED_
#define _NGX_UR_POOL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/conninfo.h"
#include "core/lease.h"


typedef struct ngx_ur_pool_s     ngx_ur_pool_t;
typedef struct ngx_ur_shard_s    ngx_ur_shard_t;
typedef struct ngx_ur_range_s    ngx_ur_range_t;

/* of the zone, shared by workers */
typedef struct ngx_ur_slot_s     ngx_ur_slot_t;
typedef struct ngx_ur_health_s   ngx_ur_health_t;

/* of a process */
typedef struct ngx_ur_zone_s     ngx_ur_zone_t;
typedef struct ngx_ur_memory_s   ngx_ur_memory_t;
typedef struct ngx_ur_batch_s    ngx_ur_batch_t;
typedef struct ngx_ur_choice_s   ngx_ur_choice_t;
typedef struct ngx_ur_ask_s      ngx_ur_ask_t;
typedef struct ngx_ur_asks_s     ngx_ur_asks_t;
typedef struct ngx_ur_session_s  ngx_ur_session_t;
typedef struct ngx_ur_wait_s     ngx_ur_wait_t;


struct ngx_ur_range_s {
    uint64_t            first;
    uint64_t            last;
    ngx_ur_shard_t     *shard;

    ngx_ur_slot_t      *slot;          /* zone/places.c gives it */
    uint64_t            slot_id;       /* that it had then */

    ngx_ur_batch_t     *batch;         /* zone/batch.c */
    ngx_ur_ask_t       *ask;           /* zone/asks.c */
};


struct ngx_ur_shard_s {
    ngx_str_t           name;
    ngx_ur_pool_t      *pool;
    ngx_str_t           text;          /* of the conninfo */
    conninfo_t          conninfo;
    ngx_array_t         ranges;        /* of ngx_ur_range_t * */
    ngx_uint_t          max_fails;
    ngx_msec_t          fail_timeout;

    u_char             *file;          /* of the configuration */
    ngx_uint_t          line;
    ngx_uint_t          given;         /* conf/shard.c: parameters, as bits */

    ngx_ur_health_t    *health;        /* zone/places.c gives it */

    ngx_ur_asks_t      *asks;          /* zone/asks.c */
    ngx_ur_session_t   *session;       /* postgres/reserve.c */

    unsigned            trust:1;
    unsigned            drain:1;
    unsigned            down:1;
};


struct ngx_ur_pool_s {
    ngx_str_t           name;
    ngx_str_t           literal;       /* the name, in SQL */
    u_char             *others;        /* the names of all pools, an array of
                                          SQL */
    ngx_array_t         shards;        /* of ngx_ur_shard_t * */
    ngx_array_t         ranges;        /* of ngx_ur_range_t * */

    size_t              zone_size;
    lease_policy_t      lease;         /* max is 0: "lease off" */
    ngx_flag_t          bootstrap;
    ngx_path_t         *state;
    ngx_msec_t          connect_timeout;
    ngx_msec_t          reserve_timeout;
    ngx_msec_t          wait_timeout;
    ngx_msec_t          idle_timeout;
    ngx_uint_t          queue;

    u_char             *file;          /* of the configuration */
    ngx_uint_t          line;

    ngx_ur_zone_t      *zone;          /* zone/init.c */
    ngx_ur_memory_t    *memory;        /* zone/memory.c */
    ngx_ur_choice_t    *choice;        /* zone/choice.c */
    ngx_event_t         tidy;          /* zone/batch.c: a timer, armed while
                                          there are batches */

    /* zone/asks.c: how many asks of this worker are under way, and how many
       have ended */
    ngx_uint_t          nasked;
    ngx_uint_t          nended;

    /* http/wait.c: the requests that wait; "wake" is its timer, and is posted
       by whoever may have brought numbers */
    ngx_ur_wait_t      *wait;
    ngx_uint_t          nwaiters;
    ngx_event_t         wake;
};


#endif /* _NGX_UR_POOL_H_INCLUDED_ */
