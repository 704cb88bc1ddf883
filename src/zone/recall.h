
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Memory, when a configuration is read.
 */


#ifndef _NGX_UR_RECALL_H_INCLUDED_
#define _NGX_UR_RECALL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "pool.h"


/*
 * When a configuration is read, before places are given away: reads the file.
 * A missing or damaged one is reported only, and "unsure" set; NGX_ERROR if it
 * is another pool's, or of a later version.
 */
ngx_int_t ngx_ur_recall_load(ngx_ur_pool_t *pool, ngx_log_t *log);

/*
 * When the configuration is accepted: what a process of the one before has
 * saved meanwhile is not in its file, if that is another one.
 */
void ngx_ur_recall_accept(ngx_ur_pool_t *pool);

/*
 * Before that, after places are given away: finds what the file and the running
 * zone remember of the ranges that have a slot.  All three are the master's,
 * without a lock.
 */
ngx_int_t ngx_ur_recall(ngx_ur_pool_t *pool, ngx_log_t *log);

/* merges what was recalled into the slots; more than once changes nothing */
void ngx_ur_recall_merge(ngx_ur_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_UR_RECALL_H_INCLUDED_ */
