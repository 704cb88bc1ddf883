
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The life of a worker: it is counted in the zones of its pools, and the last
 * one gives back what has not been issued.
 */


#ifndef _NGX_UR_WORKER_H_INCLUDED_
#define _NGX_UR_WORKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* of ngx_module_t; nginx calls the second in its helper processes, too */
ngx_int_t ngx_ur_worker_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_ur_worker_init_process(ngx_cycle_t *cycle);
void ngx_ur_worker_exit_process(ngx_cycle_t *cycle);


#endif /* _NGX_UR_WORKER_H_INCLUDED_ */
