
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


/*
 * What is wrong with a text, before libpq reads it, and with what libpq has
 * read; "any_user": what is in the user is not looked at.  NULL or a text that
 * quotes nothing and is good until the next call.
 */
const char *conninfo_secrets_in_uri(const char *text);
const char *conninfo_secrets_in_options(const PQconninfoOption *options,
    int any_user);

/* whether the value of the option is a password */
int conninfo_secrets_is_password(const PQconninfoOption *opt);

/* or a value has one in it: "host=h;password=p" is one host for libpq */
int conninfo_secrets_has_password(const char *value, size_t len);

/* letters, digits, ".", "_" and "-": what is shown without a second thought */
int conninfo_secrets_is_plain(const char *text);


#pragma GCC visibility pop


#endif /* _CONNINFO_SECRETS_H_INCLUDED_ */
