
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What became of the positions that were granted to this nginx, and what else
 * its operator wants to know of ranges, shards and requests.  It is in the zone
 * of the pool, in memory of its own, beyond what places need.
 *
 * For one nginx, once nothing is under way:
 *
 *     granted = issued + excluded + leased + batched + burned + given back
 *
 * What is counted for a request each worker counts in memory of its own, with
 * no lock; whoever takes over its entry adds that to the rest.  Everything else
 * changes under the mutex of the pool.
 */


#ifndef _NGX_UR_ACCOUNT_H_INCLUDED_
#define _NGX_UR_ACCOUNT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/histogram.h"
#include "core/history.h"
#include "pool.h"
#include "zone/zone.h"


/* why positions are burned */

typedef enum {
    NGX_UR_BURNED_LOST = 0,             /* the reply did not arrive: at most,
                                           and so are those "granted" */
    NGX_UR_BURNED_KILLED,               /* with the worker that had them */
    NGX_UR_BURNED_FENCED,
    NGX_UR_BURNED_LIFE,                 /* a new one of the range began */
    NGX_UR_BURNED_SKIPPED,              /* no place, or no way, for them */
    NGX_UR_BURNED
} ngx_ur_burned_e;


/* the outcomes of requests */

typedef enum {
    NGX_UR_NONE = 0,
    NGX_UR_LEASED,
    NGX_UR_WAITED,
    NGX_UR_EXHAUSTED,
    NGX_UR_UNAVAILABLE,
    NGX_UR_STATUSES
} ngx_ur_status_e;


/* of a worker and a shard */

typedef enum {
    NGX_UR_CONNECTION_NONE = 0,
    NGX_UR_CONNECTION_CONNECTING,
    NGX_UR_CONNECTION_BUSY,
    NGX_UR_CONNECTION_IDLE,
    NGX_UR_CONNECTIONS
} ngx_ur_connection_e;


#define NGX_UR_ACCOUNT_TEXT  384


/* of a range; times are milliseconds since the epoch, 0: never */

struct ngx_ur_account_s {
    uint64_t              granted;
    uint64_t              issued;       /* by workers that have left */
    uint64_t              excluded;     /* likewise */
    uint64_t              given_back;
    uint64_t              burned[NGX_UR_BURNED];

    history_t             drawn;        /* out of the zone */
    history_t             used;         /* of the range, by everybody */

    uint64_t              reserved_at;  /* the last grant */
    uint64_t              reserved;     /* its size, */
    uint64_t              took;         /* and how long it took */

    uint64_t              since;        /* the outcome is what it is */
    ngx_uint_t            stale;        /* for that reason */
    u_char                reason[NGX_UR_ACCOUNT_TEXT];
    u_char                sql[NGX_UR_ACCOUNT_TEXT];
};


/* of a shard */

struct ngx_ur_shard_account_s {
    uint64_t              reservations;
    uint64_t              failures;     /* of these, to connect for them, too */
    histogram_t           took;         /* those that were answered */
    uint64_t              succeeded_at;
    uint64_t              failed_at;
    u_char                error[NGX_UR_ACCOUNT_TEXT];
};


/* of a range, by one worker */

struct ngx_ur_count_s {
    uint64_t              asked;        /* for, and not answered yet */
    uint64_t              taken;        /* into batches, and not put back */
    uint64_t              issued;
    uint64_t              excluded;     /* passed over instead */
};


/*
 * Of a worker; what follows it are a count of each range, and a byte for the
 * connection to each shard.
 */

struct ngx_ur_worker_account_s {
    uint64_t              statuses[NGX_UR_STATUSES];
    histogram_t           waits;
    ngx_uint_t            waiting;
    ngx_msec_t            oldest;       /* has waited since then; 0: none */

    ngx_ur_count_t        counts[];
};


struct ngx_ur_accounts_s {
    uint64_t                  created;
    uint64_t                  written;  /* the state, last */

    /* of workers that have left */
    uint64_t                  statuses[NGX_UR_STATUSES];
    histogram_t               waits;

    history_t                 drawn;
    history_t                 used;

    ngx_ur_account_t         *ranges;
    ngx_ur_shard_account_t   *shards;

    u_char                   *workers;
    size_t                    stride;
    u_char                    has[NGX_UR_WORKERS];
};


/* memory for so many places */
size_t ngx_ur_account_size(ngx_uint_t places);

/* lays it out; it need not be zero */
void ngx_ur_account_layout(ngx_ur_shctx_t *sh, u_char *memory);

/* the master's: a place is another range's, whose account is returned */
ngx_ur_account_t *ngx_ur_account_clear(ngx_ur_shctx_t *sh, ngx_uint_t place);

/* or another shard's */
void ngx_ur_account_clear_shard(ngx_ur_shctx_t *sh, ngx_uint_t place);

/*
 * This worker has this entry of the table, and what is left of the worker that
 * had it is added to the rest.  The caller has the mutex.
 */
void ngx_ur_account_enter(ngx_ur_pool_t *pool, ngx_uint_t entry);

/*
 * It has none: until it has one, or leaves, it counts in this memory, where
 * nobody else sees it.
 */
ngx_int_t ngx_ur_account_alone(ngx_ur_pool_t *pool, ngx_pool_t *memory);

/* it leaves, and what it counted there is added to the rest: under the mutex */
void ngx_ur_account_leave(ngx_ur_pool_t *pool);

/* of an entry that "has" one */
ngx_ur_worker_account_t *ngx_ur_account_worker(ngx_ur_shctx_t *sh,
    ngx_uint_t entry);

/* the bytes for connections in it */
#define ngx_ur_account_connections(sh, account)                               \
    ((u_char *) &(account)->counts[(sh)->places])


/* the caller of the following has the mutex */

/* n more of the range are known to be reserved, or taken back: by anybody */
void ngx_ur_account_use(ngx_ur_range_t *range, uint64_t n);

/* n were leased from the zone into a batch of this worker, or put back */
void ngx_ur_account_take(ngx_ur_range_t *range, uint64_t n);
void ngx_ur_account_return(ngx_ur_range_t *range, uint64_t n);

/* n that a batch of this worker had are burned */
void ngx_ur_account_burn(ngx_ur_range_t *range, ngx_ur_burned_e cause,
    uint64_t n);


/* the following need no mutex */

#define ngx_ur_account_issue(range)                                           \
    (range)->count->issued++

#define ngx_ur_account_exclude(range)                                         \
    (range)->count->excluded++

/* so many are asked for now; 0: no more */
#define ngx_ur_account_ask(range, n)                                          \
    (range)->count->asked = (n)

void ngx_ur_account_answer(ngx_ur_pool_t *pool, ngx_ur_status_e status);

/* so many requests wait, the first one since then */
void ngx_ur_account_waiting(ngx_ur_pool_t *pool, ngx_uint_t n,
    ngx_msec_t oldest);

void ngx_ur_account_waited(ngx_ur_pool_t *pool, ngx_msec_t time);

/* the following take the mutex */

/* a reservation of this shard took so long; it was answered, or failed */
void ngx_ur_account_succeeded(ngx_ur_shard_t *shard, ngx_msec_t time);
void ngx_ur_account_failed(ngx_ur_shard_t *shard, const u_char *error);

/* n leases of the range are given back, or are burned */
void ngx_ur_account_given_back(ngx_ur_range_t *range, uint64_t n);
void ngx_ur_account_burned(ngx_ur_range_t *range, ngx_ur_burned_e cause,
    uint64_t n);

/* of one that was copied: the sum, whatever the cause */
uint64_t ngx_ur_account_burned_all(const ngx_ur_account_t *account);

/* what an operator can run where the range is not in order */
void ngx_ur_account_cure(ngx_ur_range_t *range, ngx_str_t *sql);


/* milliseconds since the epoch */
uint64_t ngx_ur_account_time(void);


#endif /* _NGX_UR_ACCOUNT_H_INCLUDED_ */
