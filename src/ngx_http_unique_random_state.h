
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The "state" of a pool on disk: what I8 compares with, kept for the next
 * start of nginx.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_STATE_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_STATE_H_INCLUDED_


#include "ngx_http_unique_random_pool.h"


/* "manager" is for all pools, since they may share a folder; so is its data */
ngx_int_t ngx_http_unique_random_state_init(ngx_conf_t *cf,
    ngx_http_unique_random_pool_t *pool, ngx_path_manager_pt manager,
    void *data);

/*
 * Reads the file into a new zone.  A missing or damaged one is reported only;
 * NGX_ERROR if it is another pool's, or of a later version.
 */
ngx_int_t ngx_http_unique_random_state_load(
    ngx_http_unique_random_pool_t *pool, ngx_log_t *log);

/*
 * Writes what the zone knows, if it is more than what was written last.
 * Blocks for the time of a fsync(): for a helper process, or at exit.
 */
void ngx_http_unique_random_state_save(ngx_http_unique_random_pool_t *pool,
    ngx_log_t *log);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_STATE_H_INCLUDED_ */
