
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a shard has answered, row by row, and what follows from it.
 */


#ifndef _NGX_UR_REPLIES_H_INCLUDED_
#define _NGX_UR_REPLIES_H_INCLUDED_


#include "pool.h"


/* the statement is done, and an answer is there for each range in "sent" */
void ngx_ur_replies(ngx_ur_shard_t *shard);

/* what was granted to it, if anything was, cannot be relied upon (I2, I3) */
void ngx_ur_replies_lost(ngx_ur_shard_t *shard);


#endif /* _NGX_UR_REPLIES_H_INCLUDED_ */
