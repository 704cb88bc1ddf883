
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A lock that somebody else has holds up no more than it has to.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "postgres/connect.h"
#include "postgres/postgres.h"
#include "postgres/send.h"
#include "postgres/session.h"
#include "zone/asks.h"
#include "zone/zone.h"


/* how long to wait for the lock of a row, where other ranges may be asked */
#define NGX_UR_SEND_LOCK  250


ngx_int_t
ngx_ur_send(ngx_ur_shard_t *shard)
{
    char                   *buf;
    size_t                  n;
    ngx_int_t               rc;
    const char             *values[STATEMENT_RESERVE_NPARAMS];
    ngx_queue_t            *q, *sent;
    statement_caller_t      caller;
    const statement_ask_t  *asks[NGX_UR_SEND_MAX];

    shard->session->step = NGX_UR_STEP_RESERVE;
    shard->session->doubt[0] = '\0';

    n = 0;
    sent = &shard->asks->sent;
    caller.places = RESERVATION_PLACES;

    for (q = ngx_queue_head(sent); q != sent; q = ngx_queue_next(q)) {
        asks[n] = &ngx_ur_asks_range(q)->ask->params;

        caller.places = ngx_min(caller.places, asks[n]->places);
        n++;
    }

    buf = ngx_alloc(statement_params_size(n), shard->session->pg.log);

    if (buf == NULL) {
        ngx_ur_postgres_set_error(&shard->session->pg, "out of memory");
        ngx_ur_connect_abort(shard, "out of memory");
        return NGX_ERROR;
    }

    caller.pool = (char *) shard->pool->name.data;
    caller.holder = shard->pool->zone->sh->holder;

    /*
     * A row's lock is given up well before we give up the connection, and
     * sooner where other ranges need it.
     */

    caller.lock_wait = shard->pool->reserve_timeout * 3 / 4;

    if (shard->ranges.nelts > 1) {
        caller.lock_wait = ngx_min(caller.lock_wait, NGX_UR_SEND_LOCK);
    }

    statement_reserve_params(values, buf, &caller, asks, n);

    rc = ngx_ur_postgres_query(&shard->session->pg, statement_reserve,
                               STATEMENT_RESERVE_NPARAMS, values,
                               shard->pool->reserve_timeout);
    ngx_free(buf);

    return rc;
}
