
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The numbers of a hold.
 */


#ifndef _NGX_UR_ISSUE_H_INCLUDED_
#define _NGX_UR_ISSUE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "zone/hold.h"


/* numbers that ngx_ur_issue() writes at most */
#define NGX_UR_ISSUE_MAX  256


/*
 * Checks which of the numbers are excluded.  "checked" counts how many were in
 * this round of events: NGX_AGAIN if it was enough for one.  NGX_ERROR if they
 * are not known, as it is where they may not be issued any more.
 */
ngx_int_t ngx_ur_issue_check(ngx_ur_hold_t *hold, ngx_uint_t *checked);

/* whether all of them may be issued yet */
ngx_uint_t ngx_ur_issue_allowed(ngx_ur_hold_t *hold);

/*
 * Issues up to n, in random order, and returns how many numbers were written:
 * it may be none, if all were excluded.  NGX_ERROR if some may not be issued
 * any more: the hold is of no use then.
 */
ngx_int_t ngx_ur_issue(ngx_ur_hold_t *hold, uint64_t *numbers,
    ngx_uint_t n);


#endif /* _NGX_UR_ISSUE_H_INCLUDED_ */
