
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The vectors in docs/formats, which others test their decoders with.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "formats.h"
#include "vectors.h"


#define DOCS  "../../../docs/formats/"


static json_t *
load(const char *file)
{
    char  path[sizeof(DOCS) + 16];

    assert_true(strlen(file) <= 16);

    strcpy(path, DOCS);
    strcat(path, file);

    return vectors_load(path);
}


/* without a width, as with "string" */

static format_t
format_of(json_t *object, uint64_t largest)
{
    const char       *key, *separator;
    json_t           *value;
    format_spec_t     spec;
    formats_words_t   words;

    memset(&words, 0, sizeof(words));

    words.alphabet = vectors_string(object, "alphabet");

    json_object_foreach(object, key, value) {

        if (strcmp(key, "check") == 0) {
            words.check = json_string_value(value);

        } else if (strcmp(key, "width") == 0) {
            words.width = (unsigned) json_integer_value(value);

        } else if (strcmp(key, "prefix") == 0) {
            words.prefix = json_string_value(value);

        } else if (strcmp(key, "group") == 0) {
            words.group = (unsigned) json_integer_value(value);

        } else if (strcmp(key, "separator") == 0) {
            separator = json_string_value(value);
            assert_int_equal(strlen(separator), 1);
            words.separator = separator[0];

        } else {
            assert_string_equal(key, "alphabet");
        }
    }

    spec = formats_spec(&words);
    spec.string = 1;

    return formats_init(&spec, largest);
}


static void
test_valid(void **state)
{
    int          lenient;
    size_t       i;
    json_t      *root, *vector;
    uint64_t     number, parsed;
    format_t     format;
    const char  *text;

    (void) state;

    root = load("valid.json");

    json_array_foreach(vectors_array(root, "vectors"), i, vector) {
        number = vectors_number(vector, "number");
        text = vectors_string(vector, "text");
        format = format_of(json_object_get(vector, "format"), number);

        formats_check_print(&format, number, text);

        for (lenient = 0; lenient < 2; lenient++) {
            assert_int_equal(formats_parse(&format, text, lenient, &parsed),
                             FORMAT_OK);
            assert_true(parsed == number);
        }
    }

    json_decref(root);
}


static void
check_invalid(json_t *vector)
{
    int          rc, lenient;
    uint64_t     number;
    format_t     format;
    const char  *text, *error;

    text = vectors_string(vector, "text");
    error = vectors_string(vector, "error");
    format = format_of(json_object_get(vector, "format"), 0);

    rc = formats_parse(&format, text, 0, &number);
    lenient = formats_parse(&format, text, 1, &number);

    if (strcmp(error, "check") == 0) {
        assert_int_equal(rc, FORMAT_CHECK);

    } else if (strcmp(error, "large") == 0) {
        assert_int_equal(rc, FORMAT_LARGE);

    } else {
        assert_string_equal(error, "malformed");
        assert_int_equal(rc, FORMAT_MALFORMED);
    }

    if (json_object_get(vector, "lenient")) {
        assert_int_equal(lenient, FORMAT_OK);
        assert_true(number == vectors_number(vector, "lenient"));

    } else {
        assert_int_equal(lenient, rc);
    }
}


static void
test_invalid(void **state)
{
    size_t   i;
    json_t  *root, *vector;

    (void) state;

    root = load("invalid.json");

    json_array_foreach(vectors_array(root, "vectors"), i, vector) {
        check_invalid(vector);
    }

    json_decref(root);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("format_vectors", tests, NULL, NULL);
}
