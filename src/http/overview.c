
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "http/overview.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/snapshot.h"

#include <libpq-fe.h>
#include <openssl/crypto.h>


ngx_ur_overview_t *
ngx_ur_overview(ngx_http_request_t *r)
{
    int                   libpq;
    ngx_uint_t            i;
    ngx_ur_pool_t       **pools;
    ngx_ur_overview_t    *overview;
    ngx_ur_main_conf_t   *umcf;

    umcf = ngx_http_get_module_main_conf(r, ngx_http_unique_random_module);

    overview = ngx_pcalloc(r->pool, sizeof(ngx_ur_overview_t));
    if (overview == NULL) {
        return NULL;
    }

    overview->pools = ngx_palloc(r->pool, umcf->pools.nelts
                                        * sizeof(ngx_ur_snapshot_t));
    if (overview->pools == NULL) {
        return NULL;
    }

    libpq = PQlibVersion();

    ngx_sprintf((u_char *) overview->libpq, "%d.%d%Z", libpq / 10000,
                libpq % 10000);

    overview->openssl = OpenSSL_version(OPENSSL_VERSION);
    overview->now = ngx_ur_account_time();
    overview->n = umcf->pools.nelts;

    pools = umcf->pools.elts;

    for (i = 0; i < overview->n; i++) {
        if (ngx_ur_snapshot(&overview->pools[i], pools[i], r->pool) != NGX_OK) {
            return NULL;
        }

        overview->state = ngx_max(overview->state, overview->pools[i].state);
    }

    return overview;
}
