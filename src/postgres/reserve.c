
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Asks for ranges, all of a shard that are wanted at the time in one statement.
 * Keeps I3: where a reply does not arrive, what it may have granted is burned.
 */


#include "postgres/bootstrap.h"
#include "postgres/connect.h"
#include "postgres/replies.h"
#include "postgres/report.h"
#include "postgres/reserve.h"
#include "zone/health.h"
#include "zone/slot.h"
#include "zone/workers.h"


/* most ranges in one statement */
#define NGX_UR_ASKS   256

/* how long to wait for the lock of a row, where other ranges may be asked */
#define NGX_UR_LOCK   250

/* how long to leave a shard alone that this worker cannot connect to */
#define NGX_UR_PAUSE  250


static void ngx_ur_reserve_claim(ngx_ur_range_t *range, ngx_ur_cause_t *cause);
static ngx_msec_t ngx_ur_reserve_time(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_start(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_gather(ngx_ur_shard_t *shard);
static ngx_int_t ngx_ur_reserve_query(ngx_ur_shard_t *shard);
static void ngx_ur_reserve_bootstrapped(ngx_ur_shard_t *shard, ngx_int_t rc);


void
ngx_ur_reserve(ngx_ur_pool_t *pool, ngx_ur_cause_t *cause)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    ranges = pool->ranges.elts;
    shards = pool->shards.elts;

    ngx_ur_zone_lock(pool);

    for (i = 0; i < pool->ranges.nelts; i++) {
        ngx_ur_reserve_claim(ranges[i], cause);
    }

    ngx_ur_zone_unlock(pool);

    for (i = 0; i < pool->shards.nelts; i++) {

        if (!shards[i]->busy && !ngx_queue_empty(&shards[i]->asks)) {
            shards[i]->busy = 1;
            ngx_ur_reserve_start(shards[i]);
        }
    }
}


/* whoever acts on a claim makes it, in the same step as the decision */

static void
ngx_ur_reserve_claim(ngx_ur_range_t *range, ngx_ur_cause_t *cause)
{
    ngx_ur_pool_t  *pool;
    ngx_ur_need_e   need;

    need = ngx_ur_choice_ask(range, cause);

    if (need == NGX_UR_NEED_NONE) {
        return;
    }

    pool = range->shard->pool;

    range->need = need;
    range->asked = 1;
    range->chosen = (range == cause->range);

    pool->nasked++;

    ngx_queue_insert_tail(&range->shard->asks, &range->queue);

    ngx_ur_workers_claim(pool, range->slot);
    ngx_ur_workers_ask(pool, ngx_ur_reserve_time(range->shard));
}


/*
 * How long it may take at most, with a second attempt to connect, and a
 * bootstrap.  It ends with the worker in any case.
 */

static ngx_msec_t
ngx_ur_reserve_time(ngx_ur_shard_t *shard)
{
    return shard->pool->reserve_timeout * 3
           + shard->pool->connect_timeout * 2;
}


void
ngx_ur_reserve_handler(ngx_ur_postgres_t *pg, ngx_int_t rc)
{
    ngx_ur_shard_t  *shard;

    shard = pg->data;

    switch (shard->step) {

    case NGX_UR_STEP_RESERVE:

        if (rc != NGX_OK) {
            attempt_fail(shard->connect->attempt, (char *) pg->error);
            ngx_ur_replies_lost(shard);
            return;
        }

        ngx_ur_replies(shard);
        return;

    default: /* bootstrap */
        ngx_ur_reserve_bootstrapped(shard, rc);
    }
}


void
ngx_ur_reserve_connected(ngx_ur_shard_t *shard, ngx_uint_t result)
{
    if (result != NGX_UR_HEALTHY) {
        ngx_ur_reserve_failed(shard, result, 0);
        return;
    }

    ngx_ur_reserve_send(shard);
}


static void
ngx_ur_reserve_bootstrapped(ngx_ur_shard_t *shard, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        rc = ngx_ur_bootstrap_handler(shard);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_ur_report_bootstrap(shard);
        ngx_ur_reserve_failed(shard, NGX_UR_BROKEN, 0);
        return;
    }

    ngx_ur_reserve_send(shard);
}


static void
ngx_ur_reserve_start(ngx_ur_shard_t *shard)
{
    ngx_uint_t  result;

    shard->deadline = ngx_current_msec + shard->pool->reserve_timeout;
    shard->bootstrapped = 0;

    if (shard->postgres.state == NGX_UR_POSTGRES_IDLE) {
        shard->connect->reused = 1;
        ngx_ur_reserve_send(shard);
        return;
    }

    result = ngx_ur_connect(shard);

    if (result != NGX_UR_HEALTHY) {
        ngx_ur_reserve_failed(shard, result, 0);
    }
}


void
ngx_ur_reserve_next_host(ngx_ur_shard_t *shard)
{
    ngx_uint_t  result;

    result = ngx_ur_connect_next(shard);

    if (result != NGX_UR_HEALTHY) {
        ngx_ur_reserve_failed(shard, result, 0);
    }
}


void
ngx_ur_reserve_send(ngx_ur_shard_t *shard)
{
    ngx_ur_pool_t  *pool;

    pool = shard->pool;

    ngx_ur_reserve_gather(shard);

    if (ngx_queue_empty(&shard->sent)) {
        ngx_ur_reserve_done(shard);
        return;
    }

    ngx_ur_zone_lock(pool);

    ngx_ur_workers_ask(pool, ngx_ur_reserve_time(shard));

    ngx_ur_zone_unlock(pool);

    shard->step = NGX_UR_STEP_RESERVE;
    shard->doubt[0] = '\0';

    if (ngx_ur_reserve_query(shard) != NGX_OK) {
        ngx_ur_reserve_failed(shard, NGX_UR_FAILED, 1);
    }
}


/* what was sent before, and for some reason has to be again, comes first */

static void
ngx_ur_reserve_gather(ngx_ur_shard_t *shard)
{
    ngx_uint_t       n;
    ngx_queue_t     *q;
    ngx_ur_range_t  *range;

    while (!ngx_queue_empty(&shard->sent)) {
        q = ngx_queue_last(&shard->sent);
        ngx_queue_remove(q);
        ngx_queue_insert_head(&shard->asks, q);
    }

    for (n = 0; n < NGX_UR_ASKS; /* void */ ) {

        if (ngx_queue_empty(&shard->asks)) {
            return;
        }

        q = ngx_queue_head(&shard->asks);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        if (ngx_ur_slot_ask(range, range->chosen
                                                   ? shard->pool->nwaiters : 0)
            != NGX_OK)
        {
            ngx_ur_reserve_end(range);
            continue;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&shard->sent, q);
        n++;
    }
}


static ngx_int_t
ngx_ur_reserve_query(ngx_ur_shard_t *shard)
{
    char                   *buf;
    size_t                  n;
    ngx_int_t               rc;
    const char             *values[STATEMENT_RESERVE_NPARAMS];
    ngx_queue_t            *q;
    ngx_ur_range_t         *range;
    statement_caller_t      caller;
    const statement_ask_t  *asks[NGX_UR_ASKS];

    n = 0;
    caller.places = RESERVATION_PLACES;

    for (q = ngx_queue_head(&shard->sent);
         q != ngx_queue_sentinel(&shard->sent);
         q = ngx_queue_next(q))
    {
        range = ngx_queue_data(q, ngx_ur_range_t, queue);
        asks[n++] = &range->ask;

        caller.places = ngx_min(caller.places, range->ask.places);
    }

    buf = ngx_alloc(statement_params_size(n), shard->postgres.log);

    if (buf == NULL) {
        ngx_ur_postgres_set_error(&shard->postgres, "out of memory");
        ngx_ur_connect_abort(shard, "out of memory");
        return NGX_ERROR;
    }

    caller.pool = (char *) shard->pool->name.data;
    caller.holder = shard->pool->sh->holder;

    /*
     * A row's lock is given up well before we give up the connection, and
     * sooner where other ranges need it.
     */

    caller.lock_wait = shard->pool->reserve_timeout * 3 / 4;

    if (shard->ranges.nelts > 1) {
        caller.lock_wait = ngx_min(caller.lock_wait, NGX_UR_LOCK);
    }

    statement_reserve_params(values, buf, &caller, asks, n);

    rc = ngx_ur_postgres_query(&shard->postgres, statement_reserve,
                               STATEMENT_RESERVE_NPARAMS, values,
                               shard->pool->reserve_timeout);
    ngx_free(buf);

    return rc;
}


void
ngx_ur_reserve_done(ngx_ur_shard_t *shard)
{
    if (shard->stale) {

        /* its name may lead elsewhere by now */

        shard->stale = 0;
        ngx_ur_connect_abort(shard, "stale");
    }

    if (!ngx_queue_empty(&shard->asks)) {
        ngx_ur_reserve_start(shard);
        return;
    }

    shard->busy = 0;

    if (shard->postgres.state == NGX_UR_POSTGRES_IDLE) {
        ngx_ur_postgres_park(&shard->postgres);
    }
}


void
ngx_ur_reserve_failed(ngx_ur_shard_t *shard, ngx_uint_t result,
    ngx_uint_t lost)
{
    ngx_int_t           rc;
    ngx_uint_t          level;
    ngx_ur_postgres_t  *pg;

    pg = &shard->postgres;

    if (result == NGX_UR_SHORT || result == NGX_UR_AWAY) {
        /* it tells nothing of the shard, and other workers may ask it */

        shard->short_until = ngx_current_msec + NGX_UR_PAUSE;

        level = (result == NGX_UR_SHORT) ? NGX_LOG_ALERT
                                                         : NGX_LOG_INFO;

        ngx_log_error(level, pg->log, 0,
                      "this worker cannot connect to shard \"%V\": %s",
                      &shard->name, pg->error);

    } else {
        rc = ngx_ur_health_report(shard, result);

        level = (rc == NGX_OK) ? NGX_LOG_ERR
                               : (rc == NGX_AGAIN) ? NGX_LOG_WARN
                                                   : NGX_LOG_INFO;

        ngx_log_error(level, pg->log, 0, "could not reserve from shard \"%V\""
                      "%s: %s%s", &shard->name,
                      rc == NGX_OK ? ", it is unavailable for now" : "",
                      pg->error,
                      lost ? ", what was asked for is burned" : "");
    }

    ngx_ur_reserve_end_all(shard, lost);
    ngx_ur_reserve_done(shard);
}


void
ngx_ur_reserve_end_all(ngx_ur_shard_t *shard, ngx_uint_t lost)
{
    ngx_queue_t     *q;
    ngx_ur_range_t  *range;

    while (!ngx_queue_empty(&shard->sent)) {
        q = ngx_queue_head(&shard->sent);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        ngx_ur_slot_failed(range, lost);
        ngx_ur_reserve_end(range);
    }

    ngx_ur_reserve_end_asks(shard);
}


void
ngx_ur_reserve_end_asks(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *q;
    ngx_ur_range_t  *range;

    while (!ngx_queue_empty(&shard->asks)) {
        q = ngx_queue_head(&shard->asks);
        range = ngx_queue_data(q, ngx_ur_range_t, queue);

        ngx_ur_reserve_end(range);
    }
}


void
ngx_ur_reserve_end(ngx_ur_range_t *range)
{
    ngx_ur_pool_t  *pool;
    ngx_ur_slot_t  *slot;

    pool = range->shard->pool;

    ngx_queue_remove(&range->queue);

    range->asked = 0;

    /* what still does not answer is no reason to have more patience */

    pool->nasked--;
    pool->patient = 0;

    ngx_ur_zone_lock(pool);

    slot = ngx_ur_slot(range);

    if (slot) {
        ngx_ur_workers_unclaim(slot);
    }

    if (pool->nasked == 0) {
        ngx_ur_workers_ask(pool, 0);
    }

    ngx_ur_zone_unlock(pool);

    if (pool->nwaiters) {
        ngx_post_event(&pool->wake, &ngx_posted_events);
    }
}
