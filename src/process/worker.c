
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A configuration takes its places when it is accepted, and its workers enter
 * the zones.  What the last of them leaves: what is remembered goes to the disk
 * and, if no later configuration has the zone, leases go back to their
 * databases.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "core/conninfo.h"
#include "core/version.h"
#include "event/thread.h"
#include "http/loads.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "process/return.h"
#include "process/worker.h"
#include "zone/account.h"
#include "zone/batch.h"
#include "zone/hold.h"
#include "zone/places.h"
#include "zone/recall.h"
#include "zone/save.h"
#include "zone/snapshot.h"
#include "zone/workers.h"

#include <libpq-fe.h>
#include <poll.h>


/*
 * How long an exit may take, in milliseconds: a master that was told to stop
 * turns TERM into KILL after one and a half seconds.
 */
#define NGX_UR_EXIT_TIME  1000


static void ngx_ur_worker_account(ngx_ur_pool_t *pool, ngx_cycle_t *cycle);
static void ngx_ur_worker_finish(ngx_ur_shard_t *shard, ngx_msec_t deadline);


/*
 * The configuration is accepted, and those of the last one will be told to
 * leave, maybe before a new worker has begun: from here on they give nothing
 * back, and mark nothing as saved if it has another file.
 */

ngx_int_t
ngx_ur_worker_init_module(ngx_cycle_t *cycle)
{
    int                   libpq;
    ngx_uint_t            i;
    ngx_ur_pool_t       **pools;
    ngx_ur_main_conf_t   *umcf;

    if (!ngx_test_config) {
        libpq = PQlibVersion();

        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "ngx_http_unique_random_module/%s, libpq %d.%d",
                      NGX_UR_VERSION, libpq / 10000, libpq % 10000);
    }

    ngx_ur_loads_add();

    umcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_unique_random_module);
    if (umcf == NULL) {
        return NGX_OK;
    }

    pools = umcf->pools.elts;

    for (i = 0; i < umcf->pools.nelts; i++) {
        ngx_ur_places_accept(pools[i]);
        ngx_ur_recall_accept(pools[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_ur_worker_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t            i;
    ngx_ur_pool_t       **pools;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_unique_random_module);

    if (umcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (umcf->pools.nelts) {
        conninfo_unset_variables();

        if (ngx_ur_thread_init(cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    pools = umcf->pools.elts;

    for (i = 0; i < umcf->pools.nelts; i++) {
        if (ngx_ur_workers_enter(pools[i], cycle) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_ur_recall_merge(pools[i], cycle->log);
    }

    return NGX_OK;
}


void
ngx_ur_worker_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t            i, j, n;
    ngx_msec_t            deadline;
    ngx_ur_pool_t       **pools, **last;
    ngx_ur_shard_t      **shards;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_unique_random_module);
    if (umcf == NULL) {
        return;
    }

    ngx_time_update();
    deadline = ngx_current_msec + NGX_UR_EXIT_TIME;

    pools = umcf->pools.elts;

    for (i = 0; i < umcf->pools.nelts; i++) {
        shards = pools[i]->shards.elts;

        for (j = 0; j < pools[i]->shards.nelts; j++) {
            ngx_ur_worker_finish(shards[j], deadline - NGX_UR_EXIT_TIME / 2);
        }

        for (j = 0; j < pools[i]->shards.nelts; j++) {
            ngx_ur_reserve_abort(shards[j]);
        }
    }

    last = ngx_palloc(cycle->pool, umcf->pools.nelts * sizeof(pools[0]));
    if (last == NULL) {
        return;
    }

    n = 0;

    for (i = 0; i < umcf->pools.nelts; i++) {
        ngx_ur_hold_end_all(pools[i], cycle->log);
        ngx_ur_batch_end(pools[i], cycle->log);

        if (ngx_ur_workers_leave(pools[i])) {
            last[n++] = pools[i];
        }
    }

    ngx_ur_return(last, n, deadline, cycle->log);

    for (i = 0; i < n; i++) {
        ngx_ur_save(last[i], cycle->log);
        ngx_ur_worker_account(last[i], cycle);
    }
}


/* the zone ends, and what it counted with it */

static void
ngx_ur_worker_account(ngx_ur_pool_t *pool, ngx_cycle_t *cycle)
{
    uint64_t                  granted, given_back, burned;
    ngx_uint_t                i;
    ngx_ur_snapshot_t         s;
    ngx_ur_range_snapshot_t  *r;

    if (pool->zone->generation != pool->zone->sh->generation
        || ngx_ur_snapshot(&s, pool, cycle->pool) != NGX_OK)
    {
        return;
    }

    granted = 0;
    given_back = 0;
    burned = 0;

    for (i = 0; i < pool->ranges.nelts; i++) {
        r = &s.ranges[i];

        granted += r->account.granted;
        given_back += r->account.given_back;

        burned += ngx_ur_account_burned_all(&r->account);
    }

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "of %uL positions that were granted to unique_random_pool "
                  "\"%V\", %uL are issued, %uL excluded, %uL given back, "
                  "%uL burned", granted, &pool->name, s.issued, s.excluded,
                  given_back, burned);
}


/*
 * Takes in the reply that is on its way, if any: it is a grant that would be
 * burned otherwise.  A graceful exit has waited for it before.
 */

static void
ngx_ur_worker_finish(ngx_ur_shard_t *shard, ngx_msec_t deadline)
{
    struct pollfd      pfd;
    ngx_msec_int_t     left;
    ngx_connection_t  *c;

    for ( ;; ) {
        c = ngx_ur_reserve_pending(shard);

        ngx_time_update();
        left = (ngx_msec_int_t) (deadline - ngx_current_msec);

        if (c == NULL || left <= 0) {
            return;
        }

        pfd.fd = c->fd;
        pfd.events = POLLIN;

        if (poll(&pfd, 1, (int) left) > 0) {
            c->read->handler(c->read);
        }
    }
}
