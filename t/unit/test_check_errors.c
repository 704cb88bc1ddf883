
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Which errors check codes find: every wrong symbol, and every two neighbours
 * that were swapped, but for 09 and 90 with "luhn"; with "gf32" any two symbols
 * that were swapped.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "formats.h"


#define NUMBERS  500


typedef struct {
    format_t        format;
    unsigned char   text[FORMAT_LEN];
    unsigned        missed;
} sample_t;


/* the symbol for another number, or for none, is as good as found */

static unsigned
is_missed(const sample_t *sample)
{
    int       rc;
    uint64_t  number;

    rc = format_parse(&sample->format, sample->text, sample->format.len, 0,
                      &number);

    return rc == FORMAT_OK;
}


static void
try_singles(sample_t *sample)
{
    size_t          i;
    const char     *symbol;
    unsigned char   ch;

    for (i = 0; i < sample->format.len; i++) {
        ch = sample->text[i];

        for (symbol = sample->format.check->symbols; *symbol; symbol++) {
            if (ch == *symbol) {
                continue;
            }

            sample->text[i] = (unsigned char) *symbol;
            sample->missed += is_missed(sample);
        }

        sample->text[i] = ch;
    }
}


static void
swap(sample_t *sample, size_t i, size_t j)
{
    unsigned char  ch;

    ch = sample->text[i];
    sample->text[i] = sample->text[j];
    sample->text[j] = ch;
}


static void
try_swap(sample_t *sample, size_t i, size_t j)
{
    if (sample->text[i] == sample->text[j]) {
        return;
    }

    swap(sample, i, j);
    sample->missed += is_missed(sample);
    swap(sample, i, j);
}


static void
try_neighbours(sample_t *sample)
{
    size_t  i;

    for (i = 0; i + 1 < sample->format.len; i++) {
        try_swap(sample, i, i + 1);
    }
}


static void
try_any_two(sample_t *sample)
{
    size_t  i, j;

    for (i = 0; i < sample->format.len; i++) {
        for (j = i + 1; j < sample->format.len; j++) {
            try_swap(sample, i, j);
        }
    }
}


static void
try_nines(sample_t *sample)
{
    size_t  i;

    for (i = 0; i + 1 < sample->format.len; i++) {
        if (sample->text[i] + sample->text[i + 1] != '0' + '9'
            || (sample->text[i] != '0' && sample->text[i] != '9'))
        {
            try_swap(sample, i, i + 1);
        }
    }
}


/* of numbers of each width, the errors that were not found */

static unsigned
missed(const char *alphabet, const char *check, void (*try)(sample_t *sample))
{
    unsigned       i, width;
    uint64_t       n, largest;
    sample_t       sample;
    format_spec_t  spec;

    spec = formats_spec(&(formats_words_t) {
        .alphabet = alphabet, .check = check
    });

    sample.missed = 0;
    n = 88172645463325252u;

    for (width = 1, largest = spec.alphabet->base - 1; /* void */ ; width++) {
        sample.format = formats_init(&spec, largest);
        assert_int_equal(sample.format.width, width);

        for (i = 0; i < NUMBERS; i++) {
            n ^= n << 13;
            n ^= n >> 7;
            n ^= n << 17;

            (void) format_print(&sample.format, n % (largest + 1),
                                sample.text);
            try(&sample);
        }

        if (largest > UINT64_MAX / spec.alphabet->base - 1) {
            break;
        }

        largest = (largest + 1) * spec.alphabet->base - 1;
    }

    return sample.missed;
}


static void
test_singles(void **state)
{
    (void) state;

    assert_int_equal(missed("decimal", "luhn", try_singles), 0);
    assert_int_equal(missed("decimal", "damm", try_singles), 0);
    assert_int_equal(missed("decimal", "mod97", try_singles), 0);
    assert_int_equal(missed("base32", "crockford", try_singles), 0);
    assert_int_equal(missed("base32", "gf32", try_singles), 0);
}


static void
test_neighbours(void **state)
{
    (void) state;

    assert_int_equal(missed("decimal", "damm", try_neighbours), 0);
    assert_int_equal(missed("decimal", "mod97", try_neighbours), 0);
    assert_int_equal(missed("base32", "crockford", try_neighbours), 0);
    assert_int_equal(missed("base32", "gf32", try_neighbours), 0);

    assert_int_equal(missed("decimal", "luhn", try_nines), 0);
    assert_int_not_equal(missed("decimal", "luhn", try_neighbours), 0);
}


static void
test_any_two(void **state)
{
    (void) state;

    assert_int_equal(missed("base32", "gf32", try_any_two), 0);

    /* the others do not; else this would show nothing */
    assert_int_not_equal(missed("decimal", "luhn", try_any_two), 0);
    assert_int_not_equal(missed("decimal", "damm", try_any_two), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_singles),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_any_two)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("check_errors", tests, NULL, NULL);
}
