
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What this nginx knows of a number without any record of it: its position, by
 * the permutation taken backwards, against how far the range is reserved.
 *
 * A position that is reserved may be issued, leased, burned or given back; one
 * that is not has been issued by nobody whom this nginx has heard of.
 */


#ifndef _NGX_UR_KNOWN_H_INCLUDED_
#define _NGX_UR_KNOWN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


typedef enum {
    NGX_UR_KNOWN_NOTHING = 0,           /* the key or the domain is missing */
    NGX_UR_KNOWN_RESERVED,
    NGX_UR_KNOWN_UNRESERVED,
    NGX_UR_KNOWN_ADOPTED,               /* the former table had it */
    NGX_UR_KNOWN_EXCLUDED               /* this nginx passes it over */
} ngx_ur_known_e;


/* of a number of the range; takes the mutex, but only until it has the key */
ngx_ur_known_e ngx_ur_known(ngx_ur_range_t *range, uint64_t number);

/* both need no mutex */

/*
 * How many milliseconds ago the range told this nginx, in any worker, how far
 * it is reserved; one that is refused does not.  NGX_DECLINED if it never has.
 * What is known afterwards is at least as new.
 */
ngx_int_t ngx_ur_known_age(ngx_ur_range_t *range, ngx_msec_t *age);

/* whether it has answered since then, whatever it said */
ngx_uint_t ngx_ur_known_answered(ngx_ur_range_t *range, ngx_msec_t since);


#endif /* _NGX_UR_KNOWN_H_INCLUDED_ */
