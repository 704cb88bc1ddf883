
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Numbers of outside input: decimal digits and nothing else, 0 to 2^63-1.
 */


#ifndef _NUMBER_H_INCLUDED_
#define _NUMBER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* -1 for anything else, an empty text included */
int number_parse(const char *text, size_t len, uint64_t *number);


#pragma GCC visibility pop


#endif /* _NUMBER_H_INCLUDED_ */
