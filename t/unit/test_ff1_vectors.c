
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * FF1: the published samples and round traces through the code that ships.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/ff1.h"
#include "probe.h"
#include "vectors.h"


#define KEY_MAX  32


static ff1_t *
create_sample(json_t *sample, uint32_t len)
{
    size_t   key_len, tweak_len;
    uint8_t  sample_key[KEY_MAX], tweak[FF1_TWEAK_MAX];

    key_len = vectors_bytes(sample, "key_hex", sample_key,
                            sizeof(sample_key));
    tweak_len = vectors_bytes(sample, "tweak_hex", tweak, sizeof(tweak));

    return ff1_create(sample_key, key_len,
                      (uint32_t) vectors_number(sample, "radix"), len,
                      tweak, tweak_len);
}


static uint64_t
numeral_string(const char *text, size_t len, uint64_t radix)
{
    static const char  numerals[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    size_t       i;
    uint64_t     number;
    const char  *p;

    number = 0;

    for (i = 0; i < len; i++) {
        p = strchr(numerals, text[i]);
        assert_non_null(p);

        number = number * radix + (uint64_t) (p - numerals);
    }

    return number;
}


static void
split(json_t *sample, const char *name, uint64_t *a, uint64_t *b)
{
    size_t       len;
    uint64_t     radix;
    const char  *text;

    radix = vectors_number(sample, "radix");
    text = vectors_string(sample, name);
    len = strlen(text);

    *a = numeral_string(text, len / 2, radix);
    *b = numeral_string(text + len / 2, len - len / 2, radix);
}


static void
check_both_ways(ff1_t *ff1, const uint64_t plain[2], const uint64_t secret[2])
{
    uint64_t  a, b;

    a = plain[0];
    b = plain[1];

    assert_int_equal(ff1_encrypt(ff1, &a, &b, 1), 0);
    assert_int_equal(a, secret[0]);
    assert_int_equal(b, secret[1]);

    assert_int_equal(ff1_decrypt(ff1, &a, &b, 1), 0);
    assert_int_equal(a, plain[0]);
    assert_int_equal(b, plain[1]);
}


/* returns how many samples FF1 refused */

static unsigned
check_samples(json_t *samples)
{
    ff1_t     *ff1;
    size_t     i, len;
    json_t    *sample;
    unsigned   refused;
    uint64_t   plain[2], secret[2];

    refused = 0;

    json_array_foreach(samples, i, sample) {
        len = strlen(vectors_string(sample, "plaintext"));

        ff1 = create_sample(sample, (uint32_t) len);
        if (ff1 == NULL) {
            refused++;
            continue;
        }

        split(sample, "plaintext", &plain[0], &plain[1]);
        split(sample, "ciphertext", &secret[0], &secret[1]);

        check_both_ways(ff1, plain, secret);

        ff1_destroy(ff1);
    }

    return refused;
}


static void
test_nist_samples(void **state)
{
    json_t  *root, *samples;

    (void) state;

    root = vectors_load("ff1-nist-samples.json");
    samples = vectors_array(root, "samples");

    assert_int_equal(json_array_size(samples), 9);
    assert_int_equal(check_samples(samples), 0);

    json_decref(root);
}


static void
test_other_published_samples(void **state)
{
    json_t  *root;

    (void) state;

    root = vectors_load("ff1-nist-samples.json");

    /* the halves of one of them have 64 numerals of radix 36 */
    assert_int_equal(check_samples(vectors_array(root, "extra")), 1);

    json_decref(root);
}


static void
test_wide_samples(void **state)
{
    json_t  *root;

    (void) state;

    root = vectors_load("ff1-wide-samples.json");
    assert_int_equal(check_samples(vectors_array(root, "samples")), 0);

    json_decref(root);
}


static void
test_large_radices(void **state)
{
    ff1_t     *ff1;
    size_t     i;
    json_t    *root, *sample;
    uint64_t   plain[2], secret[2];

    (void) state;

    root = vectors_load("ff1-wide-samples.json");

    json_array_foreach(vectors_array(root, "halves"), i, sample) {
        ff1 = create_sample(sample, (uint32_t) vectors_number(sample, "len"));
        assert_non_null(ff1);

        plain[0] = vectors_number(sample, "plaintext_a");
        plain[1] = vectors_number(sample, "plaintext_b");
        secret[0] = vectors_number(sample, "ciphertext_a");
        secret[1] = vectors_number(sample, "ciphertext_b");

        check_both_ways(ff1, plain, secret);

        ff1_destroy(ff1);
    }

    json_decref(root);
}


/*
 * What AES was given in a round is AES(P) ^ Q, what came back starts with S.
 */

static void
check_round(json_t *trace, json_t *round, unsigned i)
{
    size_t   k;
    uint8_t  aes_p[16], q[16], s[8];

    assert_int_equal(vectors_number(round, "i"), i);

    assert_int_equal(vectors_bytes(trace, "aes_P_hex", aes_p, 16), 16);
    assert_int_equal(vectors_bytes(round, "Q_hex", q, 16), 16);
    assert_int_equal(vectors_bytes(round, "S_hex", s, 8), 8);

    for (k = 0; k < 16; k++) {
        q[k] ^= aes_p[k];
    }

    assert_memory_equal(probe.in[i], q, 16);
    assert_memory_equal(probe.out[i], s, 8);
}


static void
check_trace(json_t *trace)
{
    ff1_t     *ff1;
    size_t     i;
    json_t    *rounds, *round;
    uint8_t    trace_key[KEY_MAX], tweak[8];
    uint32_t   len;
    uint64_t   a, b, low_bits;

    assert_int_equal(vectors_bytes(trace, "key_hex", trace_key, KEY_MAX),
                     KEY_MAX);
    assert_int_equal(vectors_bytes(trace, "tweak_hex", tweak, 8), 8);

    len = (uint32_t) vectors_number(trace, "n");
    low_bits = len - len / 2;

    ff1 = ff1_create(trace_key, KEY_MAX, 2, len, tweak, 8);
    assert_non_null(ff1);

    rounds = vectors_array(trace, "rounds");
    assert_int_equal(json_array_size(rounds), 10);

    a = vectors_number(trace, "position") >> low_bits;
    b = vectors_number(trace, "position") & (((uint64_t) 1 << low_bits) - 1);

    probe_reset();
    assert_int_equal(ff1_encrypt(ff1, &a, &b, 1), 0);
    assert_int_equal(probe.updates, 10);

    json_array_foreach(rounds, i, round) {
        check_round(trace, round, (unsigned) i);
    }

    assert_int_equal(a, vectors_number(json_array_get(rounds, 8), "c"));
    assert_int_equal(b, vectors_number(json_array_get(rounds, 9), "c"));
    assert_int_equal(a << low_bits | b, vectors_number(trace, "out"));

    ff1_destroy(ff1);
}


static void
test_round_traces(void **state)
{
    size_t   i;
    json_t  *root, *trace;

    (void) state;

    root = vectors_load("permutation-vectors.json");

    json_array_foreach(vectors_array(root, "round_traces"), i, trace) {
        check_trace(trace);
    }

    json_decref(root);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nist_samples),
        cmocka_unit_test(test_other_published_samples),
        cmocka_unit_test(test_wide_samples),
        cmocka_unit_test(test_large_radices),
        cmocka_unit_test(test_round_traces),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    if (probe_install() != 0) {
        return 1;
    }

    return cmocka_run_group_tests_name("ff1 vectors", tests, NULL, NULL);
}
