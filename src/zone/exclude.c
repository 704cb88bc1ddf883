
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/format.h"
#include "pool.h"
#include "zone/exclude.h"


ngx_uint_t
ngx_ur_exclude(ngx_ur_pool_t *pool, uint64_t number)
{
    if (pool->excludes == NULL) {
        return 0;
    }

    return ngx_ur_exclude_match(pool, number, ngx_cycle->log) != NGX_DECLINED;
}


ngx_int_t
ngx_ur_exclude_match(ngx_ur_pool_t *pool, uint64_t number, ngx_log_t *log)
{
#if (NGX_PCRE)

    u_char     text[FORMAT_LEN];
    ngx_str_t  s;

    s.data = text;
    s.len = format_print(pool->format, number, text) - text;

    return ngx_regex_exec_array(pool->excludes, &s, log);

#else

    return NGX_DECLINED;

#endif
}
