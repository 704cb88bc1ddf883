
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The status in JSON; docs/reference.md has its fields.
 */


#ifndef _NGX_UR_JSON_H_INCLUDED_
#define _NGX_UR_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/overview.h"
#include "http/text.h"


void ngx_ur_json(ngx_ur_text_t *text, ngx_ur_overview_t *overview);


#endif /* _NGX_UR_JSON_H_INCLUDED_ */
