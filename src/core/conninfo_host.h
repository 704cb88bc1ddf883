
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * One host of a conninfo.  Plain C; looks up no name.
 */


#ifndef _CONNINFO_HOST_H_INCLUDED_
#define _CONNINFO_HOST_H_INCLUDED_


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


/* none of the strings is NULL */

typedef struct {
    const char  *host;                  /* or address, or folder of a socket */
    const char  *hostaddr;
    const char  *port;
} conninfo_host_t;


/* how it is called in messages */
const char *conninfo_host_name(const conninfo_host_t *host);

/* whether the text is a numeric address */
int conninfo_host_is_addr(const char *text);

/* whether its address is to be found by its name */
int conninfo_host_needs_lookup(const conninfo_host_t *host);


#pragma GCC visibility pop


#endif /* _CONNINFO_HOST_H_INCLUDED_ */
