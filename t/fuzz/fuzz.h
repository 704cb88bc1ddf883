
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What the fuzzing targets share.  Texts under test are copied to memory of
 * exactly their size, so that AddressSanitizer sees who reads beyond.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* unlike assert(), not to be switched off */

#define fuzz_check(condition)                                                 \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,          \
                #condition);                                                  \
        abort();                                                              \
    }


/* what is left of an input */

typedef struct {
    const char  *pos;
    const char  *last;
} fuzz_text_t;


/* a target does nothing else but this */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline void *
fuzz_alloc(size_t size)
{
    void  *p;

    p = malloc(size);
    fuzz_check(p != NULL || size == 0);

    return p;
}


/* with nothing behind it */

static inline char *
fuzz_copy(const void *data, size_t size)
{
    char  *copy;

    copy = fuzz_alloc(size);

    if (size) {
        memcpy(copy, data, size);
    }

    return copy;
}


/* with a zero behind it */

static inline char *
fuzz_string(const void *data, size_t size)
{
    char  *copy;

    copy = fuzz_alloc(size + 1);

    if (size) {
        memcpy(copy, data, size);
    }

    copy[size] = '\0';

    return copy;
}


/* the next line, without its end; NULL if there is none */

static inline const char *
fuzz_line(fuzz_text_t *text, size_t *len)
{
    const char  *line, *end;

    line = text->pos;

    if (line == text->last) {
        return NULL;
    }

    end = memchr(line, '\n', (size_t) (text->last - line));

    *len = (size_t) ((end ? end : text->last) - line);
    text->pos = end ? end + 1 : text->last;

    return line;
}


#endif /* _FUZZ_H_INCLUDED_ */
