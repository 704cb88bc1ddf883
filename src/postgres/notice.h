
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a server says besides its replies.
 */


#ifndef _NGX_UR_NOTICE_H_INCLUDED_
#define _NGX_UR_NOTICE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <libpq-fe.h>


/*
 * Libpq's notice receiver, "data" is a shard.  Logs the notice, and sets
 * session->doubt if it is of a commit that may be undone.  It takes the zone's
 * mutex: no function of libpq may be called under it.
 */
void ngx_ur_notice(void *data, const PGresult *result);


#endif /* _NGX_UR_NOTICE_H_INCLUDED_ */
