
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Where the parts of a URI are, for libpq.  Plain C.
 */


#ifndef _CONNINFO_URI_H_INCLUDED_
#define _CONNINFO_URI_H_INCLUDED_


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* what follows the scheme, or NULL if this is no URI for libpq */
const char *conninfo_uri(const char *text);

/*
 * The "@" that ends user and password, for libpq; NULL if there is none.
 * "uri" is what conninfo_uri() returned.
 */
const char *conninfo_uri_at(const char *uri);

/* the "?" that begins the parameters, or the end */
const char *conninfo_uri_query(const char *uri);


#pragma GCC visibility pop


#endif /* _CONNINFO_URI_H_INCLUDED_ */
