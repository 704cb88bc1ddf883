
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The written form of the numbers of a pool, which docs/formats.md describes:
 *
 *     PREFIX  SYMBOLS  CHECK
 *
 * Symbols are of one alphabet, as many for each number, with zeros before it;
 * check symbols follow.  With groups, a separator stands before each symbol
 * whose index, from the left and with check symbols, is a multiple of the group
 * and not 0: so the last group may be the shorter one.  A number has one text.
 *
 * Plain C with no input, output, allocation or lock: whoever has initialized a
 * format may read it from anywhere.
 */


#ifndef _FORMAT_H_INCLUDED_
#define _FORMAT_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "core/alphabet.h"
#include "core/check.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define FORMAT_WIDTH       20
#define FORMAT_PREFIX_LEN  32
#define FORMAT_SYMBOLS     (FORMAT_WIDTH + CHECK_LEN)

/* no text is longer: a separator may stand between any two symbols */
#define FORMAT_LEN         (FORMAT_PREFIX_LEN + 2 * FORMAT_SYMBOLS - 1)


/* what format_parse() returns */

#define FORMAT_OK          0
#define FORMAT_MALFORMED   1
#define FORMAT_CHECK       2     /* in form, but the check symbols are wrong */
#define FORMAT_LARGE       3     /* in form, but of 2^64 or more: no number is,
                                    so there is no check of it */


/* a format as it is asked for; what is 0 has its default */

typedef struct {
    const alphabet_t     *alphabet;
    const check_t        *check;         /* none */
    const unsigned char  *prefix;        /* none */
    size_t                prefix_len;
    unsigned              width;         /* as the largest number takes */
    unsigned              group;         /* symbols; no groups */
    unsigned char         separator;     /* of groups; '-' */
    unsigned              string:1;      /* decimal with none of the above is
                                            written as without a format */
} format_spec_t;


typedef struct {
    const alphabet_t     *alphabet;
    const check_t        *check;         /* or NULL */
    unsigned              width;         /* symbols of the number */
    unsigned              symbols;       /* the same, with those of the check */
    unsigned              group;         /* or 0 */
    unsigned char         separator;
    unsigned              plain:1;       /* decimal, without zeros before it */
    unsigned              prefix_len;
    unsigned char         prefix[FORMAT_PREFIX_LEN];
    size_t                len;           /* of each text; if plain, the most */
} format_t;


/*
 * A format for numbers up to the largest one.  NULL, or what is wrong with the
 * spec and what is allowed, a text for ever, which has no beginning of its own:
 * "width must be from 1 to 20".
 */
const char *format_init(format_t *format, const format_spec_t *spec,
    uint64_t largest);

/*
 * Writes the text of a number, no larger than the largest one, and returns its
 * end.  Without a format that is as number_print() has it.
 */
unsigned char *format_print(const format_t *format, uint64_t number,
    unsigned char *p);

/*
 * The number of a text; it is not set for one that is not FORMAT_OK.
 *
 * Strict is what format_print() writes, and nothing else.  Lenient is also what
 * alphabet_fold() makes such symbols of, the prefix in any case, and separators
 * in any place behind it, or none: any that some format may have.
 *
 * Without a format: decimal, without zeros before it, either way.  The number
 * may be larger than the largest one: it is up to the caller to know whose it
 * is.
 */
int format_parse(const format_t *format, const unsigned char *text, size_t len,
    int lenient, uint64_t *number);


#pragma GCC visibility pop


#endif /* _FORMAT_H_INCLUDED_ */
