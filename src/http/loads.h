
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * When this nginx was started and has read its configuration.
 */


#ifndef _NGX_UR_LOADS_H_INCLUDED_
#define _NGX_UR_LOADS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* times are milliseconds since the epoch */

typedef struct {
    uint64_t     started;
    uint64_t     loaded;
    ngx_uint_t   n;                     /* configurations so far */
} ngx_ur_loads_t;


/* the master's; workers have what it had when they were made */
extern ngx_ur_loads_t  ngx_ur_loads;

/* another configuration is accepted */
void ngx_ur_loads_add(void);


#endif /* _NGX_UR_LOADS_H_INCLUDED_ */
