
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The order in which the hosts of a shard are tried, and the addresses of a
 * host, by what has become of them so far.  Plain C; blocks nowhere.
 */


#ifndef _ORDER_H_INCLUDED_
#define _ORDER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "blocking/dial.h"
#include "blocking/hosts.h"
#include "core/conninfo.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


typedef struct {
    hosts_addr_t     addr;
    uint64_t         number;            /* of the attempt in which it failed */
    dial_failure_e   how;
} order_past_t;


typedef struct {
    order_past_t    *past;              /* the last failure of each address */
    size_t           npast;
    size_t           maxpast;

    hosts_addr_t     preferred;         /* it was right, and has not failed */
    unsigned         has_preferred:1;
} order_t;


/* remembers so many addresses; returns -1 if there is no memory */
int order_init(order_t *order, size_t max);

void order_destroy(order_t *order);

/* all hosts of the conninfo, as indices, into "hosts" */
void order_hosts(const order_t *order, const conninfo_t *conninfo,
    size_t *hosts);

/* sorts the addresses that the host has by now */
void order_addrs(order_t *order, size_t host, hosts_addr_t *addrs, size_t n);

/* numbers only grow, from 1 */
void order_failed(order_t *order, uint64_t number, const hosts_addr_t *addr,
    dial_failure_e how);

/* it is right: begin there */
void order_prefer(order_t *order, const hosts_addr_t *addr);


#pragma GCC visibility pop


#endif /* _ORDER_H_INCLUDED_ */
