
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
    ngx_array_t           sets;         /* of ngx_ur_set_t *, of all levels */
} ngx_ur_main_conf_t;


/*
 * "unique_random", "unique_random_ready" or "unique_random_lookup", or the pool
 * of "unique_random_set"; it may come after it.
 */

typedef struct {
    ngx_str_t             directive;
    ngx_http_handler_pt   handler;      /* NULL: it does not serve */
    ngx_str_t             name;         /* empty: the only pool */
    ngx_ur_pool_t        *pool;
    u_char               *file;
    ngx_uint_t            line;

    unsigned              lenient:1;    /* of a look-up */
    unsigned              fresh:1;
} ngx_ur_use_t;


/* "unique_random_status" */

typedef enum {
    NGX_UR_VIEW_JSON = 0,
    NGX_UR_VIEW_HTML,
    NGX_UR_VIEW_OPENMETRICS,
    NGX_UR_VIEW_PROMETHEUS,
    NGX_UR_VIEW_ACCEPT                  /* the one that the client likes best */
} ngx_ur_view_format_e;


typedef struct {
    ngx_http_handler_pt   handler;
    ngx_ur_view_format_e  format;
    ngx_str_t             page;         /* with a marker; empty: none */
    char                 *policy;       /* for what is sent with it */
} ngx_ur_view_t;


/* "unique_random_set" */

typedef struct {
    ngx_str_t             name;         /* of the variable, without "$" */
    ngx_uint_t            index;        /* of the variable */
    ngx_ur_use_t         *use;
    unsigned              optional:1;
} ngx_ur_set_t;


/* "unique_random_body" */

typedef struct {
    ngx_http_complex_value_t  text;
    ngx_str_t                 type;
} ngx_ur_body_t;


typedef struct {
    ngx_ur_use_t         *use;
    ngx_ur_view_t        *view;
    ngx_int_t             max_count;
    ngx_flag_t            remaining_header;
    ngx_array_t          *sets;         /* of ngx_ur_set_t *; empty: "off" */
    ngx_ur_body_t        *body;         /* NULL: JSON */
} ngx_ur_loc_conf_t;


/* the functions of ngx_http_module_t */
void *ngx_ur_conf_create_main(ngx_conf_t *cf);
void *ngx_ur_conf_create_loc(ngx_conf_t *cf);
char *ngx_ur_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child);


extern ngx_module_t  ngx_http_unique_random_module;

/* sets "unique_random_max_count" */
char *ngx_ur_conf_max_count(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_UR_CONF_H_INCLUDED_ */
