
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Texts of servers and of libpq, as they may be logged: one line, with nothing
 * in it but characters.  Plain C.
 */


#ifndef _LINE_H_INCLUDED_
#define _LINE_H_INCLUDED_


#include <stddef.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* room for the line of an error or a notice; a longer one is cut */
#define LINE_LEN  256


/* in place: control characters, ends of lines among them, become spaces */
void line_flatten(char *text);

/*
 * The same for a copy, cut to "size" bytes with the zero that ends it, and
 * without spaces at its end; a text that is NULL or "" becomes one.
 */
void line_print(char *line, size_t size, const char *text);


#pragma GCC visibility pop


#endif /* _LINE_H_INCLUDED_ */
