
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The messages about ranges.
 */


#ifndef _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_
#define _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_


#include "ngx_http_unique_random_pool.h"


/* an outcome, or a reason, that is another one than before */
void ngx_http_unique_random_report(ngx_http_unique_random_range_t *range,
    reservation_t *reply);

/* at the first contact: the row's failover policy is not the configured one */
void ngx_http_unique_random_report_failover(
    ngx_http_unique_random_range_t *range, reservation_t *reply);


#endif /* _NGX_HTTP_UNIQUE_RANDOM_REPORT_H_INCLUDED_ */
