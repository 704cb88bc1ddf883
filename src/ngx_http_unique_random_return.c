
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A worker that exits has no event loop any more, so this polls for itself, on
 * connections of its own.  Keeps the one rule: positions leave the zone before
 * the database hears of them, and whatever then happens is not tried again.
 */


#include "ngx_http_unique_random_health.h"
#include "ngx_http_unique_random_notice.h"
#include "ngx_http_unique_random_return.h"
#include "ngx_http_unique_random_slot.h"

#include <poll.h>


/* longest to wait for the lock of a row, in milliseconds */
#define NGX_HTTP_UNIQUE_RANDOM_RETURN_LOCK  500


#define ngx_http_unique_random_return_reason(job, text)                       \
    ngx_http_unique_random_postgres_set_error(&(job)->shard->postgres, text)


typedef struct {
    ngx_http_unique_random_range_t  *range;
    leases_t                         leases;
    uint64_t                         left;
} ngx_http_unique_random_rest_t;


/* what a shard is given back, a range at a time */

typedef struct {
    ngx_http_unique_random_shard_t  *shard;
    ngx_array_t                      rests;
    ngx_uint_t                       done;      /* of them */

    PGconn                          *conn;      /* NULL at the end */
    short                            events;
    ngx_uint_t                       connected;
    ngx_uint_t                       tried;     /* peers */
    ngx_uint_t                       refused;   /* the rest at hand */
} ngx_http_unique_random_return_t;


static ngx_int_t ngx_http_unique_random_return_take(ngx_array_t *jobs,
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_return_run(ngx_array_t *jobs,
    struct pollfd *fds, ngx_msec_t deadline);
static void ngx_http_unique_random_return_connect(
    ngx_http_unique_random_return_t *job);
static ngx_int_t ngx_http_unique_random_return_connect_peer(
    ngx_http_unique_random_return_t *job, ngx_uint_t n);
static void ngx_http_unique_random_return_step(
    ngx_http_unique_random_return_t *job);
static void ngx_http_unique_random_return_connecting(
    ngx_http_unique_random_return_t *job);
static void ngx_http_unique_random_return_send(
    ngx_http_unique_random_return_t *job);
static int ngx_http_unique_random_return_query(
    ngx_http_unique_random_return_t *job,
    ngx_http_unique_random_rest_t *rest);
static void ngx_http_unique_random_return_result(
    ngx_http_unique_random_return_t *job, PGresult *result);
static void ngx_http_unique_random_return_replied(
    ngx_http_unique_random_return_t *job);
static void ngx_http_unique_random_return_end(
    ngx_http_unique_random_return_t *job, const char *reason);
static void ngx_http_unique_random_return_burned(
    ngx_http_unique_random_rest_t *rest);


void
ngx_http_unique_random_return(ngx_http_unique_random_pool_t **pools,
    ngx_uint_t n, ngx_msec_t deadline, ngx_log_t *log)
{
    ngx_uint_t                        i, j;
    ngx_pool_t                       *temp;
    ngx_array_t                       jobs;
    struct pollfd                    *fds;
    ngx_http_unique_random_shard_t  **shards;

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return;
    }

    if (ngx_array_init(&jobs, temp, 4,
                       sizeof(ngx_http_unique_random_return_t))
        != NGX_OK)
    {
        goto done;
    }

    for (i = 0; i < n; i++) {

        /* the workers of a later configuration go on with the leases */

        if (pools[i]->generation != pools[i]->sh->generation) {
            continue;
        }

        shards = pools[i]->shards.elts;

        for (j = 0; j < pools[i]->shards.nelts; j++) {
            if (ngx_http_unique_random_return_take(&jobs, shards[j])
                != NGX_OK)
            {
                goto done;
            }
        }
    }

    fds = ngx_palloc(temp, jobs.nelts * sizeof(struct pollfd));

    if (fds) {
        ngx_http_unique_random_return_run(&jobs, fds, deadline);
    }

done:

    ngx_destroy_pool(temp);
}


static ngx_int_t
ngx_http_unique_random_return_take(ngx_array_t *jobs,
    ngx_http_unique_random_shard_t *shard)
{
    ngx_uint_t                         i;
    ngx_http_unique_random_rest_t     *rest;
    ngx_http_unique_random_range_t   **ranges;
    ngx_http_unique_random_return_t   *job;

    job = ngx_array_push(jobs);
    if (job == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(job, sizeof(ngx_http_unique_random_return_t));

    job->shard = shard;

    if (ngx_array_init(&job->rests, jobs->pool, shard->ranges.nelts,
                       sizeof(ngx_http_unique_random_rest_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ranges = shard->ranges.elts;

    for (i = 0; i < shard->ranges.nelts; i++) {
        rest = ngx_array_push(&job->rests);
        if (rest == NULL) {
            return NGX_ERROR;
        }

        rest->range = ranges[i];

        if (ngx_http_unique_random_slot_leave(ranges[i], &rest->leases,
                                              &rest->left)
            == NGX_OK)
        {
            continue;
        }

        if (rest->left) {
            ngx_http_unique_random_return_reason(job, shard->down
                                                      ? "the shard is down"
                                                      : "the range is fenced");
            ngx_http_unique_random_return_burned(rest);
        }

        job->rests.nelts--;
    }

    return NGX_OK;
}


static void
ngx_http_unique_random_return_run(ngx_array_t *jobs, struct pollfd *fds,
    ngx_msec_t deadline)
{
    ngx_uint_t                        i, busy;
    ngx_msec_int_t                    left;
    ngx_http_unique_random_return_t  *job;

    job = jobs->elts;

    for (i = 0; i < jobs->nelts; i++) {
        if (job[i].rests.nelts) {
            ngx_http_unique_random_return_connect(&job[i]);
        }
    }

    for ( ;; ) {
        busy = 0;

        for (i = 0; i < jobs->nelts; i++) {
            fds[i].fd = job[i].conn ? PQsocket(job[i].conn) : -1;
            fds[i].events = job[i].events;
            fds[i].revents = 0;

            busy += (job[i].conn != NULL);
        }

        left = (ngx_msec_int_t) (deadline - ngx_current_msec);

        if (busy == 0 || left <= 0) {
            break;
        }

        (void) poll(fds, jobs->nelts, (int) left);

        ngx_time_update();

        for (i = 0; i < jobs->nelts; i++) {
            if (job[i].conn && fds[i].revents) {
                ngx_http_unique_random_return_step(&job[i]);
            }
        }
    }

    for (i = 0; i < jobs->nelts; i++) {
        if (job[i].conn) {
            ngx_http_unique_random_return_end(&job[i], "no time is left");
        }
    }
}


/* to the peer that this worker used last, or to one after it */

static void
ngx_http_unique_random_return_connect(ngx_http_unique_random_return_t *job)
{
    ngx_uint_t  n;

    if (job->conn) {
        PQfinish(job->conn);
        job->conn = NULL;
    }

    job->connected = 0;

    while (job->tried < job->shard->peers.nelts) {
        n = (job->shard->peer + job->tried++) % job->shard->peers.nelts;

        if (ngx_http_unique_random_return_connect_peer(job, n) == NGX_OK) {
            return;
        }
    }

    ngx_http_unique_random_return_end(job, NULL);
}


static ngx_int_t
ngx_http_unique_random_return_connect_peer(
    ngx_http_unique_random_return_t *job, ngx_uint_t n)
{
    char                            addr[NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN];
    const char                     *keywords[CONNINFO_PARAMS];
    const char                     *values[CONNINFO_PARAMS];
    ngx_http_unique_random_peer_t  *peer;

    peer = job->shard->peers.elts;
    peer += n;

    if (peer->addr == NULL) {

        /* there is no resolver any more */

        ngx_http_unique_random_health_addr(job->shard, n, addr);

        if (addr[0] == '\0') {
            ngx_http_unique_random_return_reason(job,
                                                 "its address is not known");
            return NGX_DECLINED;
        }
    }

    if (conninfo_params(&job->shard->conninfo, peer->host,
                        peer->addr ? peer->addr : addr, keywords, values)
        != 0)
    {
        ngx_http_unique_random_return_reason(job, "too many parameters");
        return NGX_DECLINED;
    }

    job->conn = PQconnectStartParams(keywords, values, 0);

    PQsetNoticeReceiver(job->conn, ngx_http_unique_random_notice, job->shard);

    if (PQstatus(job->conn) == CONNECTION_BAD) {
        ngx_http_unique_random_return_reason(job, PQerrorMessage(job->conn));
        PQfinish(job->conn);
        job->conn = NULL;
        return NGX_DECLINED;
    }

    job->events = POLLOUT;

    return NGX_OK;
}


static void
ngx_http_unique_random_return_step(ngx_http_unique_random_return_t *job)
{
    PGresult  *result;

    if (!job->connected) {
        ngx_http_unique_random_return_connecting(job);
        return;
    }

    if (PQconsumeInput(job->conn) != 1 || PQflush(job->conn) == -1) {
        ngx_http_unique_random_return_end(job, PQerrorMessage(job->conn));
        return;
    }

    while (!PQisBusy(job->conn)) {
        result = PQgetResult(job->conn);

        if (result == NULL) {
            ngx_http_unique_random_return_replied(job);
            return;
        }

        ngx_http_unique_random_return_result(job, result);

        PQclear(result);
    }
}


static void
ngx_http_unique_random_return_connecting(ngx_http_unique_random_return_t *job)
{
    switch (PQconnectPoll(job->conn)) {

    case PGRES_POLLING_READING:
        job->events = POLLIN;
        return;

    case PGRES_POLLING_WRITING:
        job->events = POLLOUT;
        return;

    case PGRES_POLLING_OK:
        job->connected = 1;
        ngx_http_unique_random_return_send(job);
        return;

    default: /* PGRES_POLLING_FAILED */
        ngx_http_unique_random_return_reason(job, PQerrorMessage(job->conn));
        ngx_http_unique_random_return_connect(job);
    }
}


static void
ngx_http_unique_random_return_send(ngx_http_unique_random_return_t *job)
{
    ngx_http_unique_random_rest_t  *rest;

    if (job->done == job->rests.nelts) {
        ngx_http_unique_random_return_end(job, NULL);
        return;
    }

    rest = job->rests.elts;
    rest += job->done;

    job->refused = 0;

    /* it is small: what does not fit into the socket at once is given up */

    if (ngx_http_unique_random_return_query(job, rest) != 1
        || PQflush(job->conn) != 0)
    {
        ngx_http_unique_random_return_end(job, PQerrorMessage(job->conn));
        return;
    }

    job->events = POLLIN;
}


static int
ngx_http_unique_random_return_query(ngx_http_unique_random_return_t *job,
    ngx_http_unique_random_rest_t *rest)
{
    char                   starts[LEASES_MAX * (NGX_INT64_LEN + 1) + 2];
    char                   stops[LEASES_MAX * (NGX_INT64_LEN + 1) + 2];
    char                   c;
    char                   buf[reservation_params_size(1)];
    u_char                *start, *stop;
    uint32_t               i;
    lease_t               *lease;
    const char            *values[RESERVATION_RETURN_NPARAMS];
    reservation_caller_t   caller;

    start = (u_char *) starts;
    stop = (u_char *) stops;
    c = '{';

    for (i = rest->leases.tail; i != rest->leases.head; i++) {
        lease = &rest->leases.lease[i % LEASES_MAX];

        if (lease->next == lease->end) {
            continue;
        }

        start = ngx_sprintf(start, "%c%uL", c, lease->next);
        stop = ngx_sprintf(stop, "%c%uL", c, lease->end);

        c = ',';
    }

    ngx_sprintf(start, "}%Z");
    ngx_sprintf(stop, "}%Z");

    caller.pool = (char *) job->shard->pool->name.data;
    caller.holder = job->shard->pool->sh->holder;
    caller.lock_wait = NGX_HTTP_UNIQUE_RANDOM_RETURN_LOCK;

    reservation_return_params(values, buf, &caller, &rest->range->ask, starts,
                              stops);

    return PQsetnonblocking(job->conn, 1) == 0
           && PQsendQueryParams(job->conn, reservation_return_statement,
                                RESERVATION_RETURN_NPARAMS, NULL, values, NULL,
                                NULL, 0);
}


static void
ngx_http_unique_random_return_result(ngx_http_unique_random_return_t *job,
    PGresult *result)
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        job->refused = 1;
        ngx_http_unique_random_return_reason(job,
                          PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));

    } else if (!PQgetisnull(result, 0, 0)) {
        job->refused = 1;
        ngx_http_unique_random_return_reason(job, PQgetvalue(result, 0, 0));
    }
}


static void
ngx_http_unique_random_return_replied(ngx_http_unique_random_return_t *job)
{
    ngx_http_unique_random_rest_t  *rest;

    if (PQstatus(job->conn) == CONNECTION_BAD) {
        ngx_http_unique_random_return_end(job, PQerrorMessage(job->conn));
        return;
    }

    if (job->refused
        && ngx_strcmp(job->shard->postgres.error, "standby") == 0)
    {
        ngx_http_unique_random_return_connect(job);
        return;
    }

    rest = job->rests.elts;
    rest += job->done++;

    if (job->refused) {
        ngx_http_unique_random_return_burned(rest);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, job->shard->postgres.log, 0,
                      "%uL positions of range %uL-%uL are given back to "
                      "shard \"%V\"", rest->left, rest->range->first,
                      rest->range->last, &job->shard->name);
    }

    ngx_http_unique_random_return_send(job);
}


/*
 * What is not acknowledged by now is burned.  Without a reason it is the one
 * that was given last, or nothing is left.
 */

static void
ngx_http_unique_random_return_end(ngx_http_unique_random_return_t *job,
    const char *reason)
{
    ngx_http_unique_random_rest_t  *rest;

    if (reason) {
        ngx_http_unique_random_return_reason(job, reason);
    }

    rest = job->rests.elts;

    while (job->done < job->rests.nelts) {
        ngx_http_unique_random_return_burned(&rest[job->done++]);
    }

    PQfinish(job->conn);
    job->conn = NULL;
}


static void
ngx_http_unique_random_return_burned(ngx_http_unique_random_rest_t *rest)
{
    ngx_http_unique_random_shard_t  *shard;

    shard = rest->range->shard;

    ngx_log_error(NGX_LOG_WARN, shard->postgres.log, 0,
                  "%uL positions of range %uL-%uL could not be given back to "
                  "shard \"%V\" and are burned: %s",
                  rest->left, rest->range->first, rest->range->last,
                  &shard->name, shard->postgres.error);
}
