
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A range that this nginx knows, or one that may be behind another host, is
 * never created anew: it would have another key, and give every number again.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_unique_random_schema.h"
#include "pool.h"
#include "postgres/bootstrap.h"
#include "postgres/postgres.h"
#include "postgres/session.h"
#include "zone/memory.h"
#include "zone/slot.h"


static ngx_int_t ngx_ur_bootstrap_ranges(ngx_ur_shard_t *shard);


ngx_uint_t
ngx_ur_bootstrap_allowed(ngx_ur_shard_t *shard)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    if (!shard->pool->bootstrap
        || shard->session->bootstrapped
        || shard->conninfo.nhosts != 1)
    {
        return 0;
    }

    ranges = shard->ranges.elts;

    for (i = 0; i < shard->ranges.nelts; i++) {
        if (ngx_ur_slot_known(ranges[i])) {
            return 0;
        }
    }

    if (!shard->pool->memory->unsure) {
        return 1;
    }

    if (!shard->session->cautioned) {
        shard->session->cautioned = 1;

        ngx_log_error(NGX_LOG_ERR, shard->session->pg.log, 0,
                      "\"bootstrap\" makes nothing in shard \"%V\", since "
                      "\"%s\" or \"%s\" cannot be read and may remember its "
                      "ranges; if no number of them was ever issued, remove "
                      "that file and reload nginx", &shard->name,
                      shard->pool->memory->file.path,
                      shard->pool->memory->file.damaged);
    }

    return 0;
}


ngx_int_t
ngx_ur_bootstrap(ngx_ur_shard_t *shard, ngx_uint_t schema)
{
    shard->session->bootstrapped = 1;

    if (!schema) {
        return ngx_ur_bootstrap_ranges(shard);
    }

    shard->session->step = NGX_UR_STEP_SCHEMA;

    return ngx_ur_postgres_query(&shard->session->pg, ngx_ur_schema, 0, NULL,
                                 shard->pool->reserve_timeout);
}


ngx_int_t
ngx_ur_bootstrap_handler(ngx_ur_shard_t *shard)
{
    ngx_int_t           rc;
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;

    if (pg->failure) {
        return NGX_ERROR;
    }

    if (shard->session->step == NGX_UR_STEP_SCHEMA) {
        rc = ngx_ur_bootstrap_ranges(shard);
        return (rc == NGX_OK) ? NGX_AGAIN : rc;
    }

    if (pg->result
        && PQntuples(pg->result) == 1
        && ngx_strcmp(PQgetvalue(pg->result, 0, 0), "t") == 0)
    {
        ngx_log_error(NGX_LOG_NOTICE, pg->log, 0,
                      "created the ranges of unique_random_pool \"%V\" in "
                      "shard \"%V\"", &shard->pool->name, &shard->name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_bootstrap_ranges(ngx_ur_shard_t *shard)
{
    size_t            size;
    u_char           *buf, *first, *last;
    ngx_int_t         rc;
    ngx_uint_t        i;
    const char       *values[5], *comma;
    ngx_ur_range_t  **ranges;

    ranges = shard->ranges.elts;
    size = shard->ranges.nelts * (NGX_INT64_LEN + 1) + sizeof("{}");

    buf = ngx_alloc(2 * size, shard->session->pg.log);
    if (buf == NULL) {
        ngx_ur_postgres_set_error(&shard->session->pg, "out of memory");
        return NGX_ERROR;
    }

    first = ngx_cpymem(buf, "{", 1);
    last = ngx_cpymem(buf + size, "{", 1);
    comma = "";

    for (i = 0; i < shard->ranges.nelts; i++) {

        /* what was given out of it before, only its table knows */

        if (ranges[i]->adopted) {
            continue;
        }

        first = ngx_sprintf(first, "%s%uL", comma, ranges[i]->first);
        last = ngx_sprintf(last, "%s%uL", comma, ranges[i]->last);
        comma = ",";
    }

    ngx_sprintf(first, "}%Z");
    ngx_sprintf(last, "}%Z");

    values[0] = (char *) shard->pool->name.data;
    values[1] = (char *) buf;
    values[2] = (char *) buf + size;
    values[3] = (char *) shard->failover;
    values[4] = (char *) shard->pool->others;

    shard->session->step = NGX_UR_STEP_BOOTSTRAP;

    rc = ngx_ur_postgres_query(&shard->session->pg,
                          "SELECT unique_random.bootstrap($1, $2, $3, $4, $5)",
                          5, values, shard->pool->reserve_timeout);

    ngx_free(buf);

    return rc;
}
