
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The query string of a request: NAME=VALUE, with "&" between them, written as
 * forms do: "%" with two hexadecimal digits for any byte, "+" for a space.
 *
 * Plain C, no allocation.
 */


#ifndef _QUERY_H_INCLUDED_
#define _QUERY_H_INCLUDED_


#include <stddef.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* as it is written, in the query string */

typedef struct {
    const unsigned char  *data;
    size_t                len;
} query_value_t;


typedef enum {
    QUERY_NONE = 0,
    QUERY_ONE,
    QUERY_MANY                            /* two or more */
} query_found_e;


/*
 * The first argument of this name, which is compared as it is meant, however it
 * is written.  One without "=" has an empty value; "value" is not set if there
 * is none.
 */
query_found_e query_find(const unsigned char *args, size_t len,
    const char *name, query_value_t *value);

/*
 * What the value means, with its length, at most "size" bytes.  -1 if it is
 * longer, or has a "%" without two hexadecimal digits; what is in "to" is of no
 * use then.
 */
int query_decode(const query_value_t *value, unsigned char *to, size_t size,
    size_t *len);


#pragma GCC visibility pop


#endif /* _QUERY_H_INCLUDED_ */
