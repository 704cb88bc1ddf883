
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * libpq is given one address at a time, and the name for TLS to verify.  Its
 * own list of hosts knows no share of the time for each, and does not tell
 * which of them it has come to.
 */


#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "blocking/dial.h"


/* how long servers may go on sending, in times that they may be silent for */
#define DIAL_LIMIT  2


static int dial_poll(dial_t *dial, PGconn *conn);
static int dial_wait(dial_t *dial, PGconn *conn,
    PostgresPollingStatusType status, int heard);
static int64_t dial_clock(void);
static void dial_timed_out(dial_t *dial, dial_failure_e how);
static void dial_refused(dial_t *dial, const char *text);
static void dial_fail(dial_t *dial, dial_failure_e how, const char *error);
static void dial_notice(void *data, const PGresult *result);


PGconn *
dial_run(dial_t *dial)
{
    PGconn      *conn;
    const char  *keywords[CONNINFO_PARAMS];
    const char  *values[CONNINFO_PARAMS];

    if (conninfo_params(dial->conninfo,
                        &dial->conninfo->hosts[dial->addr->host],
                        dial->addr->text, keywords, values)
        != 0)
    {
        dial_fail(dial, DIAL_REFUSED, "too many parameters");
        return NULL;
    }

    conn = PQconnectStartParams(keywords, values, 0);

    if (conn == NULL) {
        dial->short_of = 1;
        dial_fail(dial, DIAL_REFUSED, "out of memory");
        return NULL;
    }

    PQsetNoticeReceiver(conn, dial_notice, dial->notice);

    /* no other way leads to the SQLSTATE of a refusal */

    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);

    if (dial_poll(dial, conn) == 0) {
        PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
        return conn;
    }

    PQfinish(conn);

    /* libpq does not say whether it was for want of something here */

    dial->short_of = dial_is_short();

    return NULL;
}


int
dial_is_short(void)
{
    int  s;

    s = socket(AF_UNIX, SOCK_STREAM, 0);

    if (s == -1) {
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS
               || errno == ENOMEM;
    }

    close(s);

    return 0;
}


/*
 * As PQconnectdb() does, but in milliseconds.  Who says nothing at all gets no
 * more than a share, so that there is time for the others.
 */

static int
dial_poll(dial_t *dial, PGconn *conn)
{
    int                        heard;
    int64_t                    limit;
    PostgresPollingStatusType  status;

    limit = dial_clock() + DIAL_LIMIT * dial->patience;
    heard = 0;

    status = PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                              : PGRES_POLLING_WRITING;

    while (status != PGRES_POLLING_OK) {

        if (status == PGRES_POLLING_FAILED) {
            dial_refused(dial, PQerrorMessage(conn));
            return -1;
        }

        if (dial_clock() >= limit
            || dial_wait(dial, conn, status, heard) == 0)
        {
            dial_timed_out(dial, dial->fair && !heard ? DIAL_SILENT
                                                      : DIAL_LATE);
            return -1;
        }

        heard |= (status == PGRES_POLLING_READING);

        status = PQconnectPoll(conn);
    }

    return 0;
}


/* 0: it has said nothing for so long */

static int
dial_wait(dial_t *dial, PGconn *conn, PostgresPollingStatusType status,
    int heard)
{
    int            rc;
    int64_t        from, left, ms, waited;
    struct pollfd  pfd;

    pfd.fd = PQsocket(conn);
    pfd.events = (status == PGRES_POLLING_READING) ? POLLIN : POLLOUT;

    left = heard ? dial->patience : dial->share;
    ms = left > 0 ? left / 1000 + 1 : 0;
    from = dial_clock();

    do {
        rc = poll(&pfd, 1, ms < INT_MAX ? (int) ms : INT_MAX);
    } while (rc == -1 && errno == EINTR);

    waited = dial_clock() - from;

    dial->patience -= waited;
    dial->share -= waited;

    return rc > 0;
}


static int64_t
dial_clock(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}


static void
dial_timed_out(dial_t *dial, dial_failure_e how)
{
    char                 text[LINE_LEN];
    const hosts_addr_t  *addr;

    addr = dial->addr;

    snprintf(text, sizeof(text), "connect to \"%s\"%s%s timed out",
             conninfo_host_name(&dial->conninfo->hosts[addr->host]),
             addr->text[0] ? " at " : "", addr->text);

    dial_fail(dial, how, text);
}


/* "FATAL:  28P01: the message", in a text of several lines */

static void
dial_refused(dial_t *dial, const char *text)
{
    char         line[LINE_LEN];
    const char  *p, *state;

    for (p = text; (p = strstr(p, ":  ")) != NULL; p++) {
        state = p + sizeof(":  ") - 1;

        if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5
            && strncmp(state + 5, ": ", 2) == 0)
        {
            while (p > text && p[-1] != '\n') {
                p--;
            }

            snprintf(line, sizeof(line), "%.*s%.*s",
                     (int) (state - p), p,
                     (int) strcspn(state + 7, "\n"), state + 7);

            dial_fail(dial, DIAL_REFUSED, line);

            snprintf(dial->sqlstate, sizeof(dial->sqlstate), "%.5s", state);
            return;
        }
    }

    dial_fail(dial, DIAL_REFUSED, text);
}


static void
dial_fail(dial_t *dial, dial_failure_e how, const char *error)
{
    dial->how = how;

    line_print(dial->error, LINE_LEN, error);
}


static void
dial_notice(void *data, const PGresult *result)
{
    char *notice = data;

    char         text[LINE_LEN];
    const char  *severity, *message;

    severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    snprintf(text, sizeof(text), "%s: %s", severity ? severity : "-",
             message ? message : "-");

    line_print(notice, LINE_LEN, text);
}
