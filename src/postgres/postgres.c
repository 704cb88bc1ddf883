
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * libpq driven by nginx's events.  Sockets are registered level-triggered,
 * since PQconsumeInput() need not read all there is.
 *
 * What libpq leaves in libcrypto's queue of errors is cleared: nginx would take
 * it for the error of a client.
 *
 * Keeps the first half of I2: NGX_OK after a query means that PQgetResult()
 * has returned NULL and that no transaction is open.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/line.h"
#include "event/timer.h"
#include "postgres/postgres.h"
#include "zone/account.h"

#include <openssl/err.h>


/* most reads of an idle connection: who has been asked nothing has no more */
#define NGX_UR_POSTGRES_READS  100


static void ngx_ur_postgres_become(ngx_ur_postgres_t *pg,
    ngx_ur_postgres_state_e state);
static ngx_int_t ngx_ur_postgres_attach(ngx_ur_postgres_t *pg);
static void ngx_ur_postgres_detach(ngx_ur_postgres_t *pg);
static void ngx_ur_postgres_read_handler(ngx_event_t *rev);
static void ngx_ur_postgres_write_handler(ngx_event_t *wev);
static void ngx_ur_postgres_timer_handler(ngx_event_t *ev);
static void ngx_ur_postgres_set_sqlstate(ngx_ur_postgres_t *pg,
    const char *state);
static ngx_int_t ngx_ur_postgres_flush(ngx_ur_postgres_t *pg);
static ngx_int_t ngx_ur_postgres_read(ngx_ur_postgres_t *pg);
static void ngx_ur_postgres_consume(ngx_ur_postgres_t *pg);
static void ngx_ur_postgres_result(ngx_ur_postgres_t *pg, PGresult *result);
static void ngx_ur_postgres_done(ngx_ur_postgres_t *pg);
static void ngx_ur_postgres_fail(ngx_ur_postgres_t *pg);


static const u_char  ngx_ur_postgres_shown[] = {
    NGX_UR_CONNECTION_NONE, NGX_UR_CONNECTION_BUSY, NGX_UR_CONNECTION_IDLE
};


ngx_int_t
ngx_ur_postgres_open(ngx_ur_postgres_t *pg, PGconn *conn)
{
    pg->conn = conn;

    PQsetNoticeReceiver(conn, pg->notice, pg->data);

    if (ngx_ur_postgres_attach(pg) != NGX_OK
        || ngx_add_event(pg->connection->read, NGX_READ_EVENT, NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        ngx_ur_postgres_set_error(pg, "no connection available");
        ngx_ur_postgres_close(pg, "open failed");
        return NGX_ERROR;
    }

    pg->timer.handler = ngx_ur_postgres_timer_handler;
    pg->timer.data = pg;
    pg->timer.log = pg->log;

    ngx_ur_postgres_become(pg, NGX_UR_POSTGRES_IDLE);

    /* it fails for want of memory only, and then queries fail as well */

    (void) PQsetnonblocking(conn, 1);

    return NGX_OK;
}


ngx_int_t
ngx_ur_postgres_query(ngx_ur_postgres_t *pg, const char *text, ngx_uint_t n,
    const char **values, ngx_msec_t timeout)
{
    int  sent;

    ngx_ur_postgres_become(pg, NGX_UR_POSTGRES_BUSY);
    pg->connection->idle = 0;
    pg->nreads = 0;
    pg->result = NULL;
    pg->failure = NULL;
    pg->sqlstate[0] = '\0';

    sent = n ? PQsendQueryParams(pg->conn, text, (int) n, NULL, values, NULL,
                                 NULL, 0)
             : PQsendQuery(pg->conn, text);

    if (sent != 1 || ngx_ur_postgres_flush(pg) != NGX_OK) {
        ngx_ur_postgres_set_error(pg, PQerrorMessage(pg->conn));
        ngx_ur_postgres_close(pg, "send failed");
        return NGX_ERROR;
    }

    pg->timer.cancelable = 0;

    ngx_ur_timer_set(&pg->timer, timeout);

    return NGX_OK;
}


void
ngx_ur_postgres_park(ngx_ur_postgres_t *pg)
{
    if (ngx_exiting) {
        ngx_ur_postgres_close(pg, "exiting");
        return;
    }

    pg->connection->idle = 1;
    pg->timer.cancelable = 1;

    ngx_ur_timer_set(&pg->timer, pg->idle_timeout);
}


void
ngx_ur_postgres_close(ngx_ur_postgres_t *pg, char *reason)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, pg->log, 0,
                   "unique random: close connection to shard \"%V\": %s",
                   pg->name, reason);

    if (pg->timer.timer_set) {
        ngx_del_timer(&pg->timer);
    }

    ngx_ur_postgres_detach(pg);

    /* results of a query that is done belong to the caller of the handler */

    if (pg->state == NGX_UR_POSTGRES_BUSY) {
        PQclear(pg->result);
        PQclear(pg->failure);
    }

    pg->result = NULL;
    pg->failure = NULL;

    PQfinish(pg->conn);
    pg->conn = NULL;

    ERR_clear_error();

    ngx_ur_postgres_become(pg, NGX_UR_POSTGRES_CLOSED);
}


static void
ngx_ur_postgres_become(ngx_ur_postgres_t *pg, ngx_ur_postgres_state_e state)
{
    pg->state = state;
    **pg->shown = ngx_ur_postgres_shown[state];
}


void
ngx_ur_postgres_set_error(ngx_ur_postgres_t *pg, const char *text)
{
    line_print((char *) pg->error, sizeof(pg->error), text);
}


void
ngx_ur_postgres_error(ngx_ur_postgres_t *pg, const char *fmt, ...)
{
    u_char   text[sizeof(pg->error)], *p;
    va_list  args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + sizeof(text) - 1, fmt, args);
    va_end(args);

    *p = '\0';

    ngx_ur_postgres_set_error(pg, (char *) text);
}


static ngx_int_t
ngx_ur_postgres_attach(ngx_ur_postgres_t *pg)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(PQsocket(pg->conn), pg->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = pg;
    c->log = pg->log;
    c->read->log = pg->log;
    c->write->log = pg->log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    c->read->handler = ngx_ur_postgres_read_handler;
    c->write->handler = ngx_ur_postgres_write_handler;

    pg->connection = c;

    return NGX_OK;
}


static void
ngx_ur_postgres_detach(ngx_ur_postgres_t *pg)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = pg->connection;

    if (c == NULL) {
        return;
    }

    pg->connection = NULL;

    /* libpq closes its socket by itself when it finds the server gone */

    flags = (PQsocket(pg->conn) == c->fd) ? 0 : NGX_CLOSE_EVENT;

    if (c->read->active) {
        ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    /* the socket is libpq's: "shared" leaves it open */

    c->shared = 1;

    ngx_close_connection(c);
}


static void
ngx_ur_postgres_read_handler(ngx_event_t *rev)
{
    ngx_connection_t   *c;
    ngx_ur_postgres_t  *pg;

    c = rev->data;
    pg = c->data;

    if (pg->state == NGX_UR_POSTGRES_BUSY) {
        ngx_ur_postgres_consume(pg);
        return;
    }

    if (c->close) {
        ngx_ur_postgres_close(pg, "exiting");
        return;
    }

    /* news for an idle connection: a notice, a parameter, or its end */

    if (ngx_ur_postgres_read(pg) != NGX_OK
        || PQstatus(pg->conn) == CONNECTION_BAD)
    {
        ngx_ur_postgres_close(pg, "closed by the server");
        return;
    }

    /* takes in what has come, which would pile up */

    (void) PQisBusy(pg->conn);

    if (++pg->nreads > NGX_UR_POSTGRES_READS) {
        ngx_ur_postgres_close(pg, "too much was sent");
    }
}


static void
ngx_ur_postgres_write_handler(ngx_event_t *wev)
{
    ngx_connection_t   *c;
    ngx_ur_postgres_t  *pg;

    c = wev->data;
    pg = c->data;

    if (ngx_ur_postgres_flush(pg) != NGX_OK) {
        ngx_ur_postgres_set_error(pg, PQerrorMessage(pg->conn));
        ngx_ur_postgres_fail(pg);
    }
}


static void
ngx_ur_postgres_timer_handler(ngx_event_t *ev)
{
    ngx_ur_postgres_t  *pg;

    pg = ev->data;

    if (pg->state == NGX_UR_POSTGRES_IDLE) {
        ngx_ur_postgres_close(pg, "idle");
        return;
    }

    ngx_ur_postgres_set_error(pg, "reserve timed out");
    ngx_ur_postgres_fail(pg);
}


static void
ngx_ur_postgres_set_sqlstate(ngx_ur_postgres_t *pg, const char *state)
{
    ngx_cpystrn((u_char *) pg->sqlstate, (u_char *) (state ? state : ""),
                sizeof(pg->sqlstate));
}


static ngx_int_t
ngx_ur_postgres_flush(ngx_ur_postgres_t *pg)
{
    int           rc;
    ngx_event_t  *wev;

    wev = pg->connection->write;

    rc = PQflush(pg->conn);

    ERR_clear_error();

    switch (rc) {

    case 0:
        return wev->active ? ngx_del_event(wev, NGX_WRITE_EVENT, 0) : NGX_OK;

    case 1:
        return wev->active ? NGX_OK
                           : ngx_add_event(wev, NGX_WRITE_EVENT,
                                           NGX_LEVEL_EVENT);

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_ur_postgres_read(ngx_ur_postgres_t *pg)
{
    int  rc;

    rc = PQconsumeInput(pg->conn);

    ERR_clear_error();

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}


static void
ngx_ur_postgres_consume(ngx_ur_postgres_t *pg)
{
    PGresult  *result;

    if (ngx_ur_postgres_read(pg) != NGX_OK) {
        ngx_ur_postgres_set_error(pg, PQerrorMessage(pg->conn));
        ngx_ur_postgres_fail(pg);
        return;
    }

    while (!PQisBusy(pg->conn)) {

        result = PQgetResult(pg->conn);

        if (result == NULL) {
            ngx_ur_postgres_done(pg);
            return;
        }

        ngx_ur_postgres_result(pg, result);
    }
}


static void
ngx_ur_postgres_result(ngx_ur_postgres_t *pg, PGresult *result)
{
    switch (PQresultStatus(result)) {

    case PGRES_TUPLES_OK:
        PQclear(pg->result);
        pg->result = result;
        return;

    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        PQclear(result);
        return;

    default:
        if (pg->failure) {
            PQclear(result);
            return;
        }

        pg->failure = result;
        ngx_ur_postgres_set_sqlstate(pg,
                                PQresultErrorField(result, PG_DIAG_SQLSTATE));
        ngx_ur_postgres_set_error(pg,
                           PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    }
}


static void
ngx_ur_postgres_done(ngx_ur_postgres_t *pg)
{
    PGresult  *result, *failure;

    if (PQstatus(pg->conn) == CONNECTION_BAD
        || PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
    {
        if (pg->failure == NULL) {
            ngx_ur_postgres_set_error(pg, "no end of the transaction");
        }

        ngx_ur_postgres_fail(pg);
        return;
    }

    ngx_del_timer(&pg->timer);

    ngx_ur_postgres_become(pg, NGX_UR_POSTGRES_IDLE);

    /* the handler may send the next query, or close */

    result = pg->result;
    failure = pg->failure;

    pg->handler(pg, NGX_OK);

    if (pg->result == result) {
        pg->result = NULL;
    }

    if (pg->failure == failure) {
        pg->failure = NULL;
    }

    PQclear(result);
    PQclear(failure);
}


static void
ngx_ur_postgres_fail(ngx_ur_postgres_t *pg)
{
    ngx_ur_postgres_close(pg, (char *) pg->error);

    pg->handler(pg, NGX_ERROR);
}
