
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The hosts of a shard in their order, each once in an attempt, with a share of
 * the time for each that is left.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocking/attempt.h"


static void attempt_try(attempt_t *attempt, size_t host);
static size_t attempt_look_up(attempt_t *attempt, size_t host,
    hosts_addr_t *addrs);
static size_t attempt_left(const attempt_t *attempt,
    const hosts_addr_t *addrs, size_t n);
static void attempt_connect(attempt_t *attempt);
static void attempt_add_failure(attempt_t *attempt, dial_failure_e how,
    const char *sqlstate);
static int attempt_failed(const attempt_t *attempt, const hosts_addr_t *addr);
static int attempt_failed_host(const attempt_t *attempt, size_t host);
static int attempt_over(const attempt_t *attempt);


attempt_t *
attempt_create(const char *conninfo)
{
    attempt_t   *attempt;
    const char  *error;

    attempt = calloc(1, sizeof(attempt_t));

    if (attempt == NULL) {
        return NULL;
    }

    if (conninfo_parse(&attempt->conninfo, conninfo, &error) != 0) {
        free(attempt);
        return NULL;
    }

    /* room for each host, and more */

    if (order_init(&attempt->order, attempt->conninfo.nhosts + ATTEMPT_ADDRS)
        != 0)
    {
        attempt_destroy(attempt);
        return NULL;
    }

    return attempt;
}


void
attempt_destroy(attempt_t *attempt)
{
    attempt_drop(attempt);
    conninfo_destroy(&attempt->conninfo);
    order_destroy(&attempt->order);
    free(attempt);
}


void
attempt_begin(attempt_t *attempt, int64_t patience)
{
    size_t              i, n;
    order_t            *order;
    attempt_failure_t  *failure;

    order = &attempt->order;

    order->has_preferred = order->has_preferred
                           && !attempt_failed(attempt, &order->preferred);

    /* for want of something here, the last one says nothing of a host */

    n = attempt->nfailures - (attempt->nfailures && attempt->short_of);

    for (i = 0; i < n; i++) {
        failure = &attempt->failures[i];

        order_failed(order, attempt->number, &failure->addr, failure->how);
    }

    attempt->number++;

    attempt->budget = patience * 1000;
    attempt->patience = attempt->budget;

    attempt->nfailures = 0;
    attempt->short_of = 0;
    attempt->left = 0;
}


int
attempt_has_more(const attempt_t *attempt)
{
    size_t  host;

    for (host = 0; host < attempt->conninfo.nhosts; host++) {

        if (conninfo_host_needs_lookup(&attempt->conninfo.hosts[host])
            || !attempt_failed_host(attempt, host))
        {
            return attempt->patience > 0;
        }
    }

    return 0;
}


void
attempt_run(attempt_t *attempt)
{
    size_t  i, *hosts;

    attempt->notice[0] = '\0';
    attempt->short_of = 0;

    hosts = calloc(attempt->conninfo.nhosts, sizeof(size_t));
    if (hosts == NULL) {
        attempt->short_of = 1;
        line_print(attempt->error, LINE_LEN, "out of memory");
        return;
    }

    order_hosts(&attempt->order, &attempt->conninfo, hosts);

    for (i = 0; i < attempt->conninfo.nhosts; i++) {
        attempt_try(attempt, hosts[i]);
    }

    free(hosts);
}


void
attempt_drop(attempt_t *attempt)
{
    PQfinish(attempt->conn);
    attempt->conn = NULL;
}


void
attempt_prefer(attempt_t *attempt)
{
    order_prefer(&attempt->order, &attempt->addr);
}


void
attempt_fail(attempt_t *attempt, const char *error)
{
    line_print(attempt->error, LINE_LEN, error);

    attempt_add_failure(attempt, DIAL_REFUSED, "");
}


const char *
attempt_host(attempt_t *attempt)
{
    size_t  host;

    host = __atomic_load_n(&attempt->host, __ATOMIC_RELAXED);

    return conninfo_host_name(&attempt->conninfo.hosts[host]);
}


static void
attempt_try(attempt_t *attempt, size_t host)
{
    size_t        i, n;
    hosts_addr_t  addrs[ATTEMPT_ADDRS];

    if (attempt_over(attempt)) {
        return;
    }

    n = attempt_look_up(attempt, host, addrs);

    order_addrs(&attempt->order, host, addrs, n);

    for (i = 0; i < n; i++) {

        if (attempt_failed(attempt, &addrs[i]) || attempt_over(attempt)) {
            continue;
        }

        attempt->addr = addrs[i];
        attempt->left = attempt_left(attempt, addrs, n);

        attempt_connect(attempt);
    }
}


static size_t
attempt_look_up(attempt_t *attempt, size_t host, hosts_addr_t *addrs)
{
    char          text[LINE_LEN];
    size_t        n;
    const char   *error;
    hosts_addr_t  none;

    none.host = host;
    none.text[0] = '\0';

    if (attempt_failed(attempt, &none)) {
        return 0;
    }

    __atomic_store_n(&attempt->host, host, __ATOMIC_RELAXED);

    n = hosts_look_up(&attempt->conninfo, host, addrs, ATTEMPT_ADDRS, &error);

    if (n == 0) {
        snprintf(text, sizeof(text),
                 "could not translate host name \"%s\" to address: %s",
                 attempt->conninfo.hosts[host].host, error);

        attempt->addr = none;
        attempt_fail(attempt, text);

        attempt->short_of = dial_is_short();
    }

    return n;
}


/* besides the one at hand: another host counts once, as long as none failed */

static size_t
attempt_left(const attempt_t *attempt, const hosts_addr_t *addrs, size_t n)
{
    size_t  i, host, left;

    left = 0;

    for (i = 0; i < n; i++) {
        left += !attempt_failed(attempt, &addrs[i])
                && !hosts_same(&attempt->addr, &addrs[i]);
    }

    for (host = 0; host < attempt->conninfo.nhosts; host++) {
        left += host != attempt->addr.host
                && !attempt_failed_host(attempt, host);
    }

    return left;
}


/* to the address at hand */

static void
attempt_connect(attempt_t *attempt)
{
    dial_t   dial;
    int64_t  tried;

    memset(&dial, 0, sizeof(dial_t));

    dial.conninfo = &attempt->conninfo;
    dial.addr = &attempt->addr;
    dial.share = attempt->patience / (int64_t) (attempt->left + 1);
    dial.patience = attempt->patience;
    dial.notice = attempt->notice;

    /* who gets less than the others had cannot be told from a slow one */

    tried = (int64_t) (attempt->nfailures + attempt->left + 1);
    dial.fair = (dial.share >= attempt->budget / tried);

    attempt->conn = dial_run(&dial);
    attempt->patience = dial.patience;

    if (attempt->conn == NULL) {
        attempt->short_of = dial.short_of;
        strcpy(attempt->error, dial.error);

        attempt_add_failure(attempt, dial.how, dial.sqlstate);
    }
}


/* for the reason that is in "error" */

static void
attempt_add_failure(attempt_t *attempt, dial_failure_e how,
    const char *sqlstate)
{
    attempt_failure_t  *failure;

    if (attempt->nfailures < ATTEMPT_ADDRS) {
        failure = &attempt->failures[attempt->nfailures++];

        failure->addr = attempt->addr;
        failure->how = how;
        strcpy(failure->sqlstate, sqlstate);
        strcpy(failure->error, attempt->error);
    }
}


static int
attempt_failed(const attempt_t *attempt, const hosts_addr_t *addr)
{
    size_t  i;

    for (i = 0; i < attempt->nfailures; i++) {
        if (hosts_same(&attempt->failures[i].addr, addr)) {
            return 1;
        }
    }

    return 0;
}


static int
attempt_failed_host(const attempt_t *attempt, size_t host)
{
    size_t  i;

    for (i = 0; i < attempt->nfailures; i++) {
        if (attempt->failures[i].addr.host == host) {
            return 1;
        }
    }

    return 0;
}


static int
attempt_over(const attempt_t *attempt)
{
    return attempt->conn
           || attempt->short_of
           || attempt->patience <= 0
           || attempt->nfailures == ATTEMPT_ADDRS;
}
