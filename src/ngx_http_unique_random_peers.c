
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Makes the list of a shard's peers.  A name is looked up here, unless http{}
 * has a resolver: then at each connect.  libpq gets addresses only, since it
 * would block on a name.
 */


#include "ngx_http_unique_random_pool.h"


static ngx_uint_t ngx_http_unique_random_shard_is_addr(const char *text);
static ngx_int_t ngx_http_unique_random_shard_add_peer(
    ngx_http_unique_random_shard_t *shard, const conninfo_host_t *host,
    char *addr);
static ngx_int_t ngx_http_unique_random_shard_look_up(ngx_conf_t *cf,
    ngx_http_unique_random_shard_t *shard, const conninfo_host_t *host);


ngx_int_t
ngx_http_unique_random_shard_resolve(ngx_conf_t *cf,
    ngx_http_unique_random_shard_t *shard)
{
    char                   *addr;
    size_t                  i;
    ngx_int_t               rc;
    const conninfo_host_t  *host;

    for (i = 0; i < shard->conninfo.nhosts; i++) {
        host = &shard->conninfo.hosts[i];

        if (host->hostaddr[0]) {
            addr = (char *) host->hostaddr;

            if (!ngx_http_unique_random_shard_is_addr(addr)) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "invalid hostaddr \"%s\", an IP address is "
                              "expected in shard \"%V\" in %s:%ui", addr,
                              &shard->name, shard->file, shard->line);
                return NGX_ERROR;
            }

        } else if (host->host[0] == '\0'
                   || host->host[0] == '/'
                   || host->host[0] == '@')
        {
            addr = "";

        } else if (ngx_http_unique_random_shard_is_addr(host->host)) {
            addr = (char *) host->host;

        } else if (shard->pool->resolver) {
            addr = NULL;

        } else {
            if (ngx_http_unique_random_shard_look_up(cf, shard, host)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        rc = ngx_http_unique_random_shard_add_peer(shard, host, addr);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_unique_random_shard_is_addr(const char *text)
{
    size_t  len;
#if (NGX_HAVE_INET6)
    u_char  addr[16];
#endif

    len = ngx_strlen(text);

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr((u_char *) text, len, addr) == NGX_OK) {
        return 1;
    }

#endif

    return ngx_inet_addr((u_char *) text, len) != INADDR_NONE;
}


static ngx_int_t
ngx_http_unique_random_shard_add_peer(ngx_http_unique_random_shard_t *shard,
    const conninfo_host_t *host, char *addr)
{
    ngx_http_unique_random_peer_t  *peer;

    peer = ngx_array_push(&shard->peers);
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->host = host;
    peer->addr = addr;

    return NGX_OK;
}


static ngx_int_t
ngx_http_unique_random_shard_look_up(ngx_conf_t *cf,
    ngx_http_unique_random_shard_t *shard, const conninfo_host_t *host)
{
    char        *addr;
    size_t       len;
    ngx_url_t    u;
    ngx_uint_t   i;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.host.data = (u_char *) host->host;
    u.host.len = ngx_strlen(host->host);

    if (ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "%s in shard \"%V\" in %s:%ui",
                      u.err ? u.err : "host not found", &shard->name,
                      shard->file, shard->line);
        return NGX_ERROR;
    }

    for (i = 0; i < u.naddrs; i++) {

        addr = ngx_pnalloc(cf->pool, NGX_SOCKADDR_STRLEN + 1);
        if (addr == NULL) {
            return NGX_ERROR;
        }

        len = ngx_sock_ntop(u.addrs[i].sockaddr, u.addrs[i].socklen,
                            (u_char *) addr, NGX_SOCKADDR_STRLEN, 0);
        addr[len] = '\0';

        if (ngx_http_unique_random_shard_add_peer(shard, host, addr)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
