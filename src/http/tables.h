
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The status in tables of HTML, for the place in a page where they belong.
 */


#ifndef _NGX_UR_TABLES_H_INCLUDED_
#define _NGX_UR_TABLES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/overview.h"
#include "http/text.h"


void ngx_ur_tables(ngx_ur_text_t *text, ngx_ur_overview_t *overview);


#endif /* _NGX_UR_TABLES_H_INCLUDED_ */
