
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/exclude.h"
#include "zone/hold.h"
#include "zone/issue.h"
#include "zone/map.h"
#include "zone/random.h"
#include "zone/slot.h"


/* numbers that are checked in a round of events */
#define NGX_UR_ISSUE_CHECKED  256


static ngx_int_t ngx_ur_issue_check_piece(ngx_ur_hold_t *hold,
    ngx_ur_piece_t *piece, ngx_uint_t n);
static void ngx_ur_issue_pick(ngx_ur_hold_t *hold, uint32_t *picks,
    ngx_uint_t n);
static void ngx_ur_issue_reckon(ngx_ur_hold_t *hold);
static ngx_uint_t ngx_ur_issue_find(ngx_ur_hold_t *hold, uint64_t position);
static ngx_int_t ngx_ur_issue_map(ngx_ur_hold_t *hold, uint64_t *values);
static ngx_uint_t ngx_ur_issue_piece_allowed(ngx_ur_piece_t *piece);


ngx_int_t
ngx_ur_issue_check(ngx_ur_hold_t *hold, ngx_uint_t *checked)
{
    ngx_uint_t       n;
    ngx_ur_piece_t  *pieces, *piece;

    if (hold->pool->excludes == NULL) {
        return NGX_OK;
    }

    pieces = hold->pieces.elts;

    while (hold->first < hold->pieces.nelts) {
        piece = &pieces[hold->first];

        if (piece->checked == piece->end) {
            hold->first++;
            continue;
        }

        n = ngx_min(piece->end - piece->checked,
                    NGX_UR_ISSUE_CHECKED - *checked);

        if (n == 0) {
            return NGX_AGAIN;
        }

        if (ngx_ur_issue_check_piece(hold, piece, n) != NGX_OK) {
            return NGX_ERROR;
        }

        *checked += n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_issue_check_piece(ngx_ur_hold_t *hold, ngx_ur_piece_t *piece,
    ngx_uint_t n)
{
    uint64_t    values[NGX_UR_ISSUE_CHECKED];
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        values[i] = piece->checked + i;
    }

    if (ngx_ur_map(piece->range, values, n) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        hold->excluded += ngx_ur_exclude(hold->pool,
                                         piece->range->first + values[i]);
    }

    piece->checked += n;

    return NGX_OK;
}


ngx_int_t
ngx_ur_issue(ngx_ur_hold_t *hold, uint64_t *numbers, ngx_uint_t n)
{
    uint32_t         picks[NGX_UR_ISSUE_MAX];
    uint64_t         number, values[NGX_UR_ISSUE_MAX];
    ngx_uint_t       i, issued;
    ngx_ur_piece_t  *pieces, *piece;

    n = ngx_min(n, ngx_min(hold->left, NGX_UR_ISSUE_MAX));

    ngx_ur_issue_pick(hold, picks, n);

    if (ngx_ur_issue_map(hold, values) != NGX_OK) {
        return NGX_ERROR;
    }

    pieces = hold->pieces.elts;

    for (i = 0, issued = 0; i < n; i++) {
        piece = &pieces[picks[i]];

        number = piece->range->first + values[piece->at++];

        piece->next++;

        if (hold->pool->excludes && ngx_ur_exclude(hold->pool, number)) {
            ngx_ur_account_exclude(piece->range);

        } else {
            ngx_ur_account_issue(piece->range);
            numbers[issued++] = number;
        }
    }

    hold->left -= n;
    hold->excluded -= n - issued;
    hold->pool->nheld -= n;

    return issued;
}


/*
 * Of each number, from which piece it is: as if they were drawn one by one.  A
 * position that has been picked already picks nothing.
 */

static void
ngx_ur_issue_pick(ngx_ur_hold_t *hold, uint32_t *picks, ngx_uint_t n)
{
    uint64_t         random, at;
    ngx_uint_t       i, k, drawn;
    ngx_ur_piece_t  *pieces;

    pieces = hold->pieces.elts;

    ngx_ur_issue_reckon(hold);

    random = 0;

    for (i = 0, drawn = 0; i < n; drawn++) {

        /* half of the bits are plenty for some millions */

        random = (drawn & 1) ? random >> 32 : ngx_ur_random();

        at = (uint32_t) random * hold->left >> 32;
        k = ngx_ur_issue_find(hold, at);

        if (at - pieces[k].before < pieces[k].picked) {
            continue;
        }

        pieces[k].picked++;
        picks[i++] = k;
    }
}


static void
ngx_ur_issue_reckon(ngx_ur_hold_t *hold)
{
    uint64_t         before;
    ngx_uint_t       i;
    ngx_ur_piece_t  *pieces;

    pieces = hold->pieces.elts;
    before = 0;

    for (i = 0; i < hold->pieces.nelts; i++) {
        pieces[i].before = before;
        pieces[i].picked = 0;

        before += pieces[i].end - pieces[i].next;
    }
}


/* the last piece that has no more before it: those that are empty have as many
   as the one that follows */

static ngx_uint_t
ngx_ur_issue_find(ngx_ur_hold_t *hold, uint64_t position)
{
    ngx_uint_t       low, high, middle;
    ngx_ur_piece_t  *pieces;

    pieces = hold->pieces.elts;

    low = 0;
    high = hold->pieces.nelts;

    while (high - low > 1) {
        middle = (low + high) / 2;

        if (pieces[middle].before <= position) {
            low = middle;

        } else {
            high = middle;
        }
    }

    return low;
}


/* nothing has been issued if this fails */

static ngx_int_t
ngx_ur_issue_map(ngx_ur_hold_t *hold, uint64_t *values)
{
    ngx_uint_t       i, j, at;
    ngx_ur_piece_t  *pieces, *piece;

    pieces = hold->pieces.elts;
    at = 0;

    for (i = 0; i < hold->pieces.nelts; i++) {
        piece = &pieces[i];

        if (piece->picked == 0) {
            continue;
        }

        if (!ngx_ur_issue_piece_allowed(piece)) {
            return NGX_ERROR;
        }

        piece->at = at;

        for (j = 0; j < piece->picked; j++) {
            values[at++] = piece->next + j;
        }

        if (ngx_ur_map(piece->range, &values[piece->at], piece->picked)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_ur_issue_allowed(ngx_ur_hold_t *hold)
{
    ngx_uint_t       i;
    ngx_ur_piece_t  *pieces;

    pieces = hold->pieces.elts;

    for (i = 0; i < hold->pieces.nelts; i++) {

        if (!ngx_ur_issue_piece_allowed(&pieces[i])) {
            return 0;
        }
    }

    return 1;
}


/* as ngx_ur_batch_left() sees it, before what it will be issued for */

static ngx_uint_t
ngx_ur_issue_piece_allowed(ngx_ur_piece_t *piece)
{
    if (!ngx_ur_slot_issues(piece->range)) {
        return 0;
    }

    ngx_memory_barrier();

    return piece->epoch == memory_epoch(&piece->range->slot->memory);
}
