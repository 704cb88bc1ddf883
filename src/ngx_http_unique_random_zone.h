
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The shared memory of a pool: a slot for each range with its leases and with
 * what is remembered of its row, and the health of each shard.  Everything in
 * it is read and written under shpool->mutex, the one lock that nginx
 * releases when a worker dies; but what says whether a batch may be issued,
 * "id", "outcome" and "memory.epoch", is also read without.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_ZONE_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "lease.h"
#include "reservation.h"


typedef struct ngx_http_unique_random_pool_s   ngx_http_unique_random_pool_t;
typedef struct ngx_http_unique_random_shard_s  ngx_http_unique_random_shard_t;
typedef struct ngx_http_unique_random_range_s  ngx_http_unique_random_range_t;


/*
 * A slot is (first, last, key digest), I6: a configuration finds it by first
 * and last, and keeps its id to notice when it has been given to another
 * range.  The digest is learned from the state on disk or from the first reply,
 * which has the key, and never changes.
 *
 * What a batch is taken from comes first, in few cache lines.
 */

typedef struct {
    ngx_queue_t                queue;

    uint64_t                   id;
    uint64_t                   first;
    uint64_t                   last;

    /* of the last reply: why nothing was granted, or RESERVATION_GRANTED */
    ngx_uint_t                 outcome;

    uint64_t                   remaining;      /* that can be reserved */
    uint64_t                   granted;        /* by the last grant */
    lease_rate_t               rate;
    leases_t                   leases;

    reservation_memory_t       memory;
    u_char                     key[RESERVATION_KEY_LEN];
    uint64_t                   burned;
    ngx_msec_t                 answered_at;
    uint32_t                   detail;         /* of outcome: a text's CRC */

    /* fetching ahead: one worker at a time, anyone after the deadline */
    ngx_pid_t                  fetcher;
    ngx_msec_t                 fetch_deadline;

    /*
     * Reservations in flight in all workers.  Those of workers that died are
     * forgotten at the deadline: a new "flight" begins, and what belongs to
     * an old one is no longer counted.
     */
    ngx_uint_t                 in_flight;
    ngx_uint_t                 flight;
    ngx_msec_t                 flight_deadline;

    /* when all that workers hold of the range has come back, if "held" */
    ngx_msec_t                 held_until;

    unsigned                   known:1;        /* memory is set */
    unsigned                   has_key:1;
    unsigned                   cautious:1;     /* a reply was lost (I3) */
    unsigned                   held:1;         /* in batches of workers */
} ngx_http_unique_random_slot_t;


#define NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN  (NGX_SOCKADDR_STRLEN + 1)


/* found by the MD5 of the shard's name */

typedef struct {
    ngx_queue_t                queue;

    u_char                     id[16];
    ngx_uint_t                 fails;
    ngx_msec_t                 failed_at;

    /* of the peer whose name was resolved last, for whoever cannot ask */
    ngx_uint_t                 peer;
    char                       addr[NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN];
} ngx_http_unique_random_health_t;


/* a worker, and the configuration that it runs */

typedef struct {
    ngx_pid_t                  pid;
    uint32_t                   generation;
} ngx_http_unique_random_worker_t;


#define NGX_HTTP_UNIQUE_RANDOM_WORKERS  256


typedef struct {
    ngx_queue_t                slots;
    ngx_queue_t                shards;
    uint64_t                   last_id;
    char                       holder[RESERVATION_UUID_LEN + 1];

    uint32_t                   generations;    /* configurations so far */
    uint32_t                   generation;     /* the latest one accepted */
    ngx_http_unique_random_worker_t  workers[NGX_HTTP_UNIQUE_RANDOM_WORKERS];
} ngx_http_unique_random_shctx_t;


typedef struct {
    ngx_http_unique_random_range_t  *range;   /* whose batch has some left */
    ngx_http_unique_random_range_t  *fetch;   /* to be asked too, or NULL */
} ngx_http_unique_random_draw_t;


/* how a pool without a lease may get one */

typedef struct {
    ngx_http_unique_random_range_t  *range;    /* to ask now, or NULL */
    ngx_msec_t                       wait;     /* until one may be asked, or
                                                  NGX_TIMER_INFINITE */
    unsigned                         in_flight:1;
    unsigned                         held:1;
    unsigned                         exhausted:1;
} ngx_http_unique_random_outlook_t;


#define ngx_http_unique_random_past(time)                                     \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


ngx_int_t ngx_http_unique_random_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);

/* NGX_DECLINED if the pool has no lease */
ngx_int_t ngx_http_unique_random_zone_draw(
    ngx_http_unique_random_pool_t *pool, ngx_http_unique_random_draw_t *draw);

/* whether the pool has a lease */
ngx_uint_t ngx_http_unique_random_zone_ready(
    ngx_http_unique_random_pool_t *pool);

/*
 * Whether this worker is to fetch for the range before any number is drawn from
 * it: the first request that waits makes all ranges known.
 */
ngx_uint_t ngx_http_unique_random_zone_fetch_first(
    ngx_http_unique_random_range_t *range);

void ngx_http_unique_random_zone_outlook(ngx_http_unique_random_pool_t *pool,
    ngx_http_unique_random_outlook_t *outlook);

/*
 * A reservation: begin, ask (as often as it is sent), and one of the other
 * three.  "waiting" is the number of requests that wait for it.
 */

void ngx_http_unique_random_zone_begin(ngx_http_unique_random_range_t *range);

void ngx_http_unique_random_zone_ask(ngx_http_unique_random_range_t *range,
    ngx_uint_t waiting, reservation_ask_t *ask);

/*
 * Takes a reply in.  If it contradicts what is remembered, its outcome becomes
 * RESERVATION_FENCED or RESERVATION_STALE, and detail says why.  NGX_OK if the
 * outcome or its reason is another one than before: worth a line in the log.
 */
ngx_int_t ngx_http_unique_random_zone_reply(
    ngx_http_unique_random_range_t *range, reservation_t *reply);

/* nothing was granted, or if "lost", something may have been (I3) */
void ngx_http_unique_random_zone_failed(ngx_http_unique_random_range_t *range,
    ngx_uint_t lost);

#define NGX_HTTP_UNIQUE_RANDOM_HEALTHY  0
#define NGX_HTTP_UNIQUE_RANDOM_FAILED   1
#define NGX_HTTP_UNIQUE_RANDOM_BROKEN   2     /* and will stay so for a while */

/*
 * NGX_OK if the shard has become available, or has ceased to be; NGX_AGAIN if
 * it has failed and is available still.
 */
ngx_int_t ngx_http_unique_random_zone_health(
    ngx_http_unique_random_shard_t *shard, ngx_uint_t result);

/*
 * Moves the leases of the range out of the zone, and says in "ask" what to tell
 * the database with them.  NGX_DECLINED if there are none, or none that may be
 * given back: "left" of them are burned.
 */
ngx_int_t ngx_http_unique_random_zone_leave(
    ngx_http_unique_random_range_t *range, leases_t *leases, uint64_t *left,
    reservation_ask_t *ask);

/* the address that the name of a peer was last found to have; "" at first */
void ngx_http_unique_random_zone_set_addr(
    ngx_http_unique_random_shard_t *shard, const char *addr);
void ngx_http_unique_random_zone_addr(ngx_http_unique_random_shard_t *shard,
    ngx_uint_t peer, char *addr);

/* whether what is leased of the range may be issued; needs no mutex */
ngx_uint_t ngx_http_unique_random_zone_issues(
    ngx_http_unique_random_range_t *range);

/* NGX_DECLINED if the slot is another range's now, with another key */
ngx_int_t ngx_http_unique_random_zone_key(
    ngx_http_unique_random_range_t *range, u_char *key);

/* whether any worker has a reservation in flight; the caller has the mutex */
ngx_uint_t ngx_http_unique_random_zone_in_flight(
    ngx_http_unique_random_slot_t *slot);

/*
 * Likewise: that this worker holds positions, and puts them back within "time"
 * milliseconds if it does not say so again; and whether any worker may do so.
 */
void ngx_http_unique_random_zone_hold(ngx_http_unique_random_slot_t *slot,
    ngx_msec_t time);
ngx_uint_t ngx_http_unique_random_zone_held(
    ngx_http_unique_random_slot_t *slot);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_ZONE_H_INCLUDED_ */
