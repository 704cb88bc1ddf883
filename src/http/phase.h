
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Numbers for other locations: "unique_random_set" draws after access was
 * granted and before the content, and before "mirror" and "try_files".
 */


#ifndef _NGX_UR_PHASE_H_INCLUDED_
#define _NGX_UR_PHASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* when http{} has been read; nothing is registered if no level has it */
ngx_int_t ngx_ur_phase_register(ngx_conf_t *cf);


#endif /* _NGX_UR_PHASE_H_INCLUDED_ */
