
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A chunk is a query of its own: so neither the worker nor the database holds
 * more than one at a time, and the worker has other work in between.  Nothing
 * is believed before all are there: I6, the digest of the range covers the
 * domain, and is looked at with the key.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "core/domain.h"
#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"
#include "postgres/fetch.h"
#include "postgres/postgres.h"
#include "postgres/report.h"
#include "postgres/session.h"
#include "zone/asks.h"
#include "zone/domain.h"
#include "zone/reply.h"

#include <openssl/evp.h>


#define NGX_UR_FETCH_COLUMNS  5

/* a chunk, and what is asked before it, in the times that each may take */
#define NGX_UR_FETCH_HOLD     3

/* how long to leave a range alone that another worker fetches */
#define NGX_UR_FETCH_BUSY     100


struct ngx_ur_fetch_s {
    ngx_ur_range_t  *range;
    ngx_ur_chunk_t   chunk;             /* that is asked for */
    EVP_MD_CTX      *sha256;            /* of those of the chunks */
};


static ngx_int_t ngx_ur_fetch_begin(ngx_ur_range_t *range);
static ngx_int_t ngx_ur_fetch_create(ngx_ur_shard_t *shard);
static ngx_int_t ngx_ur_fetch_query(ngx_ur_shard_t *shard);
static ngx_uint_t ngx_ur_fetch_is_behind(ngx_ur_postgres_t *pg);
static ngx_uint_t ngx_ur_fetch_answers(ngx_ur_postgres_t *pg);
static ngx_int_t ngx_ur_fetch_take_in(ngx_ur_shard_t *shard);
static ngx_int_t ngx_ur_fetch_put(ngx_ur_fetch_t *fetch,
    const PGresult *result);
static ngx_int_t ngx_ur_fetch_finish(ngx_ur_fetch_t *fetch,
    const PGresult *result);
static ngx_int_t ngx_ur_fetch_busy(ngx_ur_range_t *range);
static ngx_int_t ngx_ur_fetch_check(ngx_ur_shard_t *shard);
static ngx_int_t ngx_ur_fetch_bytes(const PGresult *result, int column,
    u_char *to, size_t len);
static void ngx_ur_fetch_refuse(ngx_ur_range_t *range, ngx_uint_t outcome,
    char *detail);


ngx_int_t
ngx_ur_fetch(ngx_ur_shard_t *shard)
{
    ngx_queue_t     *q, *pending;
    ngx_ur_range_t  *range;

    if (shard->session->fetch) {
        return ngx_ur_fetch_query(shard);
    }

    pending = &shard->asks->pending;

    for (q = ngx_queue_head(pending); q != pending; q = ngx_queue_next(q)) {
        range = ngx_ur_asks_range(q);

        if (!ngx_ur_domain_is_ready(range)) {
            return ngx_ur_fetch_begin(range);
        }
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_ur_fetch_begin(ngx_ur_range_t *range)
{
    ngx_uint_t       number;
    ngx_msec_t       time;
    ngx_ur_fetch_t  *fetch;
    ngx_ur_shard_t  *shard;

    shard = range->shard;
    time = NGX_UR_FETCH_HOLD * shard->pool->reserve_timeout;

    number = ngx_ur_domain_claim(range, time);

    if (number == 0) {
        return ngx_ur_fetch_busy(range);
    }

    if (ngx_ur_fetch_create(shard) != NGX_OK) {
        ngx_ur_domain_end(range, number);
        ngx_ur_postgres_set_error(&shard->session->pg, "out of memory");
        return NGX_ERROR;
    }

    fetch = shard->session->fetch;

    fetch->range = range;
    fetch->chunk.fetch = number;
    fetch->chunk.time = time;

    return ngx_ur_fetch_query(shard);
}


static ngx_int_t
ngx_ur_fetch_create(ngx_ur_shard_t *shard)
{
    EVP_MD_CTX      *sha256;
    ngx_ur_fetch_t  *fetch;

    fetch = ngx_calloc(sizeof(ngx_ur_fetch_t), shard->session->pg.log);
    sha256 = EVP_MD_CTX_new();

    if (fetch == NULL
        || sha256 == NULL
        || EVP_DigestInit_ex(sha256, EVP_sha256(), NULL) != 1)
    {
        EVP_MD_CTX_free(sha256);
        ngx_free(fetch);
        return NGX_ERROR;
    }

    fetch->sha256 = sha256;
    shard->session->fetch = fetch;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_fetch_query(ngx_ur_shard_t *shard)
{
    u_char           first[NGX_INT64_LEN + 1], last[NGX_INT64_LEN + 1];
    u_char           chunk[NGX_INT64_LEN + 1];
    const char      *values[4];
    ngx_ur_fetch_t  *fetch;

    fetch = shard->session->fetch;

    ngx_sprintf(first, "%uL%Z", fetch->range->first);
    ngx_sprintf(last, "%uL%Z", fetch->range->last);
    ngx_sprintf(chunk, "%ui%Z", fetch->chunk.number);

    values[0] = (char *) shard->pool->name.data;
    values[1] = (char *) first;
    values[2] = (char *) last;
    values[3] = (char *) chunk;

    shard->session->step = NGX_UR_STEP_FETCH;
    shard->asks->fetching = 1;

    if (ngx_ur_postgres_query(&shard->session->pg, statement_domain, 4,
                              values, shard->pool->reserve_timeout)
        != NGX_OK)
    {
        ngx_ur_fetch_end(shard);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_ur_fetch_handler(ngx_ur_shard_t *shard)
{
    shard->asks->fetching = 0;

    if (ngx_ur_fetch_is_behind(&shard->session->pg)) {
        ngx_ur_postgres_set_error(&shard->session->pg,
                                  "it does not accept writes");
        ngx_ur_fetch_end(shard);
        return NGX_DECLINED;
    }

    if (ngx_ur_fetch_take_in(shard) != NGX_AGAIN) {
        ngx_ur_fetch_end(shard);
    }

    return NGX_OK;
}


/* a standby may have the range yet to come, but not another domain of it */

static ngx_uint_t
ngx_ur_fetch_is_behind(ngx_ur_postgres_t *pg)
{
    return ngx_ur_fetch_answers(pg)
           && PQgetisnull(pg->result, 0, 2)
           && ngx_strcmp(PQgetvalue(pg->result, 0, 4), "t") == 0;
}


static ngx_uint_t
ngx_ur_fetch_answers(ngx_ur_postgres_t *pg)
{
    return pg->failure == NULL
           && pg->result
           && PQnfields(pg->result) == NGX_UR_FETCH_COLUMNS
           && PQntuples(pg->result) == 1;
}


/* NGX_AGAIN: there are more; if not, it is there, or its ask has ended */

static ngx_int_t
ngx_ur_fetch_take_in(ngx_ur_shard_t *shard)
{
    ngx_int_t        rc;
    PGresult        *result;
    ngx_ur_fetch_t  *fetch;

    fetch = shard->session->fetch;
    result = shard->session->pg.result;

    if (ngx_ur_fetch_check(shard) != NGX_OK) {
        return NGX_DECLINED;
    }

    rc = ngx_ur_fetch_put(fetch, result);

    if (rc == NGX_OK) {
        rc = ngx_ur_fetch_finish(fetch, result);
    }

    switch (rc) {

    case NGX_AGAIN:
        fetch->chunk.number++;
        return NGX_AGAIN;

    case NGX_DECLINED:
        /* another worker thought that this one stands still */

        (void) ngx_ur_fetch_busy(fetch->range);
        return NGX_DECLINED;

    case NGX_OK:
        return NGX_DECLINED;

    default: /* NGX_ERROR */
        ngx_ur_fetch_refuse(fetch->range, RESERVATION_DOMAIN,
                            "what it has been adopted with is damaged, or "
                            "changed meanwhile");
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_ur_fetch_put(ngx_ur_fetch_t *fetch, const PGresult *result)
{
    u_char           digest[EVP_MAX_MD_SIZE];
    unsigned         len;
    ngx_int_t        rc;
    ngx_ur_chunk_t  *chunk;

    chunk = &fetch->chunk;

    chunk->bits = PQunescapeBytea((u_char *) PQgetvalue(result, 0, 2),
                                  &chunk->len);

    if (chunk->bits == NULL
        || EVP_Digest(chunk->bits, chunk->len, digest, &len, EVP_sha256(),
                      NULL)
           != 1
        || EVP_DigestUpdate(fetch->sha256, digest, len) != 1)
    {
        rc = NGX_ERROR;

    } else {
        rc = ngx_ur_domain_put(fetch->range, chunk);
    }

    PQfreemem(chunk->bits);

    return rc;
}


/* all is there: is it what the row has been made with? */

static ngx_int_t
ngx_ur_fetch_finish(ngx_ur_fetch_t *fetch, const PGresult *result)
{
    u_char           digest[EVP_MAX_MD_SIZE], domain[STATEMENT_SHA256_LEN];
    ngx_int_t        rc, size;
    ngx_ur_range_t  *range;

    range = fetch->range;

    size = ngx_atoi((u_char *) PQgetvalue(result, 0, 0),
                    PQgetlength(result, 0, 0));

    if (size == NGX_ERROR
        || EVP_DigestFinal_ex(fetch->sha256, digest, NULL) != 1
        || ngx_ur_fetch_bytes(result, 1, domain, STATEMENT_SHA256_LEN)
           != NGX_OK
        || ngx_memcmp(digest, domain, STATEMENT_SHA256_LEN) != 0)
    {
        return NGX_ERROR;
    }

    rc = ngx_ur_domain_publish(range, fetch->chunk.fetch, size, domain);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, range->shard->session->pg.log, 0,
                      "range %uL-%uL of shard \"%V\" has %i numbers that were "
                      "not used before it was adopted",
                      range->first, range->last, &range->shard->name, size);
    }

    return rc;
}


/* another worker is at it: its ask ends, and soon comes again */

static ngx_int_t
ngx_ur_fetch_busy(ngx_ur_range_t *range)
{
    range->ask->busy_until = ngx_current_msec + NGX_UR_FETCH_BUSY;

    ngx_ur_asks_end(range);

    return NGX_AGAIN;
}


/* whether the range is there, and was adopted */

static ngx_int_t
ngx_ur_fetch_check(ngx_ur_shard_t *shard)
{
    const char         *state;
    ngx_ur_range_t     *range;
    ngx_ur_postgres_t  *pg;

    pg = &shard->session->pg;
    range = shard->session->fetch->range;

    if (pg->failure) {
        state = PQresultErrorField(pg->failure, PG_DIAG_SQLSTATE);

        ngx_ur_report_refused(shard, state ? state : "");
        ngx_ur_fetch_refuse(range, RESERVATION_DOMAIN, (char *) pg->error);

    } else if (!ngx_ur_fetch_answers(pg)) {
        ngx_ur_fetch_refuse(range, RESERVATION_DOMAIN,
                            "the reply to what it has is invalid");

    } else if (PQgetisnull(pg->result, 0, 3)) {
        ngx_ur_fetch_refuse(range, RESERVATION_MISSING, RESERVATION_UNADOPTED);

    } else if (PQgetisnull(pg->result, 0, 1)) {
        ngx_ur_fetch_refuse(range, RESERVATION_DOMAIN,
                            RESERVATION_NOT_ADOPTED);

    } else {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static void
ngx_ur_fetch_refuse(ngx_ur_range_t *range, ngx_uint_t outcome, char *detail)
{
    uint64_t         known;
    reservation_t    reply;
    statement_ask_t  ask;

    /* nothing has been asked of the range itself */

    ngx_memzero(&ask, sizeof(statement_ask_t));
    ngx_memzero(&reply, sizeof(reservation_t));

    reply.outcome = outcome;
    reply.detail = detail;
    reply.last = range->last;

    if (ngx_ur_reply(range, &ask, &reply, &known) == NGX_OK) {
        ngx_ur_report(range, &reply, known);
    }

    ngx_ur_asks_end(range);
}


static ngx_int_t
ngx_ur_fetch_bytes(const PGresult *result, int column, u_char *to, size_t len)
{
    size_t   n;
    u_char  *bytes;

    bytes = PQunescapeBytea((u_char *) PQgetvalue(result, 0, column), &n);

    if (bytes && n == len) {
        ngx_memcpy(to, bytes, len);
    }

    PQfreemem(bytes);

    return (bytes && n == len) ? NGX_OK : NGX_ERROR;
}


void
ngx_ur_fetch_end(ngx_ur_shard_t *shard)
{
    ngx_ur_fetch_t  *fetch;

    fetch = shard->session->fetch;

    if (fetch == NULL) {
        return;
    }

    shard->asks->fetching = 0;

    ngx_ur_domain_end(fetch->range, fetch->chunk.fetch);

    EVP_MD_CTX_free(fetch->sha256);
    ngx_free(fetch);

    shard->session->fetch = NULL;
}
