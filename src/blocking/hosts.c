
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What getaddrinfo() says, with all that it goes by: /etc/hosts, search
 * domains, A and AAAA.
 */


#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "blocking/hosts.h"


size_t
hosts_look_up(const conninfo_t *conninfo, size_t host, hosts_addr_t *addrs,
    size_t max, const char **error)
{
    int                     rc;
    size_t                  n;
    struct addrinfo         hints, *res, *ai;
    const conninfo_host_t  *h;

    h = &conninfo->hosts[host];

    if (!conninfo_host_needs_lookup(h)) {
        addrs[0].host = host;
        snprintf(addrs[0].text, HOSTS_ADDR_LEN, "%s",
                 h->hostaddr[0] ? h->hostaddr
                 : (h->host[0] == '/' || h->host[0] == '@') ? "" : h->host);
        return 1;
    }

    memset(&hints, 0, sizeof(struct addrinfo));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(h->host, NULL, &hints, &res);

    if (rc != 0) {
        *error = gai_strerror(rc);
        return 0;
    }

    n = 0;

    for (ai = res; ai && n < max; ai = ai->ai_next) {
        addrs[n].host = host;

        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, addrs[n].text,
                        HOSTS_ADDR_LEN, NULL, 0, NI_NUMERICHOST)
            == 0)
        {
            n++;
        }
    }

    freeaddrinfo(res);

    *error = "it has no address";

    return n;
}


int
hosts_same(const hosts_addr_t *a, const hosts_addr_t *b)
{
    return a->host == b->host && strcmp(a->text, b->text) == 0;
}
