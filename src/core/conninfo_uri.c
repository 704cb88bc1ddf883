
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * As libpq has it: an "@" counts for more than a "?" before it.
 */


#include <string.h>

#include "core/conninfo_uri.h"


const char *
conninfo_uri(const char *text)
{
    size_t              i, len;
    static const char  *schemes[] = { "postgresql://", "postgres://", NULL };

    for (i = 0; schemes[i]; i++) {
        len = strlen(schemes[i]);

        if (strncmp(text, schemes[i], len) == 0) {
            return text + len;
        }
    }

    return NULL;
}


const char *
conninfo_uri_at(const char *uri)
{
    uri += strcspn(uri, "@/");

    return *uri == '@' ? uri : NULL;
}


const char *
conninfo_uri_query(const char *uri)
{
    const char  *at;

    at = conninfo_uri_at(uri);
    if (at) {
        uri = at;
    }

    return uri + strcspn(uri, "?");
}
