
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/memory.h"
#include "pool.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/domain.h"
#include "zone/health.h"
#include "zone/memory.h"
#include "zone/slot.h"
#include "zone/snapshot.h"
#include "zone/stock.h"
#include "zone/workers.h"
#include "zone/zone.h"


/* when a pool is said to be in want of something: seconds, milliseconds */
#define NGX_UR_SNAPSHOT_SOON     (3 * 24 * 3600)
#define NGX_UR_SNAPSHOT_UNSAVED  60000

/* all that lasts longer lasts as long, and can be printed: in seconds */
#define NGX_UR_SNAPSHOT_EVER     1e15


/* a prefetch would not bring its page */
#define ngx_ur_snapshot_touch(p)  ((void) *(volatile u_char *) (p))


/* an account of a worker, and who had it */

typedef struct {
    ngx_ur_worker_account_t  *account;
    ngx_ur_worker_t          *entry;
    ngx_pid_t                 pid;
    ngx_uint_t                lives;
} ngx_ur_snapshot_worker_t;


static void ngx_ur_snapshot_requests(ngx_ur_snapshot_t *s,
    ngx_array_t *workers);
static void ngx_ur_snapshot_workers(ngx_ur_snapshot_t *s,
    ngx_array_t *workers);
static ngx_uint_t ngx_ur_snapshot_lives(ngx_ur_snapshot_worker_t *w);
static void ngx_ur_snapshot_places(ngx_ur_snapshot_t *s);
static void ngx_ur_snapshot_range(ngx_ur_range_snapshot_t *r,
    ngx_array_t *workers);
static void ngx_ur_snapshot_fetch(ngx_ur_range_t *range, ngx_array_t *workers);
static void ngx_ur_snapshot_counts(ngx_ur_range_snapshot_t *r,
    ngx_array_t *workers);
static void ngx_ur_snapshot_shard(ngx_ur_shard_snapshot_t *d,
    ngx_array_t *workers);
static void ngx_ur_snapshot_sum(ngx_ur_snapshot_t *s,
    ngx_ur_range_snapshot_t *r);
static ngx_ur_state_e ngx_ur_snapshot_state(ngx_ur_snapshot_t *s);


ngx_str_t  ngx_ur_snapshot_burned[] = {
    ngx_string("lost"),
    ngx_string("killed"),
    ngx_string("fenced"),
    ngx_string("life"),
    ngx_string("skipped")
};


ngx_str_t  ngx_ur_snapshot_connections[] = {
    ngx_string("connecting"),
    ngx_string("busy"),
    ngx_string("idle")
};


ngx_int_t
ngx_ur_snapshot(ngx_ur_snapshot_t *s, ngx_ur_pool_t *pool, ngx_pool_t *memory)
{
    ngx_uint_t        i;
    ngx_array_t       workers;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards;

    ngx_memzero(s, sizeof(ngx_ur_snapshot_t));

    s->pool = pool;

    /* zeroed, so that no page of them is fetched under the mutex */

    s->ranges = ngx_pcalloc(memory, pool->ranges.nelts
                                    * sizeof(ngx_ur_range_snapshot_t));
    s->shards = ngx_pcalloc(memory, pool->shards.nelts
                                    * sizeof(ngx_ur_shard_snapshot_t));

    if (s->ranges == NULL
        || s->shards == NULL
        || ngx_array_init(&workers, memory, NGX_UR_WORKERS,
                          sizeof(ngx_ur_snapshot_worker_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_ur_snapshot_requests(s, &workers);
    ngx_ur_snapshot_workers(s, &workers);
    ngx_ur_snapshot_places(s);

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        s->ranges[i].range = ranges[i];

        ngx_ur_snapshot_range(&s->ranges[i], &workers);
        ngx_ur_snapshot_sum(s, &s->ranges[i]);
    }

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        s->shards[i].shard = shards[i];

        ngx_ur_snapshot_shard(&s->shards[i], &workers);
    }

    s->state = ngx_ur_snapshot_state(s);

    return NGX_OK;
}


/*
 * Under the mutex, or what an entry has counted would be missed, or be there
 * twice, where somebody takes it over: a counter never goes back.
 */

static void
ngx_ur_snapshot_requests(ngx_ur_snapshot_t *s, ngx_array_t *workers)
{
    ngx_uint_t                 i, j;
    ngx_ur_shctx_t            *sh;
    ngx_ur_accounts_t         *accounts;
    ngx_ur_snapshot_worker_t  *w;

    sh = s->pool->zone->sh;
    accounts = sh->accounts;

    ngx_ur_zone_lock(s->pool);

    s->created = accounts->created;
    s->written = accounts->written;
    s->waits = accounts->waits;
    s->drawn = accounts->drawn;
    s->used_up = accounts->used;

    ngx_memcpy(s->statuses, accounts->statuses, sizeof(s->statuses));

    for (i = 0; i < NGX_UR_WORKERS; i++) {

        if (!accounts->has[i]) {
            continue;
        }

        /* there is room for all */

        w = ngx_array_push(workers);

        w->account = ngx_ur_account_worker(sh, i);
        w->entry = &sh->workers->entries[i];
        w->pid = w->entry->pid;

        for (j = 0; j < NGX_UR_STATUSES; j++) {
            s->statuses[j] += w->account->statuses[j];
        }

        histogram_add(&s->waits, &w->account->waits);
    }

    ngx_ur_zone_unlock(s->pool);

    for (j = 0; j < NGX_UR_STATUSES; j++) {
        s->requests += s->statuses[j];
    }
}


static void
ngx_ur_snapshot_workers(ngx_ur_snapshot_t *s, ngx_array_t *workers)
{
    ngx_uint_t                 i;
    ngx_msec_t                 oldest;
    ngx_msec_int_t             waited;
    ngx_ur_snapshot_worker_t  *w;

    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {
        w[i].lives = ngx_ur_workers_lives(w[i].entry);

        if (!w[i].lives) {
            continue;
        }

        s->queue += s->pool->queue;
        s->waiting += w[i].account->waiting;

        /* the clock of that worker may be a little ahead */

        oldest = w[i].account->oldest;
        waited = oldest ? (ngx_msec_int_t) (ngx_current_msec - oldest) : 0;

        if (waited > 0) {
            s->oldest = ngx_max(s->oldest, (uint64_t) waited);
        }
    }
}


/* the entry may be another worker's meanwhile */

static ngx_uint_t
ngx_ur_snapshot_lives(ngx_ur_snapshot_worker_t *w)
{
    ngx_pid_t  pid;

    pid = w->entry->pid;

    return (pid == w->pid) ? w->lives : (pid != 0);
}


static void
ngx_ur_snapshot_places(ngx_ur_snapshot_t *s)
{
    ngx_uint_t       i, saved, free;
    ngx_ur_slot_t   *slot;
    ngx_ur_shctx_t  *sh;

    sh = s->pool->zone->sh;

    s->zone_size = s->pool->zone_size;

    for (i = 0; i < sh->places; i++) {
        slot = &sh->slots[i];

        saved = ngx_ur_memory_saved(slot);

        free = (slot->id == 0
                || (saved && slot->had_by.last != sh->generation));

        s->free_places += free;
        s->used_places += !free;
        s->unsaved += (slot->id && !saved);
    }
}


static void
ngx_ur_snapshot_range(ngx_ur_range_snapshot_t *r, ngx_array_t *workers)
{
    memory_t        *memory;
    ngx_ur_pool_t   *pool;
    ngx_ur_slot_t   *slot;
    ngx_ur_range_t  *range;

    range = r->range;
    pool = range->shard->pool;

    ngx_ur_snapshot_fetch(range, workers);

    ngx_ur_zone_lock(pool);

    slot = range->slot;
    memory = memory_now(&slot->memory);

    r->state = ngx_ur_condition_of_range(range);
    r->size = ngx_ur_domain_size(range);
    r->known_size = ngx_ur_domain_is_ready(range) ? r->size : 0;
    r->reserved = ngx_min(memory->reserved, r->size);
    r->remaining = ngx_ur_stock_left(range);
    r->serial = memory->serial;
    r->epoch = memory->epoch;
    r->leased = leases_left(&slot->leases);
    r->account = *slot->account;

    ngx_ur_snapshot_counts(r, workers);

    ngx_ur_zone_unlock(pool);

    /* what cures a fence may be noted when it has just been lifted */

    if (r->state == NGX_UR_RANGE_ACTIVE) {
        r->account.sql[0] = '\0';
    }

    r->returned = ngx_max(r->remaining, r->size - r->reserved)
                  - (r->size - r->reserved);
}


/*
 * What is read under the mutex is fetched before, or others would wait for the
 * lines that 32 workers have written to, and for pages that this one has not
 * seen yet.
 */

static void
ngx_ur_snapshot_fetch(ngx_ur_range_t *range, ngx_array_t *workers)
{
    u_char                    *p, *end;
    ngx_uint_t                 i;
    ngx_ur_count_t            *count;
    ngx_ur_snapshot_worker_t  *w;

    w = workers->elts;

    for (i = 0; i < workers->nelts; i++) {
        count = &w[i].account->counts[range->place];

        ngx_ur_snapshot_touch(&count->asked);
        ngx_ur_snapshot_touch(&count->excluded);
    }

    p = (u_char *) range->slot->account;
    end = p + sizeof(ngx_ur_account_t);

    while (p < end) {
        ngx_ur_snapshot_touch(p);
        p += NGX_CPU_CACHE_LINE;
    }
}


/* those of workers that are gone are not in the rest yet */

static void
ngx_ur_snapshot_counts(ngx_ur_range_snapshot_t *r, ngx_array_t *workers)
{
    uint64_t                   left, issued, excluded;
    ngx_uint_t                 i, place;
    ngx_ur_count_t            *count;
    ngx_ur_snapshot_worker_t  *w;

    place = r->range->place;
    w = workers->elts;

    r->batched = 0;

    for (i = 0; i < workers->nelts; i++) {
        count = &w[i].account->counts[place];

        left = count->taken;

        issued = ngx_min(count->issued, left);
        left -= issued;

        excluded = ngx_min(count->excluded, left);
        left -= excluded;

        r->account.issued += issued;
        r->account.excluded += excluded;

        if (ngx_ur_snapshot_lives(&w[i])) {
            r->batched += left;

        } else {
            r->account.granted += count->asked;
            r->account.burned[NGX_UR_BURNED_LOST] += count->asked;
            r->account.burned[NGX_UR_BURNED_KILLED] += left;
        }
    }
}


static void
ngx_ur_snapshot_shard(ngx_ur_shard_snapshot_t *d, ngx_array_t *workers)
{
    u_char                    *states;
    ngx_uint_t                 i, place;
    ngx_ur_pool_t             *pool;
    ngx_ur_shctx_t            *sh;
    ngx_ur_snapshot_worker_t  *w;

    pool = d->shard->pool;
    sh = pool->zone->sh;
    place = d->shard->place;
    w = workers->elts;

    ngx_ur_zone_lock(pool);

    d->state = ngx_ur_condition_of_shard(d->shard);
    d->fails = d->shard->health->fails;
    d->account = sh->accounts->shards[place];

    ngx_ur_zone_unlock(pool);

    ngx_memzero(d->connections, sizeof(d->connections));

    for (i = 0; i < workers->nelts; i++) {
        states = ngx_ur_account_connections(sh, w[i].account);

        d->connections[ngx_ur_snapshot_lives(&w[i]) ? states[place] : 0]++;
    }
}


/* what cannot be drawn is no stock; what is leased of it may be */

static void
ngx_ur_snapshot_sum(ngx_ur_snapshot_t *s, ngx_ur_range_snapshot_t *r)
{
    s->batched += r->batched;
    s->issued += r->account.issued;
    s->excluded += r->account.excluded;

    if (r->state == NGX_UR_RANGE_CLOSED || r->state == NGX_UR_RANGE_DOWN) {
        return;
    }

    s->leased += r->leased;
    s->issuable += r->leased + r->batched;

    if (r->state == NGX_UR_RANGE_DRAINED
        || r->state == NGX_UR_RANGE_MISSING
        || r->state == NGX_UR_RANGE_MISMATCH)
    {
        return;
    }

    s->size += r->size;
    s->reserved += r->reserved;
    s->returned += r->returned;
    s->remaining += r->remaining;

    if (r->state != NGX_UR_RANGE_DEFERRED) {
        s->issuable += r->remaining;
    }
}


static ngx_ur_state_e
ngx_ur_snapshot_state(ngx_ur_snapshot_t *s)
{
    double          left;
    ngx_uint_t      i;
    ngx_ur_state_e  state;

    state = s->issuable ? NGX_UR_STATE_OK : NGX_UR_STATE_CRITICAL;

    for (i = 0; i < s->pool->ranges.nelts; i++) {
        state = ngx_max(state, ngx_ur_condition_by_range(s->ranges[i].state));
    }

    for (i = 0; i < s->pool->shards.nelts; i++) {
        state = ngx_max(state, ngx_ur_condition_by_shard(s->shards[i].state));
    }

    left = ngx_ur_snapshot_soonest(&s->used_up, s->remaining);

    if ((left >= 0 && left < NGX_UR_SNAPSHOT_SOON)
        || s->free_places < s->used_places / 9
        || (s->pool->state.len
            && s->unsaved
            && ngx_ur_account_time() > s->written + NGX_UR_SNAPSHOT_UNSAVED
            && ngx_ur_account_time() > s->created + NGX_UR_SNAPSHOT_UNSAVED))
    {
        state = ngx_max(state, NGX_UR_STATE_WARNING);
    }

    return state;
}


double
ngx_ur_snapshot_soonest(const history_t *used, uint64_t remaining)
{
    double  hour, day;

    hour = ngx_ur_snapshot_forecast(used, remaining, HISTORY_HOUR);
    day = ngx_ur_snapshot_forecast(used, remaining, HISTORY_DAY);

    return (hour < 0 || (day >= 0 && day < hour)) ? day : hour;
}


double
ngx_ur_snapshot_forecast(const history_t *used, uint64_t remaining,
    history_window_e window)
{
    double  rate;

    rate = history_rate(used, window, ngx_current_msec);

    return (rate > 0) ? ngx_min((double) remaining / rate, NGX_UR_SNAPSHOT_EVER)
                      : -1;
}
