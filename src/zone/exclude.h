
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Which numbers of a pool are never issued by this nginx: those whose written
 * form one of its patterns matches.
 */


#ifndef _NGX_UR_EXCLUDE_H_INCLUDED_
#define _NGX_UR_EXCLUDE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/* a number that cannot be matched is excluded, too; the log says why */
ngx_uint_t ngx_ur_exclude(ngx_ur_pool_t *pool, uint64_t number);

/*
 * The same of a pool that has patterns: NGX_OK if one matches, NGX_DECLINED if
 * none does, NGX_ERROR if a limit of the library was reached.
 */
ngx_int_t ngx_ur_exclude_match(ngx_ur_pool_t *pool, uint64_t number,
    ngx_log_t *log);


#endif /* _NGX_UR_EXCLUDE_H_INCLUDED_ */
