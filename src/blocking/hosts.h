
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The addresses of a shard's hosts, as the system finds them.  Plain C.
 */


#ifndef _HOSTS_H_INCLUDED_
#define _HOSTS_H_INCLUDED_


#include <stddef.h>

#include "core/conninfo.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* with the scope of an IPv6 address */
#define HOSTS_ADDR_LEN  64


typedef struct {
    size_t   host;                      /* which of conninfo's */
    char     text[HOSTS_ADDR_LEN];      /* numeric; "" for a socket folder */
} hosts_addr_t;


/*
 * Puts up to "max" addresses of a host into "addrs", in the order in which the
 * system gives them, and returns how many; 0, and a static text in *error, if
 * the name is not known.  Blocks if the host needs a lookup.
 */
size_t hosts_look_up(const conninfo_t *conninfo, size_t host,
    hosts_addr_t *addrs, size_t max, const char **error);

int hosts_same(const hosts_addr_t *a, const hosts_addr_t *b);


#pragma GCC visibility pop


#endif /* _HOSTS_H_INCLUDED_ */
