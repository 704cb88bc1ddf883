
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "core/memory.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/batch.h"
#include "zone/hold.h"
#include "zone/share.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* rounds of shares, before what is missing comes from wherever it is */
#define NGX_UR_HOLD_ROUNDS  3

/* most have a piece of each of a few ranges */
#define NGX_UR_HOLD_MEMORY  1024


static ngx_int_t ngx_ur_hold_cut_shares(ngx_ur_hold_t *hold, uint64_t n);
static ngx_int_t ngx_ur_hold_cut(ngx_ur_hold_t *hold, ngx_ur_range_t *range,
    uint64_t n);
static void ngx_ur_hold_join(ngx_ur_hold_t *hold);
static void ngx_ur_hold_put_back(ngx_ur_hold_t *hold);
static void ngx_ur_hold_put_back_piece(ngx_ur_piece_t *piece);
static void ngx_ur_hold_destroy(ngx_ur_hold_t *hold);
static uint64_t ngx_ur_hold_burn(ngx_ur_hold_t *hold);


void
ngx_ur_hold_create(ngx_ur_pool_t *pool)
{
    ngx_queue_init(&pool->holds);
}


ngx_ur_hold_t *
ngx_ur_hold_start(ngx_ur_pool_t *pool)
{
    ngx_pool_t     *memory;
    ngx_ur_hold_t  *hold;

    memory = ngx_create_pool(NGX_UR_HOLD_MEMORY, ngx_cycle->log);
    if (memory == NULL) {
        return NULL;
    }

    hold = ngx_pcalloc(memory, sizeof(ngx_ur_hold_t));

    if (hold == NULL
        || ngx_array_init(&hold->pieces, memory, pool->ranges.nelts,
                          sizeof(ngx_ur_piece_t))
           != NGX_OK)
    {
        ngx_destroy_pool(memory);
        return NULL;
    }

    hold->pool = pool;
    hold->memory = memory;

    ngx_queue_insert_tail(&pool->holds, &hold->queue);

    return hold;
}


ngx_int_t
ngx_ur_hold_take(ngx_ur_hold_t *hold, uint64_t n, ngx_uint_t patient,
    ngx_uint_t *low)
{
    ngx_int_t       rc;
    ngx_ur_pool_t  *pool;

    pool = hold->pool;

    *low = 0;

    ngx_ur_zone_lock(pool);

    ngx_ur_share(pool, n);

    if (pool->share->leased < n || (patient && ngx_ur_share_awaits(pool))) {
        ngx_ur_zone_unlock(pool);
        return NGX_DECLINED;
    }

    rc = ngx_ur_hold_cut_shares(hold, n);

    *low = ngx_ur_share_is_low(pool);

    ngx_ur_workers_batch(pool, 3 * NGX_UR_TIDY);

    ngx_ur_zone_unlock(pool);

    if (pool->nheld && !pool->tidy.timer_set) {
        ngx_add_timer(&pool->tidy, NGX_UR_TIDY);
    }

    return rc;
}


/* n are leased, and divided */

static ngx_int_t
ngx_ur_hold_cut_shares(ngx_ur_hold_t *hold, uint64_t n)
{
    uint64_t           part;
    ngx_uint_t         i, round;
    ngx_ur_pool_t     *pool;
    ngx_ur_range_t   **ranges;
    ngx_ur_portion_t  *portion;

    pool = hold->pool;
    ranges = pool->ranges.elts;

    for (round = 0; n; round++) {

        for (i = 0; i < pool->ranges.nelts && n; i++) {
            portion = &pool->share->portions[i];

            part = (round < NGX_UR_HOLD_ROUNDS) ? portion->share : n;
            part = ngx_min(part, ngx_min(portion->leased, n));

            if (part && ngx_ur_hold_cut(hold, ranges[i], part) != NGX_OK) {
                return NGX_ERROR;
            }

            n -= part;
        }

        if (n) {
            ngx_ur_share(pool, n);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_hold_cut(ngx_ur_hold_t *hold, ngx_ur_range_t *range, uint64_t n)
{
    uint64_t         start, got;
    ngx_ur_slot_t   *slot;
    ngx_ur_piece_t  *piece;

    slot = range->slot;

    for ( /* void */ ; n; n -= got) {
        piece = ngx_array_push(&hold->pieces);
        if (piece == NULL) {
            return NGX_ERROR;
        }

        got = leases_cut(&slot->leases, n, &start);

        ngx_memory_barrier();

        if (got == 0 || !ngx_ur_slot_issues(range)) {

            /* the place is being given away, as ngx_ur_batch_take() has it */

            hold->pieces.nelts--;
            return NGX_ERROR;
        }

        piece->range = range;
        piece->epoch = memory_epoch(&slot->memory);
        piece->next = start;
        piece->end = start + got;
        piece->checked = start;

        ngx_ur_hold_join(hold);

        hold->left += got;
        hold->pool->nheld += got;

        ngx_ur_account_take(range, got);

        lease_rate_count(&slot->rate, &hold->pool->lease, got,
                         ngx_current_msec);
    }

    return NGX_OK;
}


/* few at a time are taken where many are excluded */

static void
ngx_ur_hold_join(ngx_ur_hold_t *hold)
{
    ngx_ur_piece_t  *piece, *before;

    if (hold->pieces.nelts == 1) {
        return;
    }

    piece = hold->pieces.elts;
    piece += hold->pieces.nelts - 1;
    before = piece - 1;

    if (before->range == piece->range
        && before->epoch == piece->epoch
        && before->end == piece->next)
    {
        before->end = piece->end;

        hold->pieces.nelts--;
        hold->first = ngx_min(hold->first, hold->pieces.nelts - 1);
    }
}


void
ngx_ur_hold_return(ngx_ur_hold_t *hold)
{
    ngx_ur_pool_t  *pool;

    pool = hold->pool;

    if (hold->left == 0) {
        return;
    }

    ngx_ur_zone_lock(pool);

    ngx_ur_hold_put_back(hold);

    ngx_ur_zone_unlock(pool);

    if (pool->nwaiters || pool->nbulk) {
        ngx_post_event(&pool->wake, &ngx_posted_events);
    }
}


/* from the last one on, so that those of one lease join again */

static void
ngx_ur_hold_put_back(ngx_ur_hold_t *hold)
{
    ngx_uint_t       i, kept;
    ngx_ur_piece_t  *pieces;

    pieces = hold->pieces.elts;

    hold->pool->nheld -= hold->left;
    hold->first = 0;
    hold->left = 0;
    hold->excluded = 0;

    for (i = hold->pieces.nelts; i--; /* void */ ) {
        ngx_ur_hold_put_back_piece(&pieces[i]);
    }

    for (i = 0, kept = 0; i < hold->pieces.nelts; i++) {

        if (pieces[i].next < pieces[i].end) {
            pieces[kept] = pieces[i];
            pieces[kept].checked = pieces[kept].next;

            hold->left += pieces[kept].end - pieces[kept].next;
            kept++;
        }
    }

    hold->pieces.nelts = kept;
    hold->pool->nheld += hold->left;
}


/* what there is no place for stays, unless nobody may issue it */

static void
ngx_ur_hold_put_back_piece(ngx_ur_piece_t *piece)
{
    uint64_t        left;
    ngx_ur_slot_t  *slot;

    slot = piece->range->slot;
    left = piece->end - piece->next;

    if (left == 0) {
        return;
    }

    if (slot->id == piece->range->slot_id) {

        if (piece->epoch != memory_epoch(&slot->memory)) {
            ngx_ur_account_burn(piece->range, NGX_UR_BURNED_LIFE, left);

        } else if (leases_return(&slot->leases, piece->next, piece->end) == 0) {
            lease_rate_return(&slot->rate, left);
            ngx_ur_account_return(piece->range, left);

        } else if (ngx_ur_slot_issues(piece->range)) {
            return;

        } else {
            ngx_ur_account_burn(piece->range, NGX_UR_BURNED_FENCED, left);
        }
    }

    piece->next = piece->end;
}


void
ngx_ur_hold_end(ngx_ur_hold_t *hold)
{
    ngx_ur_hold_return(hold);

    hold->ended = 1;

    if (hold->left == 0) {
        ngx_ur_hold_destroy(hold);
    }
}


static void
ngx_ur_hold_destroy(ngx_ur_hold_t *hold)
{
    ngx_queue_remove(&hold->queue);

    ngx_destroy_pool(hold->memory);
}


void
ngx_ur_hold_tidy(ngx_ur_pool_t *pool)
{
    ngx_queue_t    *q, *following;
    ngx_ur_hold_t  *hold;

    for (q = ngx_queue_head(&pool->holds);
         q != &pool->holds;
         q = following)
    {
        following = ngx_queue_next(q);
        hold = ngx_queue_data(q, ngx_ur_hold_t, queue);

        if (!hold->ended) {
            continue;
        }

        ngx_ur_hold_put_back(hold);

        if (hold->left == 0) {
            ngx_ur_hold_destroy(hold);
        }
    }
}


void
ngx_ur_hold_end_all(ngx_ur_pool_t *pool, ngx_log_t *log)
{
    uint64_t      burned;
    ngx_queue_t  *q;

    burned = 0;

    ngx_ur_zone_lock(pool);

    for (q = ngx_queue_head(&pool->holds);
         q != &pool->holds;
         q = ngx_queue_next(q))
    {
        burned += ngx_ur_hold_burn(ngx_queue_data(q, ngx_ur_hold_t, queue));
    }

    ngx_ur_zone_unlock(pool);

    if (burned) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "%uL positions that requests of this worker had are "
                      "burned in unique_random_pool \"%V\": the workers have "
                      "put back too many already", burned, &pool->name);
    }
}


/* what cannot be put back; returns how many positions */

static uint64_t
ngx_ur_hold_burn(ngx_ur_hold_t *hold)
{
    uint64_t         burned;
    ngx_uint_t       i;
    ngx_ur_piece_t  *pieces;

    ngx_ur_hold_put_back(hold);

    pieces = hold->pieces.elts;

    for (i = 0; i < hold->pieces.nelts; i++) {
        ngx_ur_account_burn(pieces[i].range, NGX_UR_BURNED_SKIPPED,
                            pieces[i].end - pieces[i].next);
    }

    burned = hold->left;

    hold->pool->nheld -= burned;
    hold->left = 0;
    hold->pieces.nelts = 0;

    return burned;
}
