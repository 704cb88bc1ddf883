
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

#include "blocking/attempt.h"


/* how long servers may go on sending, in times that they may be silent for */
#define ATTEMPT_LIMIT  2


static int attempt_poll(attempt_t *attempt, PGconn *conn);
static int attempt_wait(attempt_t *attempt, PGconn *conn,
    PostgresPollingStatusType status, int64_t *patience);
static int64_t attempt_clock(void);
static void attempt_timed_out(attempt_t *attempt, attempt_failure_e how);
static void attempt_refused(attempt_t *attempt, const char *text);
static void attempt_notice(void *data, const PGresult *result);


void
attempt_connect(attempt_t *attempt)
{
    PGconn      *conn;
    const char  *keywords[CONNINFO_PARAMS];
    const char  *values[CONNINFO_PARAMS];

    if (conninfo_params(&attempt->conninfo,
                        &attempt->conninfo.hosts[attempt->addr.host],
                        attempt->addr.text, keywords, values)
        != 0)
    {
        attempt_fail(attempt, ATTEMPT_REFUSED, "too many parameters");
        return;
    }

    conn = PQconnectStartParams(keywords, values, 0);

    if (conn == NULL) {
        attempt->short_of = 1;
        attempt_fail(attempt, ATTEMPT_REFUSED, "out of memory");
        return;
    }

    PQsetNoticeReceiver(conn, attempt_notice, attempt);

    /* no other way leads to the SQLSTATE of a refusal */

    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);

    if (attempt_poll(attempt, conn) == 0) {
        PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
        attempt->conn = conn;
        return;
    }

    PQfinish(conn);

    /* libpq does not say whether it was for want of something here */

    attempt->short_of = attempt_is_short();
}


/*
 * As PQconnectdb() does, but in milliseconds.  Who says nothing at all gets no
 * more than a share, so that there is time for the others.
 */

static int
attempt_poll(attempt_t *attempt, PGconn *conn)
{
    int                        silent;
    int64_t                    share, limit, tried, *patience;
    PostgresPollingStatusType  status;

    limit = attempt_clock() + ATTEMPT_LIMIT * attempt->patience;
    share = attempt->patience / (int64_t) (attempt->left + 1);
    patience = &share;

    /* who gets less than the others had cannot be told from a slow one */

    tried = (int64_t) (attempt->nfailures + attempt->left + 1);
    silent = (share >= attempt->budget / tried);

    status = PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                              : PGRES_POLLING_WRITING;

    while (status != PGRES_POLLING_OK) {

        if (status == PGRES_POLLING_FAILED) {
            attempt_refused(attempt, PQerrorMessage(conn));
            return -1;
        }

        if (attempt_clock() >= limit
            || attempt_wait(attempt, conn, status, patience) == 0)
        {
            attempt_timed_out(attempt, silent ? ATTEMPT_SILENT
                                              : ATTEMPT_LATE);
            return -1;
        }

        if (status == PGRES_POLLING_READING) {
            patience = &attempt->patience;
            silent = 0;
        }

        status = PQconnectPoll(conn);
    }

    return 0;
}


/* 0: it has said nothing for so long */

static int
attempt_wait(attempt_t *attempt, PGconn *conn,
    PostgresPollingStatusType status, int64_t *patience)
{
    int            rc;
    int64_t        from, ms, waited;
    struct pollfd  pfd;

    pfd.fd = PQsocket(conn);
    pfd.events = (status == PGRES_POLLING_READING) ? POLLIN : POLLOUT;

    ms = *patience > 0 ? *patience / 1000 + 1 : 0;
    from = attempt_clock();

    do {
        rc = poll(&pfd, 1, ms < INT_MAX ? (int) ms : INT_MAX);
    } while (rc == -1 && errno == EINTR);

    waited = attempt_clock() - from;

    attempt->patience -= waited;

    if (patience != &attempt->patience) {
        *patience -= waited;
    }

    return rc > 0;
}


static int64_t
attempt_clock(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}


static void
attempt_timed_out(attempt_t *attempt, attempt_failure_e how)
{
    char  text[LINE_LEN];

    snprintf(text, sizeof(text), "connect to \"%s\"%s%s timed out",
             hosts_name(&attempt->conninfo.hosts[attempt->addr.host]),
             attempt->addr.text[0] ? " at " : "", attempt->addr.text);

    attempt_fail(attempt, how, text);
}


/* "FATAL:  28P01: the message", in a text of several lines */

static void
attempt_refused(attempt_t *attempt, const char *text)
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

            attempt_fail(attempt, ATTEMPT_REFUSED, line);

            snprintf(attempt->failures[attempt->nfailures - 1].sqlstate,
                     sizeof(attempt->failures[0].sqlstate), "%.5s", state);
            return;
        }
    }

    attempt_fail(attempt, ATTEMPT_REFUSED, text);
}


int
attempt_is_short(void)
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


static void
attempt_notice(void *data, const PGresult *result)
{
    attempt_t *attempt = data;

    char         text[LINE_LEN];
    const char  *severity, *message;

    severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    snprintf(text, sizeof(text), "%s: %s", severity ? severity : "-",
             message ? message : "-");

    line_print(attempt->notice, LINE_LEN, text);
}
