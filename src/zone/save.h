
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Memory, saved to its file.
 */


#ifndef _NGX_UR_SAVE_H_INCLUDED_
#define _NGX_UR_SAVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * Makes the folder of the state, if there is one, and has the cache manager of
 * this configuration save what its zone, which is there, remembers.
 */
ngx_int_t ngx_ur_save_init(ngx_ur_pool_t *pool, ngx_log_t *log);

/*
 * With "state", writes what the zone remembers, if it is more than what is on
 * disk.  Blocks for the time of a fsync(): for a helper process, or at exit.
 * Without a lock.
 */
void ngx_ur_save(ngx_ur_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_UR_SAVE_H_INCLUDED_ */
