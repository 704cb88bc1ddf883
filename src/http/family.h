
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The families of metrics that pools, ranges and shards have, as a table: to
 * add one, a row is enough.
 */


#ifndef _NGX_UR_FAMILY_H_INCLUDED_
#define _NGX_UR_FAMILY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_UR_FAMILY_PREFIX  "nginx_unique_random_"


typedef enum {
    NGX_UR_FAMILY_POOL = 0,
    NGX_UR_FAMILY_STATE,                /* a pool that has a "state" */
    NGX_UR_FAMILY_RANGE,
    NGX_UR_FAMILY_SHARD
} ngx_ur_family_of_e;


/* what is at the offset: uint64_t, but for a histogram */

typedef enum {
    NGX_UR_FAMILY_GAUGE = 0,
    NGX_UR_FAMILY_KNOWN,                /* a gauge that is absent with 0 */
    NGX_UR_FAMILY_TIME,                 /* likewise, in milliseconds */
    NGX_UR_FAMILY_SECONDS,              /* a gauge, in milliseconds */
    NGX_UR_FAMILY_ONE_OF,               /* which of the names it is: 1, others
                                           are 0 */
    NGX_UR_FAMILY_COUNTER,
    NGX_UR_FAMILY_HISTOGRAM
} ngx_ur_family_type_e;


typedef struct {
    const char            *name;        /* of a counter, without "_total" */
    const char            *unit;
    const char            *help;
    ngx_ur_family_of_e     of;
    ngx_ur_family_type_e   type;
    size_t                 offset;      /* in the snapshot of that */

    /* n of them, each with a name as this label */
    const char            *label;
    const ngx_str_t       *names;
    ngx_uint_t             n;
} ngx_ur_family_t;


/* the last one has no name */
extern const ngx_ur_family_t  ngx_ur_family[];

/* by ngx_ur_family_type_e */
extern const char *const  ngx_ur_family_types[];


#endif /* _NGX_UR_FAMILY_H_INCLUDED_ */
