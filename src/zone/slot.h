
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The slot of a range during a reservation: what is asked for, and what a
 * reply changes.
 */


#ifndef _NGX_UR_SLOT_H_INCLUDED_
#define _NGX_UR_SLOT_H_INCLUDED_


#include "pool.h"


/*
 * The slot of the range, or NULL if it is another range's now: the one way to
 * what it holds.  The caller has the mutex.
 */
ngx_ur_slot_t *ngx_ur_slot(ngx_ur_range_t *range);

/* whether what is leased of the range may be issued; needs no mutex */
ngx_uint_t ngx_ur_slot_issues(ngx_ur_range_t *range);

/* NGX_DECLINED if the slot is another range's now, with another key */
ngx_int_t ngx_ur_slot_key(ngx_ur_range_t *range, u_char *key);

/* whether anything is remembered of the range */
ngx_uint_t ngx_ur_slot_known(ngx_ur_range_t *range);

/*
 * What to ask for, into range->ask, for "waiting" requests.  NGX_DECLINED if
 * the slot is another range's now.
 */
ngx_int_t ngx_ur_slot_ask(ngx_ur_range_t *range, ngx_uint_t waiting);

/*
 * Takes in what is remembered of the range elsewhere, or in its row: a later
 * life burns all leases.  The caller has the mutex.
 */
memory_merge_e ngx_ur_slot_learn(ngx_ur_slot_t *slot, const memory_t *other);

/*
 * Takes a reply in.  If it contradicts what is remembered, its outcome becomes
 * RESERVATION_FENCED or RESERVATION_STALE, and detail says why.  NGX_OK if the
 * outcome or its reason is another one than before: worth a line in the log.
 * "known" becomes how many positions are known to be reserved.
 */
ngx_int_t ngx_ur_slot_reply(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t *known);

/* nothing was granted, or if "lost", something may have been (I3) */
void ngx_ur_slot_failed(ngx_ur_range_t *range, ngx_uint_t lost);

/*
 * Moves the leases of the range out of the zone, and says in range->ask what
 * to tell the database with them.  NGX_DECLINED if there are none, or none
 * that may be given back: "left" of them are burned.
 */
ngx_int_t ngx_ur_slot_leave(ngx_ur_range_t *range, leases_t *leases,
    uint64_t *left);


#endif /* _NGX_UR_SLOT_H_INCLUDED_ */
