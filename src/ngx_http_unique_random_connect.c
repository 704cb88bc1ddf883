
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The peers of a shard are its hosts, or the addresses of them.  libpq is
 * given one address at a time, and the name only for TLS to verify.
 */


#include "ngx_http_unique_random_connect.h"
#include "ngx_http_unique_random_health.h"


static ngx_int_t ngx_http_unique_random_connect_peer(
    ngx_http_unique_random_shard_t *shard);
static ngx_int_t ngx_http_unique_random_connect_addr(
    ngx_http_unique_random_shard_t *shard, const char *addr);
static ngx_int_t ngx_http_unique_random_connect_resolve(
    ngx_http_unique_random_shard_t *shard);
static void ngx_http_unique_random_connect_resolved(ngx_resolver_ctx_t *ctx);


ngx_int_t
ngx_http_unique_random_connect(ngx_http_unique_random_shard_t *shard)
{
    shard->tried = 0;

    if (ngx_http_unique_random_connect_peer(shard) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_http_unique_random_connect_next(shard);
}


ngx_int_t
ngx_http_unique_random_connect_next(ngx_http_unique_random_shard_t *shard)
{
    ngx_http_unique_random_connect_abort(shard, "next peer");

    while (++shard->tried < shard->peers.nelts) {

        ngx_log_error(NGX_LOG_INFO, shard->postgres.log, 0,
                      "shard \"%V\": %s, trying the next host",
                      &shard->name, shard->postgres.error);

        shard->peer = (shard->peer + 1) % shard->peers.nelts;

        if (ngx_http_unique_random_connect_peer(shard) == NGX_OK) {
            return NGX_OK;
        }
    }

    shard->peer = (shard->peer + 1) % shard->peers.nelts;

    return NGX_ERROR;
}


void
ngx_http_unique_random_connect_abort(ngx_http_unique_random_shard_t *shard,
    char *reason)
{
    if (shard->resolve) {
        ngx_resolve_name_done(shard->resolve);
        shard->resolve = NULL;
    }

    if (shard->postgres.state != NGX_HTTP_UNIQUE_RANDOM_POSTGRES_CLOSED) {
        ngx_http_unique_random_postgres_close(&shard->postgres, reason);
    }
}


static ngx_int_t
ngx_http_unique_random_connect_peer(ngx_http_unique_random_shard_t *shard)
{
    ngx_http_unique_random_peer_t  *peer;

    peer = shard->peers.elts;
    peer += shard->peer;

    return peer->addr ? ngx_http_unique_random_connect_addr(shard, peer->addr)
                      : ngx_http_unique_random_connect_resolve(shard);
}


static ngx_int_t
ngx_http_unique_random_connect_addr(ngx_http_unique_random_shard_t *shard,
    const char *addr)
{
    const char                     *keywords[CONNINFO_PARAMS];
    const char                     *values[CONNINFO_PARAMS];
    ngx_http_unique_random_peer_t  *peer;

    peer = shard->peers.elts;
    peer += shard->peer;

    if (conninfo_params(&shard->conninfo, peer->host, addr, keywords, values)
        != 0)
    {
        ngx_http_unique_random_postgres_set_error(&shard->postgres,
                                                  "too many parameters");
        return NGX_ERROR;
    }

    return ngx_http_unique_random_postgres_connect(&shard->postgres, keywords,
                                               values,
                                               shard->pool->connect_timeout);
}


static ngx_int_t
ngx_http_unique_random_connect_resolve(ngx_http_unique_random_shard_t *shard)
{
    ngx_resolver_ctx_t             *ctx;
    ngx_http_unique_random_peer_t  *peer;

    peer = shard->peers.elts;
    peer += shard->peer;

    ctx = ngx_resolve_start(shard->pool->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_unique_random_postgres_set_error(&shard->postgres,
                                                  "no resolver");
        return NGX_ERROR;
    }

    ctx->name.data = (u_char *) peer->host->host;
    ctx->name.len = ngx_strlen(peer->host->host);
    ctx->handler = ngx_http_unique_random_connect_resolved;
    ctx->data = shard;
    ctx->timeout = shard->pool->connect_timeout;

    shard->resolve = ctx;

    /*
     * For a cached name the handler has been called when this returns, and
     * shard->resolve is NULL again.  On failure ctx is freed.
     */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        shard->resolve = NULL;
        ngx_http_unique_random_postgres_set_error(&shard->postgres,
                                                  "resolver failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_unique_random_connect_resolved(ngx_resolver_ctx_t *ctx)
{
    char                               addr[NGX_HTTP_UNIQUE_RANDOM_ADDR_LEN];
    size_t                             len;
    ngx_resolver_addr_t               *a;
    ngx_http_unique_random_shard_t    *shard;
    ngx_http_unique_random_postgres_t *pg;

    shard = ctx->data;
    pg = &shard->postgres;

    addr[0] = '\0';

    if (ctx->state || ctx->naddrs == 0) {
        ngx_http_unique_random_postgres_set_error(pg,
                                         ngx_resolver_strerror(ctx->state));

    } else {
        a = &ctx->addrs[(ngx_uint_t) ngx_random() % ctx->naddrs];
        len = ngx_sock_ntop(a->sockaddr, a->socklen, (u_char *) addr,
                            NGX_SOCKADDR_STRLEN, 0);
        addr[len] = '\0';
    }

    shard->resolve = NULL;
    ngx_resolve_name_done(ctx);

    if (addr[0]) {
        ngx_http_unique_random_health_set_addr(shard, addr);
    }

    if (addr[0] == '\0'
        || ngx_http_unique_random_connect_addr(shard, addr) != NGX_OK)
    {
        pg->handler(pg, NGX_ERROR);
    }
}
