
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A claim is made in the step that decides it, and ends with the ask: so two
 * workers do not ask for the same, and one that dies keeps nobody from asking.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "pool.h"
#include "zone/account.h"
#include "zone/asks.h"
#include "zone/domain.h"
#include "zone/slot.h"
#include "zone/workers.h"
#include "zone/zone.h"


static uint64_t ngx_ur_asks_waiting(ngx_ur_ask_t *ask);


ngx_int_t
ngx_ur_asks_create(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_ur_ask_t     *ask;
    ngx_ur_asks_t    *asks;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    ranges = pool->ranges.elts;
    shards = pool->shards.elts;

    ask = ngx_pcalloc(cf->pool, pool->ranges.nelts * sizeof(ngx_ur_ask_t));
    asks = ngx_pcalloc(cf->pool, pool->shards.nelts * sizeof(ngx_ur_asks_t));

    if (ask == NULL || asks == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < pool->ranges.nelts; i++) {
        ask[i].range = ranges[i];
        ranges[i]->ask = &ask[i];
    }

    for (i = 0; i < pool->shards.nelts; i++) {
        ngx_queue_init(&asks[i].pending);
        ngx_queue_init(&asks[i].sent);
        shards[i]->asks = &asks[i];
    }

    return NGX_OK;
}


void
ngx_ur_asks_claim(ngx_ur_range_t *range, ngx_ur_need_e need, ngx_uint_t chosen,
    ngx_msec_t time)
{
    ngx_ur_ask_t   *ask;
    ngx_ur_pool_t  *pool;

    ask = range->ask;
    pool = range->shard->pool;

    ask->need = need;
    ask->asked = 1;
    ask->chosen = chosen;
    ask->params.want = 0;

    if (need == NGX_UR_NEED_NEWS) {
        range->slot->news_at = ngx_current_msec;
    }

    pool->nasked++;

    ngx_queue_insert_tail(&range->shard->asks->pending, &ask->queue);

    ngx_ur_workers_claim(pool, range->slot);
    ngx_ur_workers_ask(pool, time);
}


void
ngx_ur_asks_gather(ngx_ur_shard_t *shard, ngx_uint_t max, ngx_msec_t time)
{
    ngx_queue_t    *q, *following;
    ngx_ur_ask_t   *ask;
    ngx_ur_asks_t  *asks;

    asks = shard->asks;

    while (!ngx_queue_empty(&asks->sent)) {
        q = ngx_queue_last(&asks->sent);
        ngx_queue_remove(q);
        ngx_queue_insert_head(&asks->pending, q);
    }

    asks->nsent = 0;

    for (q = ngx_queue_head(&asks->pending);
         q != &asks->pending && asks->nsent < max;
         q = following)
    {
        following = ngx_queue_next(q);
        ask = ngx_queue_data(q, ngx_ur_ask_t, queue);

        if (!ngx_ur_domain_is_ready(ask->range)) {
            continue;
        }

        if (ngx_ur_slot_ask(ask->range, ask->need != NGX_UR_NEED_LEASE,
                            ngx_ur_asks_waiting(ask), &ask->params)
            != NGX_OK)
        {
            ngx_ur_asks_end(ask->range);
            continue;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&asks->sent, q);
        asks->nsent++;

        ask->sent_at = ngx_current_msec;

        ngx_ur_account_ask(ask->range, ask->params.want);
    }

    if (asks->nsent) {
        ngx_ur_zone_lock(shard->pool);

        ngx_ur_workers_ask(shard->pool, time);

        ngx_ur_zone_unlock(shard->pool);
    }
}


/* how many numbers of the range are waited for */

static uint64_t
ngx_ur_asks_waiting(ngx_ur_ask_t *ask)
{
    return ask->wanted + (ask->chosen ? ask->range->shard->pool->nwaiters : 0);
}


void
ngx_ur_asks_end(ngx_ur_range_t *range)
{
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;

    ngx_queue_remove(&range->ask->queue);

    range->ask->asked = 0;
    range->ask->wanted = 0;
    ngx_ur_account_ask(range, 0);

    pool->nasked--;

    /* news are nothing that those who want numbers have asked for */

    if (range->ask->need != NGX_UR_NEED_NEWS) {
        pool->nended++;
    }

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        ngx_ur_workers_unclaim(slot);
    }

    if (pool->nasked == 0) {
        ngx_ur_workers_ask(pool, 0);
    }

    ngx_ur_zone_unlock(pool);

    if (pool->nwaiters || pool->nbulk) {
        ngx_post_event(&pool->wake, &ngx_posted_events);
    }

    if (pool->nlooks) {
        ngx_post_event(&pool->look, &ngx_posted_events);
    }
}


void
ngx_ur_asks_end_pending(ngx_ur_shard_t *shard)
{
    ngx_queue_t  *pending;

    pending = &shard->asks->pending;

    while (!ngx_queue_empty(pending)) {
        ngx_ur_asks_end(ngx_ur_asks_range(ngx_queue_head(pending)));
    }
}


void
ngx_ur_asks_end_all(ngx_ur_shard_t *shard, ngx_uint_t lost)
{
    ngx_queue_t     *sent;
    ngx_ur_range_t  *range;

    sent = &shard->asks->sent;

    while (!ngx_queue_empty(sent)) {
        range = ngx_ur_asks_range(ngx_queue_head(sent));

        if (lost) {
            ngx_ur_slot_lost(range, range->ask->params.want);
        }

        ngx_ur_asks_end(range);
    }

    ngx_ur_asks_end_pending(shard);
}
