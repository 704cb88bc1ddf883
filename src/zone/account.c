
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A worker's memory begins with a cache line, so that counting costs the others
 * nothing.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"
#include "zone/account.h"
#include "zone/zone.h"


#define ngx_ur_account_stride(places)                                         \
    ngx_align(sizeof(ngx_ur_worker_account_t)                                 \
              + (places) * (sizeof(ngx_ur_count_t) + 1), NGX_CPU_CACHE_LINE)


static void ngx_ur_account_set(ngx_ur_pool_t *pool,
    ngx_ur_worker_account_t *account);
static void ngx_ur_account_fold(ngx_ur_shctx_t *sh,
    ngx_ur_worker_account_t *account);


size_t
ngx_ur_account_size(ngx_uint_t places)
{
    return NGX_CPU_CACHE_LINE
           + places * (sizeof(ngx_ur_account_t)
                       + sizeof(ngx_ur_shard_account_t))
           + NGX_UR_WORKERS * ngx_ur_account_stride(places);
}


void
ngx_ur_account_layout(ngx_ur_shctx_t *sh, u_char *memory)
{
    ngx_ur_accounts_t  *accounts;

    accounts = sh->accounts;

    accounts->created = ngx_ur_account_time();
    accounts->drawn.born = ngx_current_msec;
    accounts->used.born = ngx_current_msec;

    accounts->stride = ngx_ur_account_stride(sh->places);
    accounts->workers = ngx_align_ptr(memory, NGX_CPU_CACHE_LINE);

    accounts->ranges = (ngx_ur_account_t *)
                       (accounts->workers
                        + NGX_UR_WORKERS * accounts->stride);
    accounts->shards = (ngx_ur_shard_account_t *)
                       (accounts->ranges + sh->places);
}


ngx_ur_account_t *
ngx_ur_account_clear(ngx_ur_shctx_t *sh, ngx_uint_t place)
{
    ngx_uint_t         i;
    ngx_ur_count_t    *count;
    ngx_ur_account_t  *account;

    account = &sh->accounts->ranges[place];

    ngx_memzero(account, sizeof(ngx_ur_account_t));

    account->since = ngx_ur_account_time();
    account->drawn.born = ngx_current_msec;
    account->used.born = ngx_current_msec;

    for (i = 0; i < NGX_UR_WORKERS; i++) {

        if (sh->accounts->has[i]) {
            count = &ngx_ur_account_worker(sh, i)->counts[place];

            ngx_memzero(count, sizeof(ngx_ur_count_t));
        }
    }

    return account;
}


void
ngx_ur_account_clear_shard(ngx_ur_shctx_t *sh, ngx_uint_t place)
{
    ngx_memzero(&sh->accounts->shards[place], sizeof(ngx_ur_shard_account_t));
}


void
ngx_ur_account_enter(ngx_ur_pool_t *pool, ngx_uint_t entry)
{
    ngx_ur_shctx_t           *sh;
    ngx_ur_worker_account_t  *account;

    sh = pool->zone->sh;

    account = ngx_ur_account_worker(sh, entry);

    if (sh->accounts->has[entry]) {
        ngx_ur_account_fold(sh, account);
    }

    if (pool->account) {
        ngx_memcpy(account, pool->account, sh->accounts->stride);

    } else {
        ngx_memzero(account, sh->accounts->stride);
    }

    sh->accounts->has[entry] = 1;

    ngx_ur_account_set(pool, account);
}


ngx_int_t
ngx_ur_account_alone(ngx_ur_pool_t *pool, ngx_pool_t *memory)
{
    ngx_ur_worker_account_t  *account;

    account = ngx_pcalloc(memory, pool->zone->sh->accounts->stride);
    if (account == NULL) {
        return NGX_ERROR;
    }

    ngx_ur_account_set(pool, account);

    return NGX_OK;
}


void
ngx_ur_account_leave(ngx_ur_pool_t *pool)
{
    ngx_ur_account_fold(pool->zone->sh, pool->account);
}


static void
ngx_ur_account_set(ngx_ur_pool_t *pool, ngx_ur_worker_account_t *account)
{
    u_char           *connections;
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;
    ngx_ur_shctx_t   *sh;

    sh = pool->zone->sh;

    pool->account = account;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        ranges[i]->account = &sh->accounts->ranges[ranges[i]->place];
        ranges[i]->count = &account->counts[ranges[i]->place];
    }

    connections = ngx_ur_account_connections(sh, account);
    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        shards[i]->connection = connections + shards[i]->place;
    }
}


/* memory of places that it has not drawn from is left untouched */

static void
ngx_ur_account_fold(ngx_ur_shctx_t *sh, ngx_ur_worker_account_t *account)
{
    ngx_uint_t          i;
    ngx_ur_count_t     *count;
    ngx_ur_account_t   *range;
    ngx_ur_accounts_t  *accounts;

    accounts = sh->accounts;

    for (i = 0; i < NGX_UR_STATUSES; i++) {
        accounts->statuses[i] += account->statuses[i];
    }

    histogram_add(&accounts->waits, &account->waits);

    for (i = 0; i < sh->places; i++) {
        count = &account->counts[i];

        if (count->asked == 0 && count->taken == 0) {
            continue;
        }

        range = &accounts->ranges[i];

        range->granted += count->asked;
        range->issued += count->issued;
        range->excluded += count->excluded;
        range->burned[NGX_UR_BURNED_LOST] += count->asked;
        range->burned[NGX_UR_BURNED_KILLED] += count->taken - count->issued
                                               - count->excluded;
    }
}


ngx_ur_worker_account_t *
ngx_ur_account_worker(ngx_ur_shctx_t *sh, ngx_uint_t entry)
{
    return (ngx_ur_worker_account_t *)
           (sh->accounts->workers + entry * sh->accounts->stride);
}


void
ngx_ur_account_use(ngx_ur_range_t *range, uint64_t n)
{
    ngx_ur_pool_t  *pool;

    pool = range->shard->pool;

    history_count(&range->account->used, n, ngx_current_msec);
    history_count(&pool->zone->sh->accounts->used, n, ngx_current_msec);
}


void
ngx_ur_account_take(ngx_ur_range_t *range, uint64_t n)
{
    ngx_ur_pool_t  *pool;

    pool = range->shard->pool;

    range->count->taken += n;

    history_count(&range->account->drawn, n, ngx_current_msec);
    history_count(&pool->zone->sh->accounts->drawn, n, ngx_current_msec);
}


void
ngx_ur_account_return(ngx_ur_range_t *range, uint64_t n)
{
    ngx_ur_pool_t  *pool;

    pool = range->shard->pool;

    range->count->taken -= n;

    history_uncount(&range->account->drawn, n, ngx_current_msec);
    history_uncount(&pool->zone->sh->accounts->drawn, n, ngx_current_msec);
}


void
ngx_ur_account_burn(ngx_ur_range_t *range, ngx_ur_burned_e cause, uint64_t n)
{
    range->count->taken -= n;

    range->account->burned[cause] += n;
}


void
ngx_ur_account_answer(ngx_ur_pool_t *pool, ngx_ur_status_e status)
{
    pool->account->statuses[status]++;
}


void
ngx_ur_account_waiting(ngx_ur_pool_t *pool, ngx_uint_t n, ngx_msec_t oldest)
{
    pool->account->waiting = n;
    pool->account->oldest = oldest;
}


void
ngx_ur_account_waited(ngx_ur_pool_t *pool, ngx_msec_t time)
{
    histogram_count(&pool->account->waits, time);
}


void
ngx_ur_account_succeeded(ngx_ur_shard_t *shard, ngx_msec_t time)
{
    ngx_ur_shctx_t          *sh;
    ngx_ur_shard_account_t  *account;

    sh = shard->pool->zone->sh;
    account = &sh->accounts->shards[shard->place];

    ngx_ur_zone_lock(shard->pool);

    account->reservations++;
    account->succeeded_at = ngx_ur_account_time();

    histogram_count(&account->took, time);

    ngx_ur_zone_unlock(shard->pool);
}


void
ngx_ur_account_failed(ngx_ur_shard_t *shard, const u_char *error)
{
    ngx_ur_shctx_t          *sh;
    ngx_ur_shard_account_t  *account;

    sh = shard->pool->zone->sh;
    account = &sh->accounts->shards[shard->place];

    ngx_ur_zone_lock(shard->pool);

    account->reservations++;
    account->failures++;
    account->failed_at = ngx_ur_account_time();

    ngx_cpystrn(account->error, (u_char *) error, NGX_UR_ACCOUNT_TEXT);

    ngx_ur_zone_unlock(shard->pool);
}


void
ngx_ur_account_given_back(ngx_ur_range_t *range, uint64_t n)
{
    ngx_ur_zone_lock(range->shard->pool);

    range->account->given_back += n;

    ngx_ur_zone_unlock(range->shard->pool);
}


void
ngx_ur_account_burned(ngx_ur_range_t *range, ngx_ur_burned_e cause, uint64_t n)
{
    ngx_ur_zone_lock(range->shard->pool);

    range->account->burned[cause] += n;

    ngx_ur_zone_unlock(range->shard->pool);
}


uint64_t
ngx_ur_account_burned_all(const ngx_ur_account_t *account)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < NGX_UR_BURNED; i++) {
        sum += account->burned[i];
    }

    return sum;
}


void
ngx_ur_account_cure(ngx_ur_range_t *range, ngx_str_t *sql)
{
    /* half a statement cures nothing: all of it is in the log */

    if (sql->len >= NGX_UR_ACCOUNT_TEXT) {
        return;
    }

    ngx_ur_zone_lock(range->shard->pool);

    ngx_cpystrn(range->account->sql, sql->data, sql->len + 1);

    ngx_ur_zone_unlock(range->shard->pool);
}


uint64_t
ngx_ur_account_time(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}
