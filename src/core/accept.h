
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a client accepts, by the field of the same name (RFC 9110, 12.5.1).
 */


#ifndef _ACCEPT_H_INCLUDED_
#define _ACCEPT_H_INCLUDED_


#include <stddef.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


typedef struct {
    const char  *type;                  /* in lower case */
    const char  *subtype;
    const char  *version;               /* who names another one gets this,
                                           if he likes nothing else as much */
} accept_media_t;


/*
 * The index of the one that is liked best, and of those that are liked the same
 * the first one; 0 if none is acceptable.
 */
size_t accept_choose(const char *field, size_t len,
    const accept_media_t *media, size_t n);


#pragma GCC visibility pop


#endif /* _ACCEPT_H_INCLUDED_ */
