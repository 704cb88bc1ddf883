
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
#include "core/format.h"
#include "core/lease.h"
#include "core/permutation.h"


typedef struct ngx_ur_pool_s     ngx_ur_pool_t;
typedef struct ngx_ur_shard_s    ngx_ur_shard_t;
typedef struct ngx_ur_range_s    ngx_ur_range_t;

/* of the zone, shared by workers */
typedef struct ngx_ur_slot_s     ngx_ur_slot_t;
typedef struct ngx_ur_health_s   ngx_ur_health_t;
typedef struct ngx_ur_account_s  ngx_ur_account_t;
typedef struct ngx_ur_shard_account_s   ngx_ur_shard_account_t;
typedef struct ngx_ur_worker_account_s  ngx_ur_worker_account_t;
typedef struct ngx_ur_count_s    ngx_ur_count_t;

/* of a process */
typedef struct ngx_ur_format_s   ngx_ur_format_t;
typedef struct ngx_ur_zone_s     ngx_ur_zone_t;
typedef struct ngx_ur_memory_s   ngx_ur_memory_t;
typedef struct ngx_ur_domain_s   ngx_ur_domain_t;
typedef struct ngx_ur_batch_s    ngx_ur_batch_t;
typedef struct ngx_ur_choice_s   ngx_ur_choice_t;
typedef struct ngx_ur_share_s    ngx_ur_share_t;
typedef struct ngx_ur_ask_s      ngx_ur_ask_t;
typedef struct ngx_ur_asks_s     ngx_ur_asks_t;
typedef struct ngx_ur_session_s  ngx_ur_session_t;
typedef struct ngx_ur_queue_s    ngx_ur_queue_t;
typedef struct ngx_ur_wait_s     ngx_ur_wait_t;


struct ngx_ur_range_s {
    uint64_t            first;
    uint64_t            last;
    ngx_ur_shard_t     *shard;

    ngx_ur_slot_t      *slot;          /* zone/places.c gives it */
    ngx_uint_t          place;         /* of the slot, and of an account */
    uint64_t            slot_id;       /* that it had then */
    ngx_ur_account_t   *account;       /* zone/account.c */
    ngx_ur_count_t     *count;         /* the same, of this worker */

    ngx_ur_domain_t    *domain;        /* zone/domain.c, if it was adopted */
    permutation_t      *permutation;   /* zone/map.c, from the first draw */
    ngx_ur_batch_t     *batch;         /* zone/batch.c */
    ngx_ur_ask_t       *ask;           /* zone/asks.c */

    unsigned            adopted:1;     /* from a table of used numbers */
};


struct ngx_ur_shard_s {
    ngx_str_t           name;
    ngx_ur_pool_t      *pool;
    ngx_str_t           text;          /* of the conninfo */
    conninfo_t          conninfo;
    ngx_array_t         ranges;        /* of ngx_ur_range_t * */
    ngx_uint_t          max_fails;
    ngx_msec_t          fail_timeout;
    u_char             *failover;      /* the policy, as the database has it */
    uint64_t            advance;       /* N of advance:N, else 0 */

    u_char             *file;          /* of the configuration */
    ngx_uint_t          line;
    ngx_uint_t          given;         /* conf/shard.c: parameters, as bits */

    ngx_ur_health_t    *health;        /* zone/places.c gives it */
    ngx_uint_t          place;         /* of that, and of an account */
    u_char             *connection;    /* zone/account.c: where others see its
                                          state */

    ngx_ur_asks_t      *asks;          /* zone/asks.c */
    ngx_ur_session_t   *session;       /* postgres/reserve.c */

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
    ngx_ur_range_t    **sorted;        /* the same; zone/find.c */

    size_t              zone_size;
    lease_policy_t      lease;         /* max is 0: "lease off" */
    ngx_flag_t          bootstrap;
    ngx_str_t           state;         /* the folder, if there is one */
    ngx_msec_t          connect_timeout;
    ngx_msec_t          reserve_timeout;
    ngx_msec_t          wait_timeout;
    ngx_msec_t          idle_timeout;
    ngx_uint_t          queue;

    ngx_ur_format_t    *written;       /* conf/format.c */
    format_t           *format;        /* the same, made; NULL: plain decimal */
    ngx_array_t        *excludes;      /* of ngx_regex_elt_t; NULL: none */

    u_char             *file;          /* of the configuration */
    ngx_uint_t          line;

    ngx_ur_zone_t      *zone;          /* zone/init.c */
    ngx_ur_worker_account_t  *account; /* zone/account.c, of this worker */
    ngx_ur_memory_t    *memory;        /* zone/memory.c */
    ngx_ur_choice_t    *choice;        /* zone/choice.c */
    ngx_ur_share_t     *share;         /* zone/share.c */
    ngx_event_t         tidy;          /* zone/tidy.c: a timer, armed while
                                          there are batches, or holds */

    ngx_queue_t         holds;         /* zone/hold.c: of this worker, */
    uint64_t            nheld;         /* and how much they may put back */

    /* zone/asks.c: how many asks of this worker are under way, and how many
       have ended */
    ngx_uint_t          nasked;
    ngx_uint_t          nended;        /* those for news are not counted */

    /* http/queue.c: the requests that wait, for one number or for many, or
       for a look */
    ngx_ur_queue_t     *waiters;
    ngx_uint_t          nwaiters;
    ngx_uint_t          nbulk;
    ngx_uint_t          nlooks;

    /* http/wait.c: "wake" is its timer, and is posted by whoever may have
       brought numbers */
    ngx_ur_wait_t      *wait;
    ngx_event_t         wake;

    /* http/look.c: likewise, posted when an ask has ended */
    ngx_event_t         look;
};


#endif /* _NGX_UR_POOL_H_INCLUDED_ */
