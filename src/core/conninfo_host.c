
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What an address is, is the system's to say: it knows scopes of IPv6.
 */


#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "core/conninfo_host.h"


const char *
conninfo_host_name(const conninfo_host_t *host)
{
    return host->host[0] ? host->host
                         : host->hostaddr[0] ? host->hostaddr : "local";
}


int
conninfo_host_is_addr(const char *text)
{
    struct addrinfo  hints, *res;

    memset(&hints, 0, sizeof(struct addrinfo));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;

    if (getaddrinfo(text, NULL, &hints, &res) != 0) {
        return 0;
    }

    freeaddrinfo(res);

    return 1;
}


int
conninfo_host_needs_lookup(const conninfo_host_t *host)
{
    return host->hostaddr[0] == '\0'
           && host->host[0] != '\0'
           && host->host[0] != '/'
           && host->host[0] != '@'
           && !conninfo_host_is_addr(host->host);
}
