
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Texts of servers and of libpq, as they may be logged.
 */


#include <stdio.h>
#include <string.h>

#include "core/line.h"


void
line_print(char *line, size_t size, const char *text)
{
    size_t  len;

    if (text == NULL || *text == '\0') {
        text = "no reason given";
    }

    snprintf(line, size, "%s", text);

    len = strlen(line);

    while (len && (line[len - 1] == '\n' || line[len - 1] == ' ')) {
        line[--len] = '\0';
    }

    line_flatten(line);
}


void
line_flatten(char *text)
{
    unsigned char  *p;

    for (p = (unsigned char *) text; *p; p++) {

        if (*p < ' ' || *p == 0x7f) {
            *p = ' ';

        } else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {

            /* control characters as well, in UTF-8 */

            p[0] = ' ';
            p[1] = ' ';
        }
    }
}
