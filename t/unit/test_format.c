
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Formats: which there are, what they print, and that they read it again.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/number.h"
#include "formats.h"


#define PREFIX_32  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._:/9"


static const struct {
    formats_words_t   words;
    const char       *error;
} refused[] = {
    { { "decimal", NULL, 21, NULL, 0, 0, 9 },
      "width must be from 1 to 20" },
    { { "decimal", NULL, 3, NULL, 0, 0, 1000 },
      "width is too small for the largest number" },
    { { "hex", NULL, 15, NULL, 0, 0, UINT64_MAX },
      "width is too small for the largest number" },
    { { "hex", NULL, 0, PREFIX_32 "9", 0, 0, 9 },
      "prefix must have at most 32 characters" },
    { { "hex", NULL, 0, "A B", 0, 0, 9 },
      "prefix must consist of letters, digits and - . _ : /" },
    { { "hex", NULL, 0, "\"", 0, 0, 9 },
      "prefix must consist of letters, digits and - . _ : /" },
    { { "hex", NULL, 0, "\xc3\xa9", 0, 0, 9 },
      "prefix must consist of letters, digits and - . _ : /" },
    { { "hex", "luhn", 0, NULL, 0, 0, 9 },
      "checks \"luhn\", \"damm\" and \"mod97\" are of decimal only" },
    { { "base32", "damm", 0, NULL, 0, 0, 9 },
      "checks \"luhn\", \"damm\" and \"mod97\" are of decimal only" },
    { { "base62", "mod97", 0, NULL, 0, 0, 9 },
      "checks \"luhn\", \"damm\" and \"mod97\" are of decimal only" },
    { { "decimal", "crockford", 0, NULL, 0, 0, 9 },
      "checks \"crockford\" and \"gf32\" are of base32 only" },
    { { "base58", "gf32", 0, NULL, 0, 0, 9 },
      "checks \"crockford\" and \"gf32\" are of base32 only" },
    { { "decimal", NULL, 0, NULL, 0, '-', 9 },
      "separator must be with a group" },
    { { "decimal", NULL, 0, NULL, 4, '7', 9 },
      "separator must be one of - . _ : / or a space" },
    { { "decimal", NULL, 0, NULL, 4, 'x', 9 },
      "separator must be one of - . _ : / or a space" },
    { { "base32", "crockford", 0, NULL, 4, '*', 9 },
      "separator must be one of - . _ : / or a space" },
    { { "base32", NULL, 0, NULL, 4, 'L', 9 },
      "separator must be one of - . _ : / or a space" },
    { { "decimal", NULL, 0, NULL, 4, '"', 9 },
      "separator must be one of - . _ : / or a space" },
    { { "decimal", NULL, 0, NULL, 4, '\n', 9 },
      "separator must be one of - . _ : / or a space" }
};


static void
test_refused(void **state)
{
    size_t         i;
    const char    *error;
    format_t       format, untouched;
    format_spec_t  spec;

    (void) state;

    memset(&untouched, 0x5a, sizeof(untouched));

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        spec = formats_spec(&refused[i].words);
        format = untouched;

        error = format_init(&format, &spec, refused[i].words.largest);

        assert_non_null(error);
        assert_string_equal(error, refused[i].error);
        assert_memory_equal(&format, &untouched, sizeof(format));
    }
}


static void
test_lengths(void **state)
{
    size_t    i;
    format_t  format;

    static const struct {
        formats_words_t  words;
        unsigned         width;
        size_t           len;
    } formats[] = {
        { { "decimal", NULL, 0, NULL, 0, 0, 0 }, 1, 1 },
        { { "decimal", NULL, 0, NULL, 0, 0, 9 }, 1, 1 },
        { { "decimal", NULL, 0, NULL, 0, 0, 10 }, 2, 2 },
        { { "decimal", NULL, 20, NULL, 0, 0, 10 }, 20, 20 },
        { { "decimal", "luhn", 0, NULL, 4, 0, 999 }, 3, 4 },
        { { "decimal", "luhn", 0, NULL, 4, 0, 1000 }, 4, 6 },
        { { "decimal", "mod97", 0, "A", 99, 0, 999 }, 3, 6 },
        { { "hex", NULL, 0, NULL, 0, 0, UINT64_MAX }, 16, 16 },
        { { "base32", "gf32", 0, NULL, 0, 0, UINT64_MAX }, 13, 14 },
        { { "base58", NULL, 0, NULL, 1, 0, UINT64_MAX }, 11, 21 },
        { { "decimal", "mod97", 20, PREFIX_32, 1, 0, 1 }, 20, FORMAT_LEN }
    };

    (void) state;

    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        format = formats_of(&formats[i].words);

        assert_int_equal(format.width, formats[i].width);
        assert_int_equal(format.len, formats[i].len);
    }
}


static void
test_texts(void **state)
{
    size_t    i;
    format_t  format;
    uint64_t  number;

    static const struct {
        formats_words_t   words;
        uint64_t          number;
        const char       *text;
    } texts[] = {
        { { "decimal", NULL, 0, NULL, 0, 0, 99999 }, 42, "00042" },
        { { "decimal", "luhn", 0, NULL, 0, 0, 9999999999 }, 7992739871,
          "79927398713" },
        { { "decimal", "damm", 0, NULL, 3, 0, 99999 }, 572, "005-724" },
        { { "decimal", "mod97", 5, "X", 2, ' ', 999 }, 794, "X00 79 44 4" },
        { { "decimal", "mod97", 20, PREFIX_32, 1, '_', UINT64_MAX }, UINT64_MAX,
          PREFIX_32 "1_8_4_4_6_7_4_4_0_7_3_7_0_9_5_5_1_6_1_5_1_5" },
        { { "hex", NULL, 8, "0x", 0, 0, 99999 }, 0xcafe, "0x0000cafe" },
        { { "base32", "crockford", 0, NULL, 0, 0, 32767 }, 1234, "16JD" },
        { { "base32", "crockford", 4, "c:", 4, ':', 36 }, 36, "c:0014:U" },
        { { "base58", NULL, 4, NULL, 0, 0, 0 }, 0, "1111" },
        { { "base62", NULL, 0, "u/", 5, '/', UINT64_MAX }, UINT64_MAX,
          "u/LygHa/16AHY/F" }
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        format = formats_of(&texts[i].words);

        formats_check_print(&format, texts[i].number, texts[i].text);

        assert_int_equal(formats_parse(&format, texts[i].text, 0, &number),
                         FORMAT_OK);
        assert_true(number == texts[i].number);

        assert_int_equal(formats_parse(&format, texts[i].text, 1, &number),
                         FORMAT_OK);
        assert_true(number == texts[i].number);
    }
}


static void
test_overflow(void **state)
{
    size_t    i;
    format_t  format;
    uint64_t  number;

    static const struct {
        formats_words_t   words;
        const char       *most;
        const char       *more;
    } texts[] = {
        { { "decimal", NULL, 20, NULL, 0, 0, 9 }, "18446744073709551615",
          "18446744073709551616" },
        { { "hex", NULL, 17, NULL, 0, 0, 9 }, "0ffffffffffffffff",
          "10000000000000000" },
        { { "base32", NULL, 13, NULL, 0, 0, 9 }, "FZZZZZZZZZZZZ",
          "G000000000000" },
        { { "base58", NULL, 11, NULL, 0, 0, 9 }, "jpXCZedGfVQ",
          "jpXCZedGfVR" },
        { { "base62", NULL, 20, NULL, 0, 0, 9 }, "000000000LygHa16AHYF",
          "000000000LygHa16AHYG" }
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        format = formats_of(&texts[i].words);

        assert_int_equal(formats_parse(&format, texts[i].most, 0, &number),
                         FORMAT_OK);
        assert_true(number == UINT64_MAX);
        formats_check_print(&format, number, texts[i].most);

        assert_int_equal(formats_parse(&format, texts[i].more, 0, &number),
                         FORMAT_LARGE);
    }
}


/* a number that there cannot be has no check, but all else counts */

static void
test_overflow_form(void **state)
{
    size_t    i;
    format_t  format;
    uint64_t  number;

    static const formats_words_t  words = {
        "decimal", "luhn", 20, "N-", 10, 0, 9
    };

    static const struct {
        const char  *text;
        int          rc;
    } texts[] = {
        { "N-1844674407-3709551615-0", FORMAT_CHECK },
        { "N-1844674407-3709551616-0", FORMAT_LARGE },
        { "N-1844674407-3709551616-9", FORMAT_LARGE },
        { "N-9999999999-9999999999-0", FORMAT_LARGE },
        { "N-9999999999-9999999999-x", FORMAT_MALFORMED },
        { "N-9999999999-999999999x-0", FORMAT_MALFORMED },
        { "N-9999999999-9999999999", FORMAT_MALFORMED },
        { "N-9999999999-9999999999-00", FORMAT_MALFORMED },
        { "N-99999999999-999999999-0", FORMAT_MALFORMED },
        { "n-9999999999-9999999999-0", FORMAT_MALFORMED }
    };

    (void) state;

    format = formats_of(&words);

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(formats_parse(&format, texts[i].text, 0, &number),
                         texts[i].rc);
    }
}


/* as without a format, and so with "string" alone */

static void
check_plain(const format_t *format)
{
    size_t    i;
    uint64_t  number;

    static const struct {
        const char  *text;
        uint64_t     number;
    } good[] = {
        { "0", 0 }, { "7", 7 }, { "10", 10 },
        { "9223372036854775807", INT64_MAX },
        { "18446744073709551615", UINT64_MAX }
    };

    static const char *const  bad[] = {
        "", "00", "07", "-1", "+1", " 1", "1 ", "1a", "1-000",
        "018446744073709551616", "99999999999999999999x"
    };

    static const char *const  large[] = {
        "18446744073709551616", "99999999999999999999", "100000000000000000000",
        "300000000000000000000000000000000000000000000000000000000000000000000"
    };

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        formats_check_print(format, good[i].number, good[i].text);

        assert_int_equal(formats_parse(format, good[i].text, 0, &number),
                         FORMAT_OK);
        assert_true(number == good[i].number);

        assert_int_equal(formats_parse(format, good[i].text, 1, &number),
                         FORMAT_OK);
        assert_true(number == good[i].number);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(formats_parse(format, bad[i], 0, &number),
                         FORMAT_MALFORMED);
        assert_int_equal(formats_parse(format, bad[i], 1, &number),
                         FORMAT_MALFORMED);
    }

    for (i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        assert_int_equal(formats_parse(format, large[i], 0, &number),
                         FORMAT_LARGE);
        assert_int_equal(formats_parse(format, large[i], 1, &number),
                         FORMAT_LARGE);
    }
}


static void
test_plain(void **state)
{
    format_t       format;
    format_spec_t  spec;

    (void) state;

    check_plain(NULL);

    spec = formats_spec(&(formats_words_t) { .alphabet = "decimal" });
    spec.string = 1;

    format = formats_init(&spec, UINT64_MAX);
    assert_true(format.plain);
    assert_int_equal(format.len, NUMBER_LEN);

    check_plain(&format);

    format = formats_init(&spec, 12345);
    assert_int_equal(format.len, 5);
}


/* with anything else it adds nothing */

static void
test_string(void **state)
{
    size_t         i;
    format_t       format, other;
    format_spec_t  spec;

    static const formats_words_t  all[] = {
        { "decimal", NULL, 6, NULL, 0, 0, 99 },
        { "decimal", "luhn", 0, NULL, 0, 0, 99 },
        { "decimal", NULL, 0, "A", 0, 0, 99 },
        { "decimal", NULL, 0, NULL, 1, 0, 99 },
        { "hex", NULL, 0, NULL, 0, 0, 99 }
    };

    (void) state;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        spec = formats_spec(&all[i]);
        other = formats_init(&spec, all[i].largest);

        spec.string = 1;
        format = formats_init(&spec, all[i].largest);

        assert_false(format.plain);
        assert_memory_equal(&format, &other, sizeof(format));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_overflow_form),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_string)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
