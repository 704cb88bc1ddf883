
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The messages about ranges.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_


#include "pool.h"


/* an outcome, or a reason, that is another one than before */
void ngx_http_unique_random_report(ngx_http_unique_random_range_t *range,
    reservation_t *reply, uint64_t known);

/*
 * The error of a statement, or of bootstrap's, becomes one that says what to
 * run, where something can be said.
 */
void ngx_http_unique_random_report_refused(
    ngx_http_unique_random_shard_t *shard, const char *state);
void ngx_http_unique_random_report_bootstrap(
    ngx_http_unique_random_shard_t *shard);

/* at the first contact: the row's failover policy is not the configured one */
void ngx_http_unique_random_report_failover(
    ngx_http_unique_random_range_t *range, reservation_t *reply);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_ */
