
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Formats: what is read strictly, what is read leniently, and what is neither.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "formats.h"


static const formats_words_t  invoice = {
    "decimal", "damm", 0, "INV-", 4, '.', 99999999
};

static const formats_words_t  coupon = {
    "base32", "crockford", 7, "C/", 4, 0, 1000
};

static const formats_words_t  secret = {
    "base58", NULL, 0, "b.", 3, ' ', UINT64_MAX
};

static const formats_words_t  tag = {
    "hex", NULL, 0, "Tag:", 2, ':', 0xffffff
};

static const formats_words_t  ungrouped = {
    "base32", "crockford", 8, NULL, 0, 0, 1000
};


/* what a text is read as */

typedef struct {
    const formats_words_t  *words;
    const char             *text;
    uint64_t                number;
    int                     rc;
} reading_t;


static void
check_lenient(const reading_t *texts, size_t n)
{
    size_t    i;
    format_t  format;
    uint64_t  number;

    for (i = 0; i < n; i++) {
        format = formats_of(texts[i].words);

        assert_int_equal(formats_parse(&format, texts[i].text, 1, &number),
                         texts[i].rc);

        if (texts[i].rc == FORMAT_OK) {
            assert_true(number == texts[i].number);
        }
    }
}


static void
test_lenient(void **state)
{
    static const reading_t  texts[] = {
        { &invoice, "INV-0000.0572.4", 572, FORMAT_OK },
        { &invoice, "inv-000005724", 572, FORMAT_OK },
        { &invoice, "iNv-.0.00005..724..", 572, FORMAT_OK },
        { &invoice, "INV-0000.0572.3", 0, FORMAT_CHECK },
        { &invoice, "INV-00005724", 0, FORMAT_MALFORMED },
        { &invoice, "INV-0000005724", 0, FORMAT_MALFORMED },
        { &invoice, "INV.0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, "INV0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, "JNV-0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, "INV\r0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, ".INV-0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, "000005724", 0, FORMAT_MALFORMED },
        { &invoice, "INV-", 0, FORMAT_MALFORMED },
        { &invoice, "INV", 0, FORMAT_MALFORMED },
        { &invoice, "", 0, FORMAT_MALFORMED },
        { &invoice, "INV-OOOO.0572.4", 0, FORMAT_MALFORMED },
        { &coupon, "c/oOo0-i6j-d", 1234, FORMAT_OK },
        { &coupon, "C/0000l6jd", 1234, FORMAT_OK },
        { &coupon, "C/0000-0L4-u", 36, FORMAT_OK },
        { &coupon, "C/0000-014-*", 0, FORMAT_CHECK },
        { &coupon, "C/0000-014-#", 0, FORMAT_MALFORMED },
        { &coupon, "C/0000-0U4-U", 0, FORMAT_MALFORMED },
        { &tag, "TAG:C0FFEE", 0xc0ffee, FORMAT_OK },
        { &tag, "tag:::C0:ff:Ee", 0xc0ffee, FORMAT_OK },
        { &tag, "tag:COFFEE", 0, FORMAT_MALFORMED },
        { &secret, "B.111 111 111 1A", 9, FORMAT_OK },
        { &secret, "b.111 111 111 1l", 0, FORMAT_MALFORMED }
    };

    (void) state;

    check_lenient(texts, sizeof(texts) / sizeof(texts[0]));
}


/* any of them, wherever, but not in the prefix */

static void
test_lenient_separators(void **state)
{
    static const reading_t  texts[] = {
        { &invoice, "INV-0000-0572-4", 572, FORMAT_OK },
        { &invoice, "INV-- 0000_05:7/2-.4 ", 572, FORMAT_OK },
        { &invoice, "INV-0000-0572-3", 0, FORMAT_CHECK },
        { &invoice, "INV-0000-0572", 0, FORMAT_MALFORMED },
        { &invoice, "INV-0000,0572,4", 0, FORMAT_MALFORMED },
        { &invoice, "INV-0000\t0572\t4", 0, FORMAT_MALFORMED },
        { &invoice, "I-NV-0000.0572.4", 0, FORMAT_MALFORMED },
        { &invoice, "-INV-0000.0572.4", 0, FORMAT_MALFORMED },
        { &tag, "tag:c0-ff-ee", 0xc0ffee, FORMAT_OK },
        { &tag, "tag:c0 ff ee", 0xc0ffee, FORMAT_OK },
        { &tag, "tag-c0:ff:ee", 0, FORMAT_MALFORMED },
        { &ungrouped, "0000MK43Y", 674947, FORMAT_OK },
        { &ungrouped, "0000-MK43Y", 674947, FORMAT_OK },
        { &ungrouped, "oooo mk43-y", 674947, FORMAT_OK },
        { &ungrouped, "0000-MK43-Z", 0, FORMAT_CHECK },
        { &ungrouped, "0000-MK43", 0, FORMAT_MALFORMED }
    };

    (void) state;

    check_lenient(texts, sizeof(texts) / sizeof(texts[0]));
}


/* what is skipped between symbols must be none itself, nor be taken for one */

static void
test_separators(void **state)
{
    size_t             i, k, n;
    const char        *p;
    const check_t     *check;
    const alphabet_t  *alphabet;

    static const char *const  names[] = {
        "decimal", "hex", "base32", "base58", "base62"
    };

    static const char *const  checks[] = {
        "luhn", "damm", "mod97", "crockford", "gf32"
    };

    (void) state;

    for (p = "-._:/ "; *p; p++) {

        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            alphabet = alphabet_find(names[i], strlen(names[i]));

            assert_int_equal(alphabet_fold(alphabet, (unsigned char) *p), *p);
            assert_int_equal(alphabet_value(alphabet, (unsigned char) *p), -1);
        }

        for (k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
            check = check_find(checks[k], strlen(checks[k]));
            n = strlen(check->symbols);

            assert_null(memchr(check->symbols, *p, n));
        }
    }
}


/* of any text that is not quite right, strictly read, the number has another */

static void
check_strict(const format_t *format, const char *text, const char *right)
{
    uint64_t        number;
    unsigned char   printed[FORMAT_LEN + 1];

    if (formats_parse(format, text, 0, &number) == FORMAT_OK) {
        *format_print(format, number, printed) = '\0';

        assert_string_equal(text, (char *) printed);
        assert_string_not_equal(text, right);
    }
}


static void
check_mutations(const formats_words_t *words, uint64_t number)
{
    int       ch;
    char      right[FORMAT_LEN + 1], text[FORMAT_LEN + 2];
    size_t    i, len;
    format_t  format;

    format = formats_of(words);
    *format_print(&format, number, (unsigned char *) right) = '\0';

    len = format.len;

    for (i = 0; i <= len; i++) {
        for (ch = 1; ch < 256; ch++) {
            memcpy(text, right, len + 1);
            text[i] = (char) ch;

            if (i < len && text[i] != right[i]) {
                check_strict(&format, text, right);
            }

            memcpy(text + i + 1, right + i, len - i + 1);
            check_strict(&format, text, right);
        }

        if (i < len) {
            memcpy(text + i, right + i + 1, len - i);
            check_strict(&format, text, right);
        }
    }
}


static void
test_strict(void **state)
{
    size_t    i;
    format_t  format;
    uint64_t  number;

    static const struct {
        const formats_words_t  *words;
        const char             *text;
        int                     rc;
    } texts[] = {
        { &invoice, "INV-0000.0572.3", FORMAT_CHECK },
        { &invoice, "inv-0000.0572.4", FORMAT_MALFORMED },
        { &invoice, "INV-000005724", FORMAT_MALFORMED },
        { &invoice, "INV-00000.572.4", FORMAT_MALFORMED },
        { &invoice, "INV-0000.0572.4.", FORMAT_MALFORMED },
        { &invoice, "INV-0000.0572.", FORMAT_MALFORMED },
        { &invoice, "INV-0000.0572", FORMAT_MALFORMED },
        { &coupon, "C/0000-i6j-d", FORMAT_MALFORMED },
        { &coupon, "C/0000-014-u", FORMAT_MALFORMED },
        { &tag, "Tag:c0:FF:ee", FORMAT_MALFORMED },
        { &tag, "Tag:c0-ff-ee", FORMAT_MALFORMED },
        { &ungrouped, "0000-MK43Y", FORMAT_MALFORMED }
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        format = formats_of(texts[i].words);

        assert_int_equal(formats_parse(&format, texts[i].text, 0, &number),
                         texts[i].rc);
    }

    check_mutations(&invoice, 572);
    check_mutations(&coupon, 1234);
    check_mutations(&secret, UINT64_MAX);
    check_mutations(&tag, 0xc0ffee);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_lenient_separators),
        cmocka_unit_test(test_separators),
        cmocka_unit_test(test_strict)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("format_reading", tests, NULL, NULL);
}
