
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * libpq driven by nginx's events.  Sockets are registered level-triggered,
 * since PQconsumeInput() need not read all there is.  While it connects, libpq
 * may close its socket and open another under the same number, so an nginx
 * connection lives from one PQconnectPoll() to the next.
 *
 * Keeps the first half of I2: NGX_OK after a query means that PQgetResult()
 * has returned NULL and that no transaction is open.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_unique_random_postgres.h"
#include "ngx_http_unique_random_timer.h"
#include "reservation.h"


static ngx_int_t ngx_http_unique_random_postgres_attach(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_detach(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_read_handler(ngx_event_t *rev);
static void ngx_http_unique_random_postgres_write_handler(ngx_event_t *wev);
static void ngx_http_unique_random_postgres_timer_handler(ngx_event_t *ev);
static void ngx_http_unique_random_postgres_connect_poll(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_refused(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_set_refusal(
    ngx_http_unique_random_postgres_t *pg, const char *text);
static void ngx_http_unique_random_postgres_set_sqlstate(
    ngx_http_unique_random_postgres_t *pg, const char *state);
static void ngx_http_unique_random_postgres_connected(
    ngx_http_unique_random_postgres_t *pg);
static ngx_int_t ngx_http_unique_random_postgres_flush(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_consume(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_result(
    ngx_http_unique_random_postgres_t *pg, PGresult *result);
static void ngx_http_unique_random_postgres_done(
    ngx_http_unique_random_postgres_t *pg);
static void ngx_http_unique_random_postgres_fail(
    ngx_http_unique_random_postgres_t *pg);


ngx_int_t
ngx_http_unique_random_postgres_connect(ngx_http_unique_random_postgres_t *pg,
    const char **keywords, const char **values, ngx_msec_t timeout)
{
    pg->short_of = 0;
    pg->sqlstate[0] = '\0';
    pg->conn = PQconnectStartParams(keywords, values, 0);

    if (pg->conn == NULL) {
        pg->short_of = 1;
        ngx_http_unique_random_postgres_set_error(pg, "out of memory");
        return NGX_ERROR;
    }

    PQsetNoticeReceiver(pg->conn, pg->notice, pg->data);

    /* no other way leads to the SQLSTATE of a refusal */

    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);

    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        ngx_http_unique_random_postgres_refused(pg);
        ngx_http_unique_random_postgres_close(pg, "connect failed");
        return NGX_ERROR;
    }

    pg->state = NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CONNECTING;

    if (ngx_http_unique_random_postgres_attach(pg) != NGX_OK
        || ngx_add_event(pg->connection->write, NGX_WRITE_EVENT,
                         NGX_LEVEL_EVENT)
           != NGX_OK)
    {
        pg->short_of = 1;
        ngx_http_unique_random_postgres_set_error(pg,
                                                  "no connection available");
        ngx_http_unique_random_postgres_close(pg, "connect failed");
        return NGX_ERROR;
    }

    pg->timer.handler = ngx_http_unique_random_postgres_timer_handler;
    pg->timer.data = pg;
    pg->timer.log = pg->log;

    /* a worker that exits does not wait for it, unless requests do */
    pg->timer.cancelable = 1;

    ngx_http_unique_random_timer_set(&pg->timer, timeout);

    return NGX_OK;
}


ngx_int_t
ngx_http_unique_random_postgres_query(ngx_http_unique_random_postgres_t *pg,
    const char *text, ngx_uint_t n, const char **values, ngx_msec_t timeout)
{
    int  sent;

    pg->state = NGX_HTTP_UNIQUE_RANDOM_POSTGRES_BUSY;
    pg->connection->idle = 0;
    pg->result = NULL;
    pg->failure = NULL;
    pg->sqlstate[0] = '\0';

    sent = n ? PQsendQueryParams(pg->conn, text, (int) n, NULL, values, NULL,
                                 NULL, 0)
             : PQsendQuery(pg->conn, text);

    if (sent != 1 || ngx_http_unique_random_postgres_flush(pg) != NGX_OK) {
        ngx_http_unique_random_postgres_set_error(pg,
                                                  PQerrorMessage(pg->conn));
        ngx_http_unique_random_postgres_close(pg, "send failed");
        return NGX_ERROR;
    }

    pg->timer.cancelable = 0;

    ngx_http_unique_random_timer_set(&pg->timer, timeout);

    return NGX_OK;
}


void
ngx_http_unique_random_postgres_park(ngx_http_unique_random_postgres_t *pg)
{
    if (ngx_exiting) {
        ngx_http_unique_random_postgres_close(pg, "exiting");
        return;
    }

    pg->connection->idle = 1;
    pg->timer.cancelable = 1;

    ngx_http_unique_random_timer_set(&pg->timer, pg->idle_timeout);
}


void
ngx_http_unique_random_postgres_close(ngx_http_unique_random_postgres_t *pg,
    char *reason)
{
    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, pg->log, 0,
                   "unique random: close connection to shard \"%V\": %s",
                   pg->name, reason);

    if (pg->timer.timer_set) {
        ngx_del_timer(&pg->timer);
    }

    ngx_http_unique_random_postgres_detach(pg);

    /* results of a query that is done belong to the caller of the handler */

    if (pg->state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_BUSY) {
        PQclear(pg->result);
        PQclear(pg->failure);
    }

    pg->result = NULL;
    pg->failure = NULL;

    PQfinish(pg->conn);
    pg->conn = NULL;

    pg->state = NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CLOSED;
}


ngx_uint_t
ngx_http_unique_random_postgres_standby(ngx_http_unique_random_postgres_t *pg)
{
    const char  *value;

    /* not reported before PostgreSQL 14: there, the reservation itself tells */

    value = PQparameterStatus(pg->conn, "in_hot_standby");

    if (value && ngx_strcmp(value, "on") == 0) {
        return 1;
    }

    value = PQparameterStatus(pg->conn, "default_transaction_read_only");

    return value && ngx_strcmp(value, "on") == 0;
}


void
ngx_http_unique_random_postgres_set_error(
    ngx_http_unique_random_postgres_t *pg, const char *text)
{
    u_char  *p, *last;

    if (text == NULL || *text == '\0') {
        text = "no reason given";
    }

    last = pg->error + sizeof(pg->error) - 1;

    p = ngx_cpystrn(pg->error, (u_char *) text, last - pg->error);

    while (p > pg->error && (p[-1] == LF || p[-1] == ' ')) {
        p--;
    }

    *p = '\0';

    reservation_one_line((char *) pg->error);
}


static ngx_int_t
ngx_http_unique_random_postgres_attach(ngx_http_unique_random_postgres_t *pg)
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

    c->read->handler = ngx_http_unique_random_postgres_read_handler;
    c->write->handler = ngx_http_unique_random_postgres_write_handler;

    pg->connection = c;

    return NGX_OK;
}


static void
ngx_http_unique_random_postgres_detach(ngx_http_unique_random_postgres_t *pg)
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
ngx_http_unique_random_postgres_read_handler(ngx_event_t *rev)
{
    ngx_connection_t                   *c;
    ngx_http_unique_random_postgres_t  *pg;

    c = rev->data;
    pg = c->data;

    if (pg->state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CONNECTING) {
        ngx_http_unique_random_postgres_connect_poll(pg);
        return;
    }

    if (pg->state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_BUSY) {
        ngx_http_unique_random_postgres_consume(pg);
        return;
    }

    if (c->close) {
        ngx_http_unique_random_postgres_close(pg, "exiting");
        return;
    }

    /* news for an idle connection: a notice, a parameter, or its end */

    if (PQconsumeInput(pg->conn) != 1
        || PQstatus(pg->conn) == CONNECTION_BAD)
    {
        ngx_http_unique_random_postgres_close(pg, "closed by the server");
    }
}


static void
ngx_http_unique_random_postgres_write_handler(ngx_event_t *wev)
{
    ngx_connection_t                   *c;
    ngx_http_unique_random_postgres_t  *pg;

    c = wev->data;
    pg = c->data;

    if (pg->state == NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CONNECTING) {
        ngx_http_unique_random_postgres_connect_poll(pg);
        return;
    }

    if (ngx_http_unique_random_postgres_flush(pg) != NGX_OK) {
        ngx_http_unique_random_postgres_set_error(pg,
                                                  PQerrorMessage(pg->conn));
        ngx_http_unique_random_postgres_fail(pg);
    }
}


static void
ngx_http_unique_random_postgres_timer_handler(ngx_event_t *ev)
{
    ngx_http_unique_random_postgres_t  *pg;

    pg = ev->data;

    switch (pg->state) {

    case NGX_HTTP_UNIQUE_RANDOM_POSTGRES_IDLE:
        ngx_http_unique_random_postgres_close(pg, "idle");
        return;

    case NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CONNECTING:
        ngx_http_unique_random_postgres_set_error(pg, "connect timed out");
        break;

    default:
        ngx_http_unique_random_postgres_set_error(pg, "reserve timed out");
    }

    ngx_http_unique_random_postgres_fail(pg);
}


static void
ngx_http_unique_random_postgres_connect_poll(
    ngx_http_unique_random_postgres_t *pg)
{
    ngx_int_t                  rc;
    PostgresPollingStatusType  status;

    ngx_http_unique_random_postgres_detach(pg);

    status = PQconnectPoll(pg->conn);

    if (status == PGRES_POLLING_FAILED) {
        ngx_http_unique_random_postgres_refused(pg);
        ngx_http_unique_random_postgres_fail(pg);
        return;
    }

    rc = ngx_http_unique_random_postgres_attach(pg);

    if (rc == NGX_OK) {
        rc = (status == PGRES_POLLING_WRITING)
             ? ngx_add_event(pg->connection->write, NGX_WRITE_EVENT,
                             NGX_LEVEL_EVENT)
             : ngx_add_event(pg->connection->read, NGX_READ_EVENT,
                             NGX_LEVEL_EVENT);
    }

    if (rc != NGX_OK) {
        pg->short_of = 1;
        ngx_http_unique_random_postgres_set_error(pg,
                                                  "no connection available");
        ngx_http_unique_random_postgres_fail(pg);
        return;
    }

    if (status == PGRES_POLLING_OK) {
        ngx_http_unique_random_postgres_connected(pg);
    }
}


static void
ngx_http_unique_random_postgres_refused(ngx_http_unique_random_postgres_t *pg)
{
    ngx_socket_t  s;

    ngx_http_unique_random_postgres_set_refusal(pg, PQerrorMessage(pg->conn));

    /* libpq does not say whether it was for want of a descriptor here */

    s = ngx_socket(AF_UNIX, SOCK_STREAM, 0);

    if (s == (ngx_socket_t) -1) {
        pg->short_of = (ngx_socket_errno == EMFILE
                        || ngx_socket_errno == ENFILE
                        || ngx_socket_errno == ENOBUFS
                        || ngx_socket_errno == NGX_ENOMEM);
        return;
    }

    (void) ngx_close_socket(s);
}


/* "FATAL:  28P01: the message", and more lines */

static void
ngx_http_unique_random_postgres_set_refusal(
    ngx_http_unique_random_postgres_t *pg, const char *text)
{
    char        *p, *end;
    u_char       line[256];
    const char  *state;

    pg->sqlstate[0] = '\0';

    ngx_cpystrn(line, (u_char *) text, sizeof(line));

    for (p = (char *) line; (p = strstr(p, ":  ")) != NULL; p++) {
        state = p + sizeof(":  ") - 1;

        if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5
            && ngx_strncmp(state + 5, ": ", 2) == 0)
        {
            ngx_http_unique_random_postgres_set_sqlstate(pg, state);

            ngx_memmove(p + 3, state + 7, ngx_strlen(state + 7) + 1);

            end = strchr(p, LF);
            if (end) {
                *end = '\0';
            }

            break;
        }
    }

    ngx_http_unique_random_postgres_set_error(pg, (char *) line);
}


static void
ngx_http_unique_random_postgres_set_sqlstate(
    ngx_http_unique_random_postgres_t *pg, const char *state)
{
    ngx_cpystrn((u_char *) pg->sqlstate, (u_char *) (state ? state : ""),
                sizeof(pg->sqlstate));
}


static void
ngx_http_unique_random_postgres_connected(
    ngx_http_unique_random_postgres_t *pg)
{
    ngx_del_timer(&pg->timer);

    if (PQsetnonblocking(pg->conn, 1) != 0) {
        ngx_http_unique_random_postgres_set_error(pg,
                                                  PQerrorMessage(pg->conn));
        ngx_http_unique_random_postgres_fail(pg);
        return;
    }

    pg->state = NGX_HTTP_UNIQUE_RANDOM_POSTGRES_IDLE;

    pg->handler(pg, NGX_OK);
}


static ngx_int_t
ngx_http_unique_random_postgres_flush(ngx_http_unique_random_postgres_t *pg)
{
    ngx_event_t  *wev;

    wev = pg->connection->write;

    switch (PQflush(pg->conn)) {

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


static void
ngx_http_unique_random_postgres_consume(ngx_http_unique_random_postgres_t *pg)
{
    PGresult  *result;

    if (PQconsumeInput(pg->conn) != 1) {
        ngx_http_unique_random_postgres_set_error(pg,
                                                  PQerrorMessage(pg->conn));
        ngx_http_unique_random_postgres_fail(pg);
        return;
    }

    while (!PQisBusy(pg->conn)) {

        result = PQgetResult(pg->conn);

        if (result == NULL) {
            ngx_http_unique_random_postgres_done(pg);
            return;
        }

        ngx_http_unique_random_postgres_result(pg, result);
    }
}


static void
ngx_http_unique_random_postgres_result(ngx_http_unique_random_postgres_t *pg,
    PGresult *result)
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
        ngx_http_unique_random_postgres_set_sqlstate(pg,
                                PQresultErrorField(result, PG_DIAG_SQLSTATE));
        ngx_http_unique_random_postgres_set_error(pg,
                           PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    }
}


static void
ngx_http_unique_random_postgres_done(ngx_http_unique_random_postgres_t *pg)
{
    PGresult  *result, *failure;

    if (PQstatus(pg->conn) == CONNECTION_BAD
        || PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
    {
        if (pg->failure == NULL) {
            ngx_http_unique_random_postgres_set_error(pg,
                                                "no end of the transaction");
        }

        ngx_http_unique_random_postgres_fail(pg);
        return;
    }

    ngx_del_timer(&pg->timer);

    pg->state = NGX_HTTP_UNIQUE_RANDOM_POSTGRES_IDLE;

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
ngx_http_unique_random_postgres_fail(ngx_http_unique_random_postgres_t *pg)
{
    ngx_http_unique_random_postgres_close(pg, (char *) pg->error);

    pg->handler(pg, NGX_ERROR);
}
