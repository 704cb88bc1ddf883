
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The files of a pool's state.  All calls block.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_STATE_FILE_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_STATE_FILE_H_INCLUDED_


#include "ngx_http_unique_random_pool.h"


/*
 * NGX_OK; NGX_DONE if there is none; NGX_DECLINED if it cannot be read;
 * NGX_ERROR if there is no memory.  "text" is the caller's to free, or NULL.
 */
ngx_int_t ngx_http_unique_random_state_file_read(
    ngx_http_unique_random_pool_t *pool, u_char **text, size_t *len,
    ngx_log_t *log);

/* the old one or the new one is there at any time */
ngx_int_t ngx_http_unique_random_state_file_replace(
    ngx_http_unique_random_pool_t *pool, u_char *text, size_t len,
    ngx_log_t *log);

/*
 * A file of its own, since the state is replaced.  To be closed, which unlocks
 * it; NGX_INVALID_FILE if others do not let go of it.
 */
ngx_fd_t ngx_http_unique_random_state_file_lock(
    ngx_http_unique_random_pool_t *pool, ngx_log_t *log);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_STATE_FILE_H_INCLUDED_ */
