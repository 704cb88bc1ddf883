
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The messages about ranges.
 */


#ifndef _NGX_UR_REPORT_H_INCLUDED_
#define _NGX_UR_REPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/reservation.h"
#include "pool.h"


/* an outcome, or a reason, that is another one than before */
void ngx_ur_report(ngx_ur_range_t *range, reservation_t *reply,
    uint64_t known);

/*
 * The error of a statement, or of bootstrap's, becomes one that says what to
 * run, where something can be said.
 */
void ngx_ur_report_refused(ngx_ur_shard_t *shard, const char *state);
void ngx_ur_report_bootstrap(ngx_ur_shard_t *shard);

/* at the first contact: the row's failover policy is not the configured one */
void ngx_ur_report_failover(ngx_ur_range_t *range, reservation_t *reply);

/* a life that a failover has begun, seen for the first time */
void ngx_ur_report_began(ngx_ur_range_t *range, reservation_t *reply);


#endif /* _NGX_UR_REPORT_H_INCLUDED_ */
