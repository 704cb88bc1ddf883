
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reads the test vectors in data/.  Whatever is missing or malformed fails the
 * running test, so no function here returns an error.
 */


#ifndef _VECTORS_H_INCLUDED_
#define _VECTORS_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include <jansson.h>


/* to be released with json_decref() */
json_t *vectors_load(const char *file);

json_t *vectors_array(json_t *object, const char *name);
const char *vectors_string(json_t *object, const char *name);

/* an integer, or a string of decimal digits */
uint64_t vectors_number(json_t *object, const char *name);

/* a string of hexadecimal digits; returns the number of bytes */
size_t vectors_bytes(json_t *object, const char *name, uint8_t *bytes,
    size_t size);


#endif /* _VECTORS_H_INCLUDED_ */
