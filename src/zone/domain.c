
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Whoever fetches it is known by the pid, and its time is up sooner or later:
 * so one that was killed, or that stands still, keeps no other one from it.  It
 * may go on after that, so it writes under the mutex of the zone, and only if
 * the fetch is still its own.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/domain.h"
#include "core/statement.h"
#include "event/timer.h"
#include "pool.h"
#include "zone/domain.h"
#include "zone/zone.h"


/* how often others may run before whoever has the mutex stands still */
#define NGX_UR_DOMAIN_YIELDS  64


typedef struct {
    ngx_uint_t            ready;
    u_char                sha256[STATEMENT_SHA256_LEN];

    ngx_uint_t            fetch;        /* 0: none is under way */
    ngx_uint_t            fetches;
    ngx_pid_t             fetcher;
    ngx_msec_t            until;        /* then another one may */

    uint64_t              memory[];     /* of domain_t */
} ngx_ur_domain_shctx_t;


struct ngx_ur_domain_s {
    ngx_shm_zone_t         *shm_zone;
    ngx_slab_pool_t        *shpool;
    ngx_ur_domain_shctx_t  *sh;
    uint64_t                numbers;
    domain_t                view;
};


static ngx_int_t ngx_ur_domain_add(ngx_conf_t *cf, ngx_ur_range_t *range,
    void *tag);
static ngx_int_t ngx_ur_domain_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_ur_domain_lock(ngx_ur_range_t *range);
static ngx_uint_t ngx_ur_domain_free(ngx_ur_domain_shctx_t *sh);


ngx_int_t
ngx_ur_domain_create(ngx_conf_t *cf, ngx_ur_pool_t *pool, void *tag)
{
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        if (ranges[i]->adopted
            && ngx_ur_domain_add(cf, ranges[i], tag) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_ur_domain_add(ngx_conf_t *cf, ngx_ur_range_t *range, void *tag)
{
    size_t            size;
    ngx_str_t         name;
    ngx_str_t        *pool;
    ngx_ur_domain_t  *domain;

    domain = ngx_pcalloc(cf->pool, sizeof(ngx_ur_domain_t));
    if (domain == NULL) {
        return NGX_ERROR;
    }

    pool = &range->shard->pool->name;

    name.len = sizeof("unique_random_domain::-") + pool->len
               + 2 * NGX_INT64_LEN;
    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = ngx_sprintf(name.data, "unique_random_domain:%V:%uL-%uL",
                           pool, range->first, range->last)
               - name.data;

    domain->numbers = range->last - range->first + 1;

    /* with what the slab pool of a zone needs for itself, for each page */

    size = sizeof(ngx_ur_domain_shctx_t) + domain_memory(domain->numbers);
    size += size / 64 + 8 * ngx_pagesize;

    domain->shm_zone = ngx_shared_memory_add(cf, &name, size, tag);
    if (domain->shm_zone == NULL) {
        return NGX_ERROR;
    }

    domain->shm_zone->init = ngx_ur_domain_init;
    domain->shm_zone->data = domain;

    range->domain = domain;

    return NGX_OK;
}


static ngx_int_t
ngx_ur_domain_init(ngx_shm_zone_t *shm_zone, void *data)
{
    size_t            size;
    ngx_slab_pool_t  *shpool;
    ngx_ur_domain_t  *domain;

    domain = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data == NULL && !shm_zone->shm.exists) {
        size = sizeof(ngx_ur_domain_shctx_t) + domain_memory(domain->numbers);

        shpool->data = ngx_slab_alloc(shpool, size);
        if (shpool->data == NULL) {
            return NGX_ERROR;
        }

        /* what follows is filled by a fetch, and is not read before */

        ngx_memzero(shpool->data, sizeof(ngx_ur_domain_shctx_t));
    }

    domain->shpool = shpool;
    domain->sh = shpool->data;

    domain_init(&domain->view, domain->sh->memory, domain->numbers);

    return NGX_OK;
}


ngx_uint_t
ngx_ur_domain_is_ready(ngx_ur_range_t *range)
{
    return range->domain == NULL || range->domain->sh->ready;
}


ngx_uint_t
ngx_ur_domain_is(ngx_ur_range_t *range, const u_char *sha256)
{
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;

    if (!sh->ready) {
        return 0;
    }

    /* what it says is there comes before it */

    ngx_memory_barrier();

    return ngx_memcmp(sh->sha256, sha256, STATEMENT_SHA256_LEN) == 0;
}


uint64_t
ngx_ur_domain_size(ngx_ur_range_t *range)
{
    if (range->domain && range->domain->sh->ready) {
        ngx_memory_barrier();

        return *range->domain->view.size;
    }

    return range->last - range->first + 1;
}


u_char *
ngx_ur_domain_sha256(ngx_ur_range_t *range)
{
    return range->domain->sh->sha256;
}


void
ngx_ur_domain_select(ngx_ur_range_t *range, uint64_t *values, ngx_uint_t n)
{
    if (range->domain) {
        domain_select(&range->domain->view, values, n);
    }
}


ngx_int_t
ngx_ur_domain_rank(ngx_ur_range_t *range, uint64_t *value)
{
    if (range->domain == NULL) {
        return NGX_OK;
    }

    if (!domain_has(&range->domain->view, *value)) {
        return NGX_DECLINED;
    }

    *value = domain_rank(&range->domain->view, *value);

    return NGX_OK;
}


void
ngx_ur_domain_drop(ngx_ur_range_t *range, const u_char *other)
{
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;

    if (!ngx_shmtx_trylock(&range->domain->shpool->mutex)) {
        return;
    }

    if (other == NULL
        || ngx_memcmp(sh->sha256, other, STATEMENT_SHA256_LEN) != 0)
    {
        sh->ready = 0;
    }

    ngx_shmtx_unlock(&range->domain->shpool->mutex);
}


ngx_uint_t
ngx_ur_domain_claim(ngx_ur_range_t *range, ngx_msec_t time)
{
    ngx_uint_t              fetch;
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;

    if (ngx_ur_domain_lock(range) != NGX_OK) {
        return 0;
    }

    fetch = 0;

    if (!sh->ready && ngx_ur_domain_free(sh)) {
        fetch = ++sh->fetches;

        sh->fetch = fetch;
        sh->fetcher = ngx_pid;
        sh->until = ngx_current_msec + time;
    }

    ngx_shmtx_unlock(&range->domain->shpool->mutex);

    return fetch;
}


/*
 * One that is stopped may have it, and is not waited for: whoever has to put
 * something in is taken for one that stands still, too, and begins again.
 */

static ngx_int_t
ngx_ur_domain_lock(ngx_ur_range_t *range)
{
    ngx_uint_t    n;
    ngx_shmtx_t  *mtx;

    mtx = &range->domain->shpool->mutex;

    for (n = 0; n < NGX_UR_DOMAIN_YIELDS; n++) {

        if (ngx_shmtx_trylock(mtx)) {
            return NGX_OK;
        }

        ngx_ur_zone_unlock_dead(mtx);
        ngx_sched_yield();
    }

    return NGX_BUSY;
}


static ngx_uint_t
ngx_ur_domain_free(ngx_ur_domain_shctx_t *sh)
{
    return sh->fetch == 0
           || sh->fetcher == ngx_pid
           || ngx_ur_timer_past(sh->until)
           || (kill(sh->fetcher, 0) == -1 && ngx_errno == NGX_ESRCH);
}


ngx_int_t
ngx_ur_domain_put(ngx_ur_range_t *range, ngx_ur_chunk_t *chunk)
{
    ngx_int_t               rc;
    domain_t               *view;
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;
    view = &range->domain->view;

    if (chunk->len != domain_chunk_len(view, chunk->number)) {
        return NGX_ERROR;
    }

    if (ngx_ur_domain_lock(range) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (sh->fetch != chunk->fetch) {
        rc = NGX_DECLINED;

    } else if (domain_put(view, chunk->number, chunk->bits) != 0) {
        rc = NGX_ERROR;

    } else {
        sh->until = ngx_current_msec + chunk->time;

        rc = domain_chunk_len(view, chunk->number + 1) ? NGX_AGAIN : NGX_OK;
    }

    ngx_shmtx_unlock(&range->domain->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_ur_domain_publish(ngx_ur_range_t *range, ngx_uint_t fetch, uint64_t size,
    u_char *sha256)
{
    ngx_int_t               rc;
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;

    if (ngx_ur_domain_lock(range) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (sh->fetch != fetch) {
        rc = NGX_DECLINED;

    } else if (*range->domain->view.size != size) {
        rc = NGX_ERROR;

    } else {
        ngx_memcpy(sh->sha256, sha256, STATEMENT_SHA256_LEN);

        ngx_memory_barrier();

        sh->ready = 1;
        sh->fetch = 0;

        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&range->domain->shpool->mutex);

    return rc;
}


void
ngx_ur_domain_end(ngx_ur_range_t *range, ngx_uint_t fetch)
{
    ngx_ur_domain_shctx_t  *sh;

    sh = range->domain->sh;

    if (ngx_ur_domain_lock(range) != NGX_OK) {
        return;
    }

    if (sh->fetch == fetch) {
        sh->fetch = 0;
    }

    ngx_shmtx_unlock(&range->domain->shpool->mutex);
}
