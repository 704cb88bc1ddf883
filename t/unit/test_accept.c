
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Which representation a client gets: fields as browsers, scrapers and people
 * at a terminal send them, and ones that nobody should.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/accept.h"


enum { JSON = 0, HTML, OPEN, TEXT };


static const accept_media_t  media[] = {
    { "application", "json", NULL },
    { "text", "html", NULL },
    { "application", "openmetrics-text", "1.0.0" },
    { "text", "plain", "0.0.4" }
};


static const struct {
    const char  *field;
    size_t       chosen;
} cases[] = {

    /* curl, Firefox, Chromium, fetch() of the page */

    { "*/*", JSON },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML },
    { "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
      "image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
      HTML },
    { "application/json", JSON },

    /* Prometheus 2.x, 3.x, and of old */

    { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
      "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN },
    { "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
      "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;"
      "version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
      "*/*;q=0.2", OPEN },
    { "text/plain;version=0.0.4;q=1,*/*;q=0.1", TEXT },

    /* another version than there is */

    { "application/openmetrics-text; version=0.0.1", OPEN },
    { "application/openmetrics-text; version=0.0.1, */*;q=0.1", OPEN },
    { "application/openmetrics-text; version=0.0.1, */*", JSON },
    { "application/openmetrics-text; version=0.0.1, text/plain", TEXT },
    { "application/openmetrics-text; version=0.0.1;q=0.5, text/plain;q=0.4",
      OPEN },
    { "application/openmetrics-text; version=2;q=0, application/*;q=0.5,"
      "application/json;q=0", OPEN },
    { "text/plain; version=1.0.0", TEXT },
    { "text/plain; version=1.0.0, text/plain; version=0.0.4;q=0.1, text/html;"
      "q=0.2", HTML },
    { "text/plain; version=", TEXT },
    { "application/json; version=2, text/html;q=0.1", HTML },

    /* what is closer counts, wherever it is */

    { "*/*;q=0.9, application/json;q=0.1", HTML },
    { "text/*;q=0.5, text/html;q=0.1", TEXT },
    { "text/*", HTML },
    { "text/plain", TEXT },
    { "application/*, application/json;q=0", OPEN },
    { "*/*, application/json;q=0", HTML },

    /* weights, spaces, letters, quotes */

    { "text/html;q=0.100, text/plain;q=0.101", TEXT },
    { "text/html ; q=0.5 , TEXT/PLAIN ; Q=0.6", TEXT },
    { "text/html;q=0", JSON },
    { "text/html;q=1.000, application/json;q=0.999", HTML },
    { "text/html;q=0.5009, application/json;q=0.5001", JSON },
    { "text/html;p=\",text/plain\";q=0.5", HTML },
    { "text/plain;p=\"\\\",text/html,\"", TEXT },
    { "text/plain;q=0.5;p=\"\\\\\",text/html", HTML },
    { "text/plain;p=\"\\", TEXT },
    { "text/plain; version=\"0.0.4\", text/html", HTML },
    { "text/html;q=0.9, text/plain; version=\"0.0.4\"", TEXT },
    { "application/openmetrics-text; version=\"1.0.0\", */*;q=0.9", OPEN },
    { "text/html;q=0.1, */*; version=2", HTML },
    { "text/html, text/plain; version=\"", HTML },

    /* nothing that is had */

    { "", JSON },
    { "image/png", JSON },
    { "text", JSON },
    { "/", JSON },
    { ",,;;==", JSON },
    { "text/html;q=2, text/plain;q=-1", JSON },
    { "text/html;q=", JSON },
    { "text/html;q=0.x", JSON },
    { "text/html;q=0.123x", JSON },
    { "text/html;q=05", JSON },
    { "text/html;q=1x", JSON },
    { "*", JSON },
    { "text/html\"", JSON }
};


static void
test_choose(void **state)
{
    size_t  i, chosen;

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chosen = accept_choose(cases[i].field, strlen(cases[i].field), media,
                               sizeof(media) / sizeof(media[0]));

        if (chosen != cases[i].chosen) {
            fail_msg("\"%s\" got %zu, not %zu", cases[i].field, chosen,
                     cases[i].chosen);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_choose)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
