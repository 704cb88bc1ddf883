
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Bytes in hexadecimal, as the database has them.
 */


#ifndef _HEX_H_INCLUDED_
#define _HEX_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* just so many bytes, of digits 0-9 and a-f; -1 if they are not */
int hex_read(uint8_t *to, size_t len, const char *hex);


#pragma GCC visibility pop


#endif /* _HEX_H_INCLUDED_ */
