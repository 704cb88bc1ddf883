
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The module's configuration in http{} and in locations.
 */


#ifndef _NGX_UR_CONF_H_INCLUDED_
#define _NGX_UR_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pool.h"


typedef struct {
    ngx_array_t           pools;        /* of ngx_ur_pool_t * */
    ngx_array_t           uses;         /* of ngx_ur_use_t * */
} ngx_ur_main_conf_t;


/* "unique_random" or "unique_random_ready"; its pool may come after it */

typedef struct {
    ngx_str_t             directive;
    ngx_http_handler_pt   handler;
    ngx_str_t             name;         /* empty: the only pool */
    ngx_ur_pool_t        *pool;
    u_char               *file;
    ngx_uint_t            line;
} ngx_ur_use_t;


typedef struct {
    ngx_ur_use_t         *use;
} ngx_ur_loc_conf_t;


/* the functions of ngx_http_module_t */
void *ngx_ur_conf_create_main(ngx_conf_t *cf);
void *ngx_ur_conf_create_loc(ngx_conf_t *cf);
char *ngx_ur_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child);


extern ngx_module_t  ngx_http_unique_random_module;


#endif /* _NGX_UR_CONF_H_INCLUDED_ */
