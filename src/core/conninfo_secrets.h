
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Conninfos of which a piece of the password would be taken for something
 * that is shown, such as a host.  Plain C and libpq; keeps nothing.
 */


#ifndef _CONNINFO_SECRETS_H_INCLUDED_
#define _CONNINFO_SECRETS_H_INCLUDED_


#include <libpq-fe.h>


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

/*
 * What is wrong with a text, before libpq reads it, and with what libpq has
 * read.  NULL or a text that quotes nothing and is good until the next call.
 */
const char *conninfo_misspelt_uri(const char *text);
const char *conninfo_misspelt_options(const PQconninfoOption *options,
    int any_user);

/* whether the value of the option is a password */
int conninfo_is_secret(const PQconninfoOption *opt);

/* or a value has one in it: "host=h;password=p" is one host for libpq */
int conninfo_has_password(const char *value, size_t len);

/* letters, digits, ".", "_" and "-": what is shown without a second thought */
int conninfo_is_plain(const char *text);


#pragma GCC visibility pop


#endif /* _CONNINFO_SECRETS_H_INCLUDED_ */
