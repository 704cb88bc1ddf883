
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Random numbers from OpenSSL's generator, buffered in each process.
 */


#ifndef _NGX_UR_RANDOM_H_INCLUDED_
#define _NGX_UR_RANDOM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


uint64_t ngx_ur_random(void);

/* maps a random number to [0, n), n > 0, evenly up to one part in 2^53 */
uint64_t ngx_ur_random_below(uint64_t random, uint64_t n);

/* writes a random UUID, MEMORY_UUID_LEN characters and a zero */
ngx_int_t ngx_ur_random_uuid(char *uuid);


#endif /* _NGX_UR_RANDOM_H_INCLUDED_ */
