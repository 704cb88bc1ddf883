
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * An order begins where it was right, goes on with those that have not failed,
 * and then by the time for which that is: so each comes first in its turn, and
 * none can keep the others from theirs.  Of those that failed in the same
 * attempt, who was late may have been right.
 */


#include <stdlib.h>
#include <string.h>

#include "blocking/order.h"


/* keys of an order: before all others, never failed, and a step in time */
#define ORDER_PREFERRED  -1
#define ORDER_UNTRIED    0
#define ORDER_STEP       (DIAL_SILENT + 1)


static int64_t order_key_of_host(const order_t *order, size_t host);
static int64_t order_key(const order_t *order, const hosts_addr_t *addr);


int
order_init(order_t *order, size_t max)
{
    memset(order, 0, sizeof(order_t));

    order->past = calloc(max, sizeof(order_past_t));
    order->maxpast = max;

    return order->past ? 0 : -1;
}


void
order_destroy(order_t *order)
{
    free(order->past);
}


/*
 * A name server may be silent for long: where all else is equal, who needs none
 * is tried first.
 */

void
order_hosts(const order_t *order, const conninfo_t *conninfo, size_t *hosts)
{
    int      lookup;
    size_t   i, n, host;
    int64_t  key;

    n = 0;

    for (lookup = 0; lookup <= 1; lookup++) {
        for (host = 0; host < conninfo->nhosts; host++) {

            if (conninfo_host_needs_lookup(&conninfo->hosts[host]) != lookup) {
                continue;
            }

            key = order_key_of_host(order, host);

            for (i = n++; i; i--) {
                if (order_key_of_host(order, hosts[i - 1]) <= key) {
                    break;
                }

                hosts[i] = hosts[i - 1];
            }

            hosts[i] = host;
        }
    }
}


void
order_addrs(order_t *order, size_t host, hosts_addr_t *addrs, size_t n)
{
    size_t        i, j;
    int64_t       key;
    hosts_addr_t  addr;

    for (j = 1; j < n; j++) {
        addr = addrs[j];
        key = order_key(order, &addr);

        for (i = j; i && order_key(order, &addrs[i - 1]) > key; i--) {
            addrs[i] = addrs[i - 1];
        }

        addrs[i] = addr;
    }

    /* its name leads elsewhere now: it is one of the others */

    if (order->has_preferred && order->preferred.host == host
        && (n == 0 || !hosts_same(&order->preferred, &addrs[0])))
    {
        order->has_preferred = 0;
    }
}


/* in place of what is known of it, or else of what is known for longest */

void
order_failed(order_t *order, uint64_t number, const hosts_addr_t *addr,
    dial_failure_e how)
{
    size_t         i;
    order_past_t  *past;

    past = &order->past[0];

    for (i = 0; i < order->npast; i++) {

        if (hosts_same(&order->past[i].addr, addr)) {
            past = &order->past[i];
            goto found;
        }

        if (order->past[i].number < past->number) {
            past = &order->past[i];
        }
    }

    if (order->npast < order->maxpast) {
        past = &order->past[order->npast++];
    }

found:

    past->addr = *addr;
    past->number = number;
    past->how = how;
}


void
order_prefer(order_t *order, const hosts_addr_t *addr)
{
    order->preferred = *addr;
    order->has_preferred = 1;
}


/*
 * That of its last failure: what a name led to before, and does not any more,
 * would keep it in its place for ever.
 */

static int64_t
order_key_of_host(const order_t *order, size_t host)
{
    size_t               i;
    const order_past_t  *past, *last;

    if (order->has_preferred && order->preferred.host == host) {
        return ORDER_PREFERRED;
    }

    last = NULL;

    for (i = 0; i < order->npast; i++) {
        past = &order->past[i];

        if (past->addr.host == host
            && (last == NULL
                || past->number > last->number
                || (past->number == last->number && past->how < last->how)))
        {
            last = past;
        }
    }

    return last ? order_key(order, &last->addr) : ORDER_UNTRIED;
}


static int64_t
order_key(const order_t *order, const hosts_addr_t *addr)
{
    size_t  i;

    if (order->has_preferred && hosts_same(&order->preferred, addr)) {
        return ORDER_PREFERRED;
    }

    for (i = 0; i < order->npast; i++) {
        if (hosts_same(&order->past[i].addr, addr)) {
            return (int64_t) order->past[i].number * ORDER_STEP
                   + order->past[i].how;
        }
    }

    return ORDER_UNTRIED;
}
