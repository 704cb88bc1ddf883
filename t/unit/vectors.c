
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Test vectors: cmocka's assertions around jansson.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"


static unsigned vectors_nibble(char ch);


json_t *
vectors_load(const char *file)
{
    char          path[4096];
    json_t       *root;
    json_error_t  error;

    assert_true(strlen(DATA_DIR) + 1 + strlen(file) < sizeof(path));

    strcpy(path, DATA_DIR);
    strcat(path, "/");
    strcat(path, file);

    root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }

    return root;
}


json_t *
vectors_array(json_t *object, const char *name)
{
    json_t  *array;

    array = json_object_get(object, name);

    /* an empty list of vectors would let every loop over it pass */

    if (!json_is_array(array) || json_array_size(array) == 0) {
        fail_msg("no list \"%s\"", name);
    }

    return array;
}


const char *
vectors_string(json_t *object, const char *name)
{
    json_t  *string;

    string = json_object_get(object, name);

    if (!json_is_string(string)) {
        fail_msg("no string \"%s\"", name);
    }

    return json_string_value(string);
}


uint64_t
vectors_number(json_t *object, const char *name)
{
    char        *end;
    json_t      *value;
    uint64_t     number;
    const char  *text;

    value = json_object_get(object, name);

    if (json_is_integer(value)) {
        return (uint64_t) json_integer_value(value);
    }

    text = vectors_string(object, name);
    number = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fail_msg("\"%s\" is no number: \"%s\"", name, text);
    }

    return number;
}


size_t
vectors_bytes(json_t *object, const char *name, uint8_t *bytes, size_t size)
{
    size_t       i, n;
    const char  *text;

    text = vectors_string(object, name);
    n = strlen(text);

    assert_int_equal(n % 2, 0);
    assert_true(n / 2 <= size);

    for (i = 0; i < n; i += 2) {
        bytes[i / 2] = (uint8_t) (vectors_nibble(text[i]) << 4
                                  | vectors_nibble(text[i + 1]));
    }

    return n / 2;
}


static unsigned
vectors_nibble(char ch)
{
    static const char  digits[] = "0123456789abcdef";

    const char  *p;

    p = memchr(digits, ch, 16);
    assert_non_null(p);

    return (unsigned) (p - digits);
}
