
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Parameters that libpq does not know.  Plain C and libpq.
 */


#ifndef _CONNINFO_WORDS_H_INCLUDED_
#define _CONNINFO_WORDS_H_INCLUDED_


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/*
 * Of a text that libpq refuses: names the parameter that libpq does not know,
 * and what to write in its place.  NULL if there is none, or if it may be a
 * piece of a password.  The text is good until the next call.
 */
const char *conninfo_words_unknown(const char *text);


#pragma GCC visibility pop


#endif /* _CONNINFO_WORDS_H_INCLUDED_ */
