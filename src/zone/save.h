
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
 * Has nginx's cache manager save "pools", an array of ngx_ur_pool_t * : two
 * that share a folder share the manager as well.
 */
void ngx_ur_save_create(ngx_ur_pool_t *pool, ngx_array_t *pools);

/*
 * With "state", writes what the zone remembers, if it is more than what is on
 * disk.  Blocks for the time of a fsync(): for a helper process, or at exit.
 * Without a lock.
 */
void ngx_ur_save(ngx_ur_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_UR_SAVE_H_INCLUDED_ */
