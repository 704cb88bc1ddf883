
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The domain of a range that was adopted, in a zone of its own, which workers
 * share: its size is known when the configuration is read, and is many times
 * that of a slot.  One worker fetches it, for all; until then the range has
 * none, and nothing is asked of it.  It stays for as long as some configuration
 * has the range.
 *
 * What was leased belongs to the domain that its slot names.  One that is ready
 * and is that one never changes, so it is read without a mutex.
 */


#ifndef _NGX_UR_DOMAIN_H_INCLUDED_
#define _NGX_UR_DOMAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


typedef struct {
    ngx_uint_t   fetch;
    ngx_uint_t   number;
    u_char      *bits;
    size_t       len;
    ngx_msec_t   time;
} ngx_ur_chunk_t;


/* asks nginx for the zones of the ranges that are "adopted" */
ngx_int_t ngx_ur_domain_create(ngx_conf_t *cf, ngx_ur_pool_t *pool, void *tag);

/* whether nothing is to be fetched for the range: it has its domain, or none */
ngx_uint_t ngx_ur_domain_is_ready(ngx_ur_range_t *range);

/* whether it has the domain with this SHA-256; needs no mutex, as all below */
ngx_uint_t ngx_ur_domain_is(ngx_ur_range_t *range, const u_char *sha256);

/* how many positions the range has; of one without its domain yet: numbers */
uint64_t ngx_ur_domain_size(ngx_ur_range_t *range);

/* of a domain that is ready: its SHA-256 */
u_char *ngx_ur_domain_sha256(ngx_ur_range_t *range);

/* likewise: the values of a permutation become what they are in the range */
void ngx_ur_domain_select(ngx_ur_range_t *range, uint64_t *values,
    ngx_uint_t n);

/* and back: NGX_DECLINED if the number is not in the domain */
ngx_int_t ngx_ur_domain_rank(ngx_ur_range_t *range, uint64_t *value);

/*
 * It will be fetched again, unless it is the one with this SHA-256; now, or
 * when this is called again.  The caller has the mutex of the pool: so it knows
 * that what is leased of the range goes with that one, or that nothing is.
 */
void ngx_ur_domain_drop(ngx_ur_range_t *range, const u_char *other);

/*
 * This worker begins to fetch it, and holds it for "time" milliseconds from
 * now, and then from each chunk.  The number of the fetch, or 0: another one is
 * at it, or has done it.
 */
ngx_uint_t ngx_ur_domain_claim(ngx_ur_range_t *range, ngx_msec_t time);

/*
 * Puts a chunk in, after those before it.  NGX_AGAIN: more are to come, NGX_OK:
 * that was the last; NGX_DECLINED: another worker has taken over, or will;
 * NGX_ERROR: it is none.
 */
ngx_int_t ngx_ur_domain_put(ngx_ur_range_t *range, ngx_ur_chunk_t *chunk);

/* all is there: likewise, NGX_ERROR if it is not of this size */
ngx_int_t ngx_ur_domain_publish(ngx_ur_range_t *range, ngx_uint_t fetch,
    uint64_t size, u_char *sha256);

/* a fetch ends, however far it came */
void ngx_ur_domain_end(ngx_ur_range_t *range, ngx_uint_t fetch);


#endif /* _NGX_UR_DOMAIN_H_INCLUDED_ */
