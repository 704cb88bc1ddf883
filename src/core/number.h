
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Decimal numbers: of outside input, digits and nothing else, 0 to 2^63-1;
 * and the digits of an answer.
 */


#ifndef _NUMBER_H_INCLUDED_
#define _NUMBER_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* -1 for anything else, an empty text included */
int number_parse(const char *text, size_t len, uint64_t *number);

/*
 * Writes the digits so that they end before "last", where there must be place
 * for NUMBER_LEN of them, and returns the first one.
 */
#define NUMBER_LEN  20

unsigned char *number_print(unsigned char *last, uint64_t number);


#pragma GCC visibility pop


#endif /* _NUMBER_H_INCLUDED_ */
