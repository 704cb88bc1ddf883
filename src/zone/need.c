
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * When a range is asked, and for what, is decided here and nowhere else; the
 * table in docs/internals.md says it in words.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/lease.h"
#include "core/reservation.h"
#include "event/timer.h"
#include "pool.h"
#include "zone/asks.h"
#include "zone/domain.h"
#include "zone/health.h"
#include "zone/need.h"
#include "zone/slot.h"
#include "zone/workers.h"


/* how often a range that is used up is asked whether some came back */
#define NGX_UR_USED_UP   1000

/* how often one that will go on by itself is looked at */
#define NGX_UR_DEFERRED  250

/* how often one is asked how far it is */
#define NGX_UR_NEWS      1000


static ngx_ur_need_e ngx_ur_need_by_outcome(ngx_ur_range_t *range,
    ngx_uint_t waiting, ngx_msec_t *at);
static ngx_ur_need_e ngx_ur_need_news(ngx_ur_range_t *range, ngx_msec_t *at);
static ngx_msec_t ngx_ur_need_due(ngx_ur_range_t *range, ngx_ur_cause_t *cause,
    ngx_msec_t at);


ngx_ur_need_e
ngx_ur_need_now(ngx_ur_range_t *range, ngx_ur_cause_t *cause)
{
    ngx_msec_t     due;
    ngx_ur_need_e  need;

    need = ngx_ur_need(range, cause, &due);

    if (need == NGX_UR_NEED_NONE || due) {
        return NGX_UR_NEED_NONE;
    }

    if (need == NGX_UR_NEED_LOOK
        || range == cause->range
        || (cause->shared && range->ask->wanted))
    {
        return need;
    }

    /* at a cold start the first to answer serves, and all become known */

    if (cause->waiting
        && !range->slot->has_key
        && range->shard->pool->lease.max
        && !ngx_ur_workers_claimed(range->shard->pool, range->slot))
    {
        return need;
    }

    return NGX_UR_NEED_NONE;
}


ngx_ur_need_e
ngx_ur_need(ngx_ur_range_t *range, ngx_ur_cause_t *cause, ngx_msec_t *due)
{
    ngx_msec_t       at;
    ngx_ur_slot_t   *slot;
    ngx_ur_need_e    need;
    ngx_ur_shard_t  *shard;

    *due = NGX_TIMER_INFINITE;

    shard = range->shard;
    slot = ngx_ur_slot(range);

    if (slot == NULL
        || shard->down
        || range->ask->asked
        || (cause->news && range != cause->range)
        || (ngx_exiting && !cause->waiting))
    {
        return NGX_UR_NEED_NONE;
    }

    /* what is leased of a range that is drained may wait for its domain */

    if (shard->drain
        && !cause->news
        && (ngx_ur_domain_is_ready(range) || leases_left(&slot->leases) == 0))
    {
        return NGX_UR_NEED_NONE;
    }

    need = cause->news ? ngx_ur_need_news(range, &at)
                       : ngx_ur_need_by_outcome(range, cause->waiting, &at);

    /* one worker asks for all, but for requests that wait each its own */

    if (need == NGX_UR_NEED_NONE
        || ((need != NGX_UR_NEED_LEASE || !cause->waiting)
            && ngx_ur_workers_claimed(shard->pool, slot)))
    {
        return NGX_UR_NEED_NONE;
    }

    *due = ngx_ur_need_due(range, cause, at);

    return need;
}


/* what the last reply leaves to be asked, and from when on */

static ngx_ur_need_e
ngx_ur_need_by_outcome(ngx_ur_range_t *range, ngx_uint_t waiting,
    ngx_msec_t *at)
{
    ngx_ur_slot_t   *slot;
    ngx_ur_shard_t  *shard;

    slot = range->slot;
    shard = range->shard;

    *at = slot->answered_at;

    if (ngx_ur_slot_in_order(slot->outcome) && !ngx_ur_domain_is_ready(range)) {
        *at = ngx_current_msec;

        return NGX_UR_NEED_LOOK;
    }

    switch (slot->outcome) {

    case RESERVATION_GRANTED:

        if (!waiting
            && (shard->pool->lease.max == 0
                || slot->remaining == 0
                || !leases_low(&slot->leases, slot->granted)))
        {
            return NGX_UR_NEED_NONE;
        }

        *at = ngx_current_msec;

        return NGX_UR_NEED_LEASE;

    case RESERVATION_EXHAUSTED:
        *at += NGX_UR_USED_UP;

        return waiting ? NGX_UR_NEED_LOOK : NGX_UR_NEED_NONE;

    case RESERVATION_DEFERRED:
        *at += ngx_min(NGX_UR_DEFERRED, shard->fail_timeout);

        return NGX_UR_NEED_LOOK;

    default: /* refused */
        *at += shard->fail_timeout;

        return NGX_UR_NEED_LOOK;
    }
}


/* no sooner than those who want numbers would, and nothing is reserved */

static ngx_ur_need_e
ngx_ur_need_news(ngx_ur_range_t *range, ngx_msec_t *at)
{
    ngx_msec_t  next;

    if (ngx_ur_need_by_outcome(range, 1, at) == NGX_UR_NEED_LEASE) {
        *at = range->slot->answered_at + NGX_UR_NEWS;
    }

    /* not every ask is answered */

    next = range->slot->news_at + NGX_UR_NEWS;

    if ((ngx_msec_int_t) (next - *at) > 0) {
        *at = next;
    }

    return NGX_UR_NEED_NEWS;
}


/* in how many milliseconds the range may be asked for what is due then */

static ngx_msec_t
ngx_ur_need_due(ngx_ur_range_t *range, ngx_ur_cause_t *cause, ngx_msec_t at)
{
    ngx_msec_t       due;
    ngx_ur_shard_t  *shard;

    shard = range->shard;

    due = ngx_ur_health_due(shard, cause->hasty);

    if (!ngx_ur_timer_past(at)) {
        due = ngx_max(due, at - ngx_current_msec);
    }

    if (!ngx_ur_timer_past(range->ask->busy_until)) {
        due = ngx_max(due, range->ask->busy_until - ngx_current_msec);
    }

    if (!ngx_ur_timer_past(shard->asks->short_until)) {
        due = ngx_max(due, shard->asks->short_until - ngx_current_msec);
    }

    return due;
}
