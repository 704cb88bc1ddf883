
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * All pools at one time, and what is of none of them.
 */


#ifndef _NGX_UR_OVERVIEW_H_INCLUDED_
#define _NGX_UR_OVERVIEW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "zone/condition.h"
#include "zone/snapshot.h"


typedef struct {
    uint64_t            now;            /* milliseconds since the epoch */
    char                libpq[16];
    const char         *openssl;
    ngx_ur_state_e      state;          /* the worst */

    ngx_ur_snapshot_t  *pools;
    ngx_uint_t          n;
} ngx_ur_overview_t;


/* in memory of the request; NULL if there is none */
ngx_ur_overview_t *ngx_ur_overview(ngx_http_request_t *r);


#endif /* _NGX_UR_OVERVIEW_H_INCLUDED_ */
