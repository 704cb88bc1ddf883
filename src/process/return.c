
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A worker that exits has no event loop any more: a thread for each shard does
 * what blocks, and is waited for.  Keeps the one rule: positions leave the zone
 * before the database hears of them, and whatever then happens is not tried
 * again.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "blocking/attempt.h"
#include "blocking/give_back.h"
#include "core/lease.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "event/thread.h"
#include "pool.h"
#include "postgres/connect.h"
#include "postgres/session.h"
#include "process/return.h"
#include "zone/account.h"
#include "zone/slot.h"
#include "zone/zone.h"


/* longest to wait for the lock of a row, in milliseconds */
#define NGX_UR_RETURN_LOCK  500

/* room for the bounds of all leases of a range, as an array of SQL */
#define NGX_UR_RETURN_LEN   (LEASES_MAX * (NGX_INT64_LEN + 1) + sizeof("{}"))


typedef struct {
    ngx_ur_range_t        *range;
    statement_ask_t        ask;
    leases_t               leases;
    uint64_t               left;

    give_back_t            back;
    char                   buf[statement_params_size(1)];
    char                   starts[NGX_UR_RETURN_LEN];
    char                   ends[NGX_UR_RETURN_LEN];
} ngx_ur_rest_t;


/* what a shard is given back, a range at a time */

typedef struct {
    ngx_ur_thread_t        thread;
    ngx_ur_shard_t        *shard;
    ngx_array_t            rests;
    statement_caller_t     caller;      /* with strings of its own */
    attempt_t             *attempt;     /* once it has begun */
    ngx_uint_t             ended;
    char                  *reason;      /* until then */
} ngx_ur_return_t;


static ngx_int_t ngx_ur_return_take(ngx_array_t *jobs, ngx_ur_shard_t *shard);
static ngx_ur_return_t *ngx_ur_return_job(ngx_array_t *jobs,
    ngx_ur_shard_t *shard);
static ngx_int_t ngx_ur_return_all(ngx_array_t *jobs, ngx_msec_t deadline);
static void ngx_ur_return_start(ngx_ur_return_t *job, ngx_msec_t deadline);
static void ngx_ur_return_params(ngx_ur_rest_t *rest,
    const statement_caller_t *caller);
static void ngx_ur_return_run(void *data);
static void ngx_ur_return_done(void *data);
static void ngx_ur_return_tell(ngx_ur_return_t *job);
static void ngx_ur_return_burned(ngx_ur_rest_t *rest, const char *reason);


void
ngx_ur_return(ngx_ur_pool_t **pools, ngx_uint_t n, ngx_msec_t deadline,
    ngx_log_t *log)
{
    ngx_int_t         rc;
    ngx_uint_t        i, j;
    ngx_pool_t       *temp;
    ngx_array_t       jobs;
    ngx_ur_shard_t  **shards;

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return;
    }

    if (ngx_array_init(&jobs, temp, 4, sizeof(ngx_ur_return_t)) != NGX_OK) {
        ngx_destroy_pool(temp);
        return;
    }

    rc = NGX_OK;

    for (i = 0; i < n; i++) {

        /* the workers of a later configuration go on with the leases */

        if (pools[i]->zone->generation != pools[i]->zone->sh->generation) {
            continue;
        }

        shards = pools[i]->shards.elts;

        for (j = 0; j < pools[i]->shards.nelts && rc == NGX_OK; j++) {
            rc = ngx_ur_return_take(&jobs, shards[j]);
        }
    }

    /* a thread that does not come back may use its job for ever */

    if (ngx_ur_return_all(&jobs, deadline) == NGX_OK) {
        ngx_destroy_pool(temp);
    }
}


static ngx_int_t
ngx_ur_return_take(ngx_array_t *jobs, ngx_ur_shard_t *shard)
{
    ngx_uint_t         i;
    ngx_ur_rest_t     *rest;
    ngx_ur_range_t   **ranges;
    ngx_ur_return_t   *job;

    job = ngx_ur_return_job(jobs, shard);
    if (job == NULL) {
        return NGX_ERROR;
    }

    ranges = shard->ranges.elts;

    for (i = 0; i < shard->ranges.nelts; i++) {
        rest = ngx_array_push(&job->rests);
        if (rest == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(&rest->ask, sizeof(statement_ask_t));

        rest->range = ranges[i];
        rest->back.state = GIVE_BACK_PENDING;

        if (ngx_ur_slot_leave(ranges[i], &rest->ask, &rest->leases,
                              &rest->left)
            == NGX_OK)
        {
            continue;
        }

        if (rest->left) {
            ngx_ur_return_burned(rest, shard->down ? "the shard is down"
                                                   : "the range is fenced");
        }

        job->rests.nelts--;
    }

    return NGX_OK;
}


/* NULL if there is no memory */

static ngx_ur_return_t *
ngx_ur_return_job(ngx_array_t *jobs, ngx_ur_shard_t *shard)
{
    ngx_str_t         name, holder;
    ngx_ur_return_t  *job;

    job = ngx_array_push(jobs);
    if (job == NULL) {
        return NULL;
    }

    ngx_memzero(job, sizeof(ngx_ur_return_t));

    /* with the zeros that end them */

    name.data = shard->pool->name.data;
    name.len = shard->pool->name.len + 1;

    holder.data = (u_char *) shard->pool->zone->sh->holder;
    holder.len = ngx_strlen(holder.data) + 1;

    job->shard = shard;
    job->caller.pool = (char *) ngx_pstrdup(jobs->pool, &name);
    job->caller.holder = (char *) ngx_pstrdup(jobs->pool, &holder);
    job->caller.lock_wait = NGX_UR_RETURN_LOCK;

    if (job->caller.pool == NULL
        || job->caller.holder == NULL
        || ngx_array_init(&job->rests, jobs->pool, 1, sizeof(ngx_ur_rest_t))
           != NGX_OK)
    {
        return NULL;
    }

    return job;
}


/* NGX_AGAIN: a thread has not come back */

static ngx_int_t
ngx_ur_return_all(ngx_array_t *jobs, ngx_msec_t deadline)
{
    ngx_int_t         rc;
    ngx_uint_t        i, waiting;
    ngx_ur_return_t  *job;

    ngx_time_update();

    job = jobs->elts;

    do {
        waiting = 0;

        for (i = 0; i < jobs->nelts; i++) {

            if (job[i].rests.nelts == 0 || job[i].ended) {
                continue;
            }

            waiting = 1;

            if (job[i].attempt == NULL) {
                ngx_ur_return_start(&job[i], deadline);
            }
        }

    } while (waiting && ngx_ur_thread_wait(deadline) == NGX_OK);

    rc = NGX_OK;

    for (i = 0; i < jobs->nelts; i++) {
        ngx_ur_return_tell(&job[i]);

        if (job[i].attempt && !job[i].ended) {
            rc = NGX_AGAIN;
        }
    }

    return rc;
}


/* not yet, if the worker had been connecting when it was told to exit */

static void
ngx_ur_return_start(ngx_ur_return_t *job, ngx_msec_t deadline)
{
    ngx_uint_t       i;
    ngx_ur_rest_t   *rest;
    ngx_msec_int_t   left;

    job->reason = "no time is left";

    left = (ngx_msec_int_t) (deadline - ngx_current_msec);
    if (left <= 0) {
        return;
    }

    job->attempt = ngx_ur_connect_borrow(job->shard);

    if (job->attempt == NULL) {
        job->reason = "the last attempt to connect has not come back";
        return;
    }

    rest = job->rests.elts;

    for (i = 0; i < job->rests.nelts; i++) {
        ngx_ur_return_params(&rest[i], &job->caller);
    }

    /* a little more, so that it is the worker's time that is up first */

    attempt_begin(job->attempt, left + left / 20);

    job->thread.run = ngx_ur_return_run;
    job->thread.done = ngx_ur_return_done;
    job->thread.data = job;

    if (ngx_ur_thread_start(&job->thread) != NGX_OK) {
        ngx_ur_connect_give_back(job->shard);
        job->attempt = NULL;
        job->reason = "no thread can be started";
    }
}


static void
ngx_ur_return_params(ngx_ur_rest_t *rest, const statement_caller_t *caller)
{
    char       c;
    u_char    *start, *end;
    lease_t   *lease;
    uint32_t   i;

    start = (u_char *) rest->starts;
    end = (u_char *) rest->ends;
    c = '{';

    for (i = rest->leases.tail; i != rest->leases.head; i++) {
        lease = &rest->leases.lease[i % LEASES_MAX];

        if (lease->next == lease->end) {
            continue;
        }

        start = ngx_sprintf(start, "%c%uL", c, lease->next);
        end = ngx_sprintf(end, "%c%uL", c, lease->end);

        c = ',';
    }

    ngx_sprintf(start, "}%Z");
    ngx_sprintf(end, "}%Z");

    statement_give_back_params(rest->back.values, rest->buf, caller,
                               &rest->ask, rest->starts, rest->ends);
}


static void
ngx_ur_return_run(void *data)
{
    ngx_ur_return_t *job = data;

    int             rc;
    ngx_uint_t      i;
    ngx_ur_rest_t  *rest;

    rest = job->rests.elts;
    rc = 0;

    for (i = 0; i < job->rests.nelts; i++) {

        if (rc == 0) {
            rc = give_back(job->attempt, &rest[i].back);

        } else {
            give_back_end(&rest[i].back, job->attempt->error);
        }
    }

    attempt_drop(job->attempt);
}


static void
ngx_ur_return_done(void *data)
{
    ngx_ur_return_t *job = data;

    job->ended = 1;

    ngx_ur_connect_give_back(job->shard);
}


static void
ngx_ur_return_tell(ngx_ur_return_t *job)
{
    ngx_uint_t          i;
    ngx_ur_rest_t      *rest;
    give_back_state_e   state;

    if (job->ended) {
        ngx_ur_connect_notice(job->shard);
    }

    rest = job->rests.elts;

    for (i = 0; i < job->rests.nelts; i++) {
        state = give_back_state(&rest[i].back);

        if (state != GIVE_BACK_TAKEN) {
            ngx_ur_return_burned(&rest[i], state == GIVE_BACK_REFUSED
                                           ? rest[i].back.reason
                                           : job->reason);
            continue;
        }

        ngx_ur_account_given_back(rest[i].range, rest[i].left);

        ngx_log_error(NGX_LOG_NOTICE, job->shard->session->pg.log, 0,
                      "%uL positions of range %uL-%uL are given back to "
                      "shard \"%V\"", rest[i].left, rest[i].range->first,
                      rest[i].range->last, &job->shard->name);
    }
}


static void
ngx_ur_return_burned(ngx_ur_rest_t *rest, const char *reason)
{
    ngx_ur_shard_t  *shard;

    shard = rest->range->shard;

    ngx_ur_account_burned(rest->range, NGX_UR_BURNED_SKIPPED, rest->left);

    ngx_log_error(NGX_LOG_WARN, shard->session->pg.log, 0,
                  "%uL positions of range %uL-%uL could not be given back to "
                  "shard \"%V\" and are burned: %s",
                  rest->left, rest->range->first, rest->range->last,
                  &shard->name, reason);
}
