
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Formats by their words, and what their texts are read as.
 */


#ifndef _FORMATS_H_INCLUDED_
#define _FORMATS_H_INCLUDED_


#include "core/format.h"


/* what is left out is as in format_spec_t */

typedef struct {
    const char  *alphabet;
    const char  *check;
    unsigned     width;
    const char  *prefix;
    unsigned     group;
    char         separator;
    uint64_t     largest;
} formats_words_t;


/* fails the running test if there is no such alphabet or check */
format_spec_t formats_spec(const formats_words_t *words);

/* fails the running test if that is refused */
format_t formats_init(const format_spec_t *spec, uint64_t largest);
format_t formats_of(const formats_words_t *words);

/* prints the number, and sees that just this text is written */
void formats_check_print(const format_t *format, uint64_t number,
    const char *text);

/* what format_parse() returns; sees that it sets a number only if it is OK */
int formats_parse(const format_t *format, const char *text, int lenient,
    uint64_t *number);


#endif /* _FORMATS_H_INCLUDED_ */
