
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The status in the text format of Prometheus, 0.0.4, or with "open" in
 * OpenMetrics 1.0.
 */


#ifndef _NGX_UR_METRICS_H_INCLUDED_
#define _NGX_UR_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/overview.h"
#include "http/text.h"


void ngx_ur_metrics(ngx_ur_text_t *text, ngx_ur_overview_t *overview,
    ngx_uint_t open);


#endif /* _NGX_UR_METRICS_H_INCLUDED_ */
