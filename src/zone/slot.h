
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The slot of a range during a reservation: what is asked for, and what a
 * reply changes.
 */


#ifndef _NGX_UR_SLOT_H_INCLUDED_
#define _NGX_UR_SLOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "zone/zone.h"


/*
 * A slot is (first, last, key digest), I6: a configuration finds it by first
 * and last, and keeps its id to notice when it has been given to another
 * range.  The digest is learned from the state on disk or from the first reply,
 * which has the key, and never changes; it covers the domain of a range that
 * was adopted, so leases are of that domain, which the slot names with the key.
 *
 * What a batch is taken from comes first, in few cache lines.
 */

struct ngx_ur_slot_s {
    uint64_t              id;           /* 0: of no range */
    uint64_t              first;
    uint64_t              last;

    /* of the last reply: why nothing was granted, or RESERVATION_GRANTED */
    ngx_uint_t            outcome;

    ngx_uint_t            adopted;      /* the key is of one that was */

    uint64_t              remaining;    /* that can be reserved */
    uint64_t              granted;      /* by the last grant */
    lease_rate_t          rate;
    leases_t              leases;

    memory_cell_t         memory;
    u_char                key[RESERVATION_KEY_LEN];
    u_char                domain[STATEMENT_SHA256_LEN]; /* that goes with it */
    ngx_ur_account_t     *account;      /* zone/account.c */
    ngx_msec_t            answered_at;
    ngx_msec_t            news_at;      /* it was asked how far it is, */
    ngx_msec_t            told_at;      /* and has told */
    uint32_t              detail;       /* of outcome: a text's CRC */

    ngx_ur_generations_t  had_by;       /* zone/places.c */

    /* zone/save.c: the version of "memory" that is on disk, if saved_id is id;
       another key or life is there, which has been reported */
    uint64_t              saved;
    uint64_t              saved_id;
    ngx_uint_t            conflict;

    /* zone/workers.c: the worker that asks for all, void when its entry is */
    ngx_pid_t             asker;
    uint32_t              asker_entry;

    unsigned              has_key:1;
    unsigned              cautious:1;   /* a reply was lost (I3) */
};


/*
 * Whether the database has nothing against the range.  One that is deferred is
 * judged as one that grants, for it lifts a fence and its leases go on.
 */
#define ngx_ur_slot_in_order(outcome)                                         \
    ((outcome) == RESERVATION_GRANTED                                         \
     || (outcome) == RESERVATION_EXHAUSTED                                    \
     || (outcome) == RESERVATION_DEFERRED)

/*
 * The slot of the range, or NULL if it is another range's now: the one way to
 * what it holds.  The caller has the mutex.
 */
ngx_ur_slot_t *ngx_ur_slot(ngx_ur_range_t *range);

/* the slot of the range with these bounds, or NULL; the master's */
ngx_ur_slot_t *ngx_ur_slot_find(ngx_ur_shctx_t *sh, uint64_t first,
    uint64_t last);

/* whether what is leased of the range may be issued; needs no mutex */
ngx_uint_t ngx_ur_slot_issues(ngx_ur_range_t *range);

/*
 * Whether nothing is left of the range, nor leased and kept for when its shard
 * is not down any more.  It has its slot, and the caller has the mutex.
 */
ngx_uint_t ngx_ur_slot_used_up(ngx_ur_range_t *range);

/*
 * Whether the range is configured as the slot knows it, and its domain, if it
 * is to have one, is there; needs no mutex.
 */
ngx_uint_t ngx_ur_slot_fits(ngx_ur_range_t *range);

/*
 * NGX_DECLINED if the key is not known, or goes with another domain than the
 * one that is there, or the slot is another range's now.
 */
ngx_int_t ngx_ur_slot_key(ngx_ur_range_t *range, u_char *key);

/* whether anything is remembered of the range */
ngx_uint_t ngx_ur_slot_known(ngx_ur_range_t *range);

/*
 * What to ask for, where so many numbers are waited for; nothing is reserved
 * with "look".  NGX_DECLINED if the slot is another range's now.
 */
ngx_int_t ngx_ur_slot_ask(ngx_ur_range_t *range, ngx_uint_t look,
    uint64_t waiting, statement_ask_t *ask);

/*
 * Takes in what is remembered of the range elsewhere, or in its row: a later
 * life burns all leases.  The caller has the mutex.
 */
memory_merge_e ngx_ur_slot_learn(ngx_ur_slot_t *slot, const memory_t *other);

/* the reply did not arrive: what was wanted may have been granted (I3) */
void ngx_ur_slot_lost(ngx_ur_range_t *range, uint64_t want);

/*
 * Moves the leases of the range out of the zone, and says in "ask" what to tell
 * the database with them.  NGX_DECLINED if there are none, or none that may be
 * given back: "left" of them are burned.
 */
ngx_int_t ngx_ur_slot_leave(ngx_ur_range_t *range, statement_ask_t *ask,
    leases_t *leases, uint64_t *left);


#endif /* _NGX_UR_SLOT_H_INCLUDED_ */
