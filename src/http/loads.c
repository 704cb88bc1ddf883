
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/loads.h"
#include "zone/account.h"


ngx_ur_loads_t  ngx_ur_loads;


void
ngx_ur_loads_add(void)
{
    ngx_ur_loads.loaded = ngx_ur_account_time();

    if (ngx_ur_loads.n++ == 0) {
        ngx_ur_loads.started = ngx_ur_loads.loaded;
    }
}
