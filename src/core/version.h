
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The version, in the one place that has it: tools/dist reads it from here.
 */


#ifndef _VERSION_H_INCLUDED_
#define _VERSION_H_INCLUDED_


#define NGX_UR_VERSION  "1.1.0"


#endif /* _VERSION_H_INCLUDED_ */
