
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Keeps I5: leases come from replies alone; I6: a slot keeps its key; and I8:
 * a reply that contradicts what is remembered grants nothing.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/barrier.h"
#include "core/lease.h"
#include "core/memory.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/asks.h"
#include "zone/domain.h"
#include "zone/reply.h"
#include "zone/slot.h"
#include "zone/zone.h"


static void ngx_ur_reply_began(reservation_t *reply);
static ngx_int_t ngx_ur_reply_take_in(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply);
static void ngx_ur_reply_check_domain(ngx_ur_range_t *range,
    ngx_ur_slot_t *slot, reservation_t *reply);
static ngx_uint_t ngx_ur_reply_void(ngx_ur_slot_t *slot,
    statement_ask_t *ask, reservation_t *reply);
static ngx_uint_t ngx_ur_reply_overtaken(ngx_ur_slot_t *slot,
    statement_ask_t *ask, reservation_t *reply);
static ngx_uint_t ngx_ur_reply_late(ngx_ur_slot_t *slot,
    reservation_t *reply);
static ngx_int_t ngx_ur_reply_conclude(ngx_ur_slot_t *slot,
    reservation_t *reply);
static void ngx_ur_reply_grant(ngx_ur_slot_t *slot, reservation_t *reply);
static char *ngx_ur_reply_contradiction(ngx_ur_slot_t *slot, memory_t *then,
    reservation_t *reply);
static char *ngx_ur_reply_gone(reservation_t *reply);
static void ngx_ur_reply_remember(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply, ngx_uint_t late);


ngx_int_t
ngx_ur_reply(ngx_ur_range_t *range, statement_ask_t *ask,
    reservation_t *reply, uint64_t *known)
{
    uint64_t        epoch, remaining;
    ngx_uint_t      told;
    ngx_int_t       rc;
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;
    rc = NGX_DECLINED;
    *known = reply->memory.reserved;

    ngx_ur_reply_began(reply);

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        epoch = memory_epoch(&slot->memory);
        remaining = slot->remaining;
        told = (slot->told_at != 0);

        rc = ngx_ur_reply_take_in(slot, ask, reply);

        if (memory_epoch(&slot->memory) == epoch) {
            reply->began = "";

            /* what another life has skipped, or all before, is no rate */

            if (told && slot->remaining < remaining) {
                ngx_ur_account_use(range, remaining - slot->remaining);
            }
        }

        if (range->adopted) {
            ngx_ur_reply_check_domain(range, slot, reply);
        }

        if (reply->count) {
            slot->account->took = ngx_current_msec - range->ask->sent_at;
        }

        *known = ngx_max(*known, memory_now(&slot->memory)->reserved);
    }

    ngx_ur_zone_unlock(pool);

    return rc;
}


/* there the detail is no reason for an outcome */

static void
ngx_ur_reply_began(reservation_t *reply)
{
    reply->began = "";

    if (reply->outcome == RESERVATION_GRANTED
        || reply->outcome == RESERVATION_EXHAUSTED)
    {
        reply->began = reply->detail;
        reply->detail = "";
    }
}


static ngx_int_t
ngx_ur_reply_take_in(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply)
{
    char        *reason;
    ngx_uint_t   late;

    slot->account->granted += reply->count;

    if (ngx_ur_reply_void(slot, ask, reply)) {
        return NGX_DECLINED;
    }

    reason = ngx_ur_reply_contradiction(slot, &ask->memory, reply);

    if (reason) {
        slot->account->burned[NGX_UR_BURNED_FENCED] += reply->count;

        if (reply->outcome != RESERVATION_STALE) {
            reply->outcome = RESERVATION_FENCED;
        }

        reply->detail = reason;
        reply->count = 0;
    }

    if (slot->outcome == RESERVATION_FENCED
        && (reply->outcome == RESERVATION_STALE
            || reply->outcome == RESERVATION_DOMAIN))
    {
        /* another life than the one that was fenced lifts no fence */

        return NGX_DECLINED;
    }

    late = 0;

    if (ngx_ur_slot_in_order(reply->outcome)) {
        late = ngx_ur_reply_late(slot, reply);

        ngx_ur_reply_remember(slot, ask, reply, late);
    }

    if (reply->count) {
        ngx_ur_reply_grant(slot, reply);
    }

    if (late) {
        return NGX_DECLINED;
    }

    if (reply->outcome == RESERVATION_GRANTED && reply->remaining == 0) {
        reply->outcome = RESERVATION_EXHAUSTED;
    }

    return ngx_ur_reply_conclude(slot, reply);
}


/*
 * One that goes with another key than that of the slot is of no use; but it
 * would come again while the row has that key, too.  Nor is it of use if there
 * is no key yet, and the row has another one.
 */

static void
ngx_ur_reply_check_domain(ngx_ur_range_t *range, ngx_ur_slot_t *slot,
    reservation_t *reply)
{
    if (slot->has_key) {
        if (ngx_ur_slot_in_order(reply->outcome)) {
            ngx_ur_domain_drop(range, slot->domain);
        }

    } else if (reply->outcome == RESERVATION_DOMAIN) {
        ngx_ur_domain_drop(range, NULL);
    }
}


/* whether it was asked for before what others have learned meanwhile */

static ngx_uint_t
ngx_ur_reply_void(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply)
{
    if (ngx_ur_reply_overtaken(slot, ask, reply)) {
        slot->account->burned[NGX_UR_BURNED_LIFE] += reply->count;
        return 1;
    }

    slot->answered_at = ngx_current_msec;

    if (slot->outcome == RESERVATION_FENCED && ask->want) {

        /* before the fence: only a look can lift it */

        slot->account->burned[NGX_UR_BURNED_FENCED] += reply->count;
        return 1;
    }

    return 0;
}


/* whether it was asked for before a life that others have seen meanwhile */

static ngx_uint_t
ngx_ur_reply_overtaken(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply)
{
    uint64_t  epoch;

    epoch = memory_epoch(&slot->memory);

    return reply->memory.epoch
           && reply->memory.epoch < epoch
           && ask->memory.epoch < epoch;
}


/* whether a reply to another worker has told how the range is since then */

static ngx_uint_t
ngx_ur_reply_late(ngx_ur_slot_t *slot, reservation_t *reply)
{
    memory_t  *now;

    now = memory_now(&slot->memory);

    return slot->told_at
           && reply->memory.epoch == now->epoch
           && reply->memory.serial < now->serial;
}


/* NGX_OK if it is another outcome than before, or another reason */

static ngx_int_t
ngx_ur_reply_conclude(ngx_ur_slot_t *slot, reservation_t *reply)
{
    uint32_t           detail;
    ngx_int_t          rc;
    ngx_ur_account_t  *account;

    detail = ngx_crc32_short((u_char *) reply->detail,
                             ngx_strlen(reply->detail));

    rc = (slot->outcome == reply->outcome && slot->detail == detail)
         ? NGX_DECLINED : NGX_OK;

    /* whoever sees that a fence is lifted sees the new life, too */

    ngx_memory_barrier();

    if (rc == NGX_OK) {
        account = slot->account;

        account->since = ngx_ur_account_time();
        account->stale = reservation_stale(reply);
        account->sql[0] = '\0';

        *ngx_slprintf(account->reason,
                      account->reason + NGX_UR_ACCOUNT_TEXT - 1, "%s%s%s",
                      reply->gone ? RESERVATION_GONE : "",
                      reply->gone && reply->detail[0] ? ": " : "",
                      reply->detail)
            = '\0';
    }

    slot->outcome = reply->outcome;
    slot->detail = detail;

    return rc;
}


static void
ngx_ur_reply_grant(ngx_ur_slot_t *slot, reservation_t *reply)
{
    size_t                   i;
    reservation_interval_t  *interval;

    for (i = 0; i < reply->nintervals; i++) {
        interval = &reply->intervals[i];

        if (leases_put(&slot->leases, interval->start, interval->end) != 0) {
            slot->account->burned[NGX_UR_BURNED_SKIPPED] += interval->end
                                                            - interval->start;
        }
    }

    slot->granted = reply->count;
    slot->cautious = 0;

    slot->account->reserved = reply->count;
    slot->account->reserved_at = ngx_ur_account_time();

    lease_rate_start(&slot->rate);
}


/*
 * A reply is held against what was remembered when it was asked for, since
 * replies to several workers may be taken in out of order; and its epoch
 * against what is remembered now.
 */

static char *
ngx_ur_reply_contradiction(ngx_ur_slot_t *slot, memory_t *then,
    reservation_t *reply)
{
    memory_t  *now, *row;

    now = memory_now(&slot->memory);
    row = &reply->memory;

    if (now->epoch == 0) {
        return NULL;
    }

    if (reply->outcome == RESERVATION_MISSING
        || reply->outcome == RESERVATION_MISMATCH)
    {
        return ngx_ur_reply_gone(reply);
    }

    if (!ngx_ur_slot_in_order(reply->outcome)) {
        return NULL;
    }

    if (ngx_strcmp(row->digest, now->digest) != 0) {
        return RESERVATION_KEY;
    }

    if (row->epoch < now->epoch
        || (row->epoch == now->epoch
            && ngx_strcmp(row->incarnation, now->incarnation) != 0))
    {
        reply->outcome = RESERVATION_STALE;
        return RESERVATION_LATER_LIFE;
    }

    if (row->reserved < then->reserved) {
        return "fewer positions are reserved than were known to be";
    }

    if (row->epoch == then->epoch
        && (row->serial < then->serial + (reply->count ? 1 : 0)
            || row->timeline < then->timeline))
    {
        return "its time has gone back";
    }

    return NULL;
}


/*
 * What the database says stays the reason: the row may be there, or elsewhere,
 * and must not be made again then.  That there is no schema, or that it has to
 * be adopted, says nothing of a range that was there.
 */

static char *
ngx_ur_reply_gone(reservation_t *reply)
{
    reply->gone = 1;

    if (reply->outcome == RESERVATION_MISMATCH) {
        return "it has another last number there";
    }

    if (reply->no_schema
        || ngx_strcmp(reply->detail, RESERVATION_UNADOPTED) == 0)
    {
        return "";
    }

    return (char *) reply->detail;
}


static void
ngx_ur_reply_remember(ngx_ur_slot_t *slot, statement_ask_t *ask,
    reservation_t *reply, ngx_uint_t late)
{
    if (!late) {
        slot->remaining = reply->remaining;
    }

    if (reply->has_key) {
        ngx_memcpy(slot->key, reply->key, RESERVATION_KEY_LEN);
        ngx_memcpy(slot->domain, ask->domain, STATEMENT_SHA256_LEN);
        barrier_stores();
        slot->adopted = ask->adopted;
        slot->has_key = 1;
    }

    (void) ngx_ur_slot_learn(slot, &reply->memory);

    /* whoever sees how new it is sees what is new, too */

    barrier_stores();

    slot->told_at = ngx_current_msec;
}
