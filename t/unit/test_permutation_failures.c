
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Permutation algorithm 1 when something fails: it answers with an error rather
 * than a wrong value, and leaves nothing allocated; and what it leaves in
 * memory that is freed: nothing of the key.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/crypto.h>

#include "permutations.h"
#include "probe.h"


/* more than one group, but not twice as much */
#define GROUP  100


static void
test_libcrypto_fails_to_encrypt(void **state)
{
    size_t          i;
    uint64_t        in[GROUP], expected[GROUP], out[GROUP];
    unsigned        call, calls;
    permutation_t  *p;

    (void) state;

    /* FF1 walks here, so the groups differ in the lanes they hold */

    p = create(70000);

    for (i = 0; i < GROUP; i++) {
        in[i] = i;
    }

    probe_reset();
    assert_int_equal(permutation_map(p, in, expected, GROUP), 0);
    calls = probe.updates;

    for (call = 1; call <= calls; call++) {
        probe_reset();
        probe.failing_update = call;
        assert_int_equal(permutation_map(p, in, out, GROUP), -1);
    }

    probe_reset();
    assert_int_equal(permutation_unmap(p, expected, out, GROUP), 0);
    calls = probe.updates;

    for (call = 1; call <= calls; call++) {
        probe_reset();
        probe.failing_update = call;
        assert_int_equal(permutation_unmap(p, expected, out, GROUP), -1);
    }

    probe_reset();
    assert_int_equal(permutation_map(p, in, out, GROUP), 0);
    assert_memory_equal(out, expected, sizeof(out));

    permutation_destroy(p);
}


static void
test_libcrypto_fails_to_shuffle(void **state)
{
    unsigned        call, calls;
    permutation_t  *p;

    (void) state;

    probe_reset();
    p = create(65536);
    calls = probe.updates;
    permutation_destroy(p);

    assert_true(calls > 1);

    for (call = 1; call <= calls; call++) {
        probe_reset();
        probe.failing_update = call;
        assert_null(permutation_create(key, 65536));
    }

    probe_reset();
}


/*
 * Whichever allocation fails, libcrypto's own included: either there is no
 * permutation, or it is the right one; and nothing stays allocated.
 */

static void
check_out_of_memory(uint64_t size)
{
    size_t          in_use;
    uint64_t        in, out, expected;
    unsigned        call, calls, failures;
    permutation_t  *p;

    in = size / 2;

    probe_reset();
    p = create(size);
    calls = probe.allocations;

    assert_true(calls > 1);
    assert_int_equal(permutation_map(p, &in, &expected, 1), 0);
    permutation_destroy(p);

    failures = 0;

    /* libcrypto keeps its error queue until the thread stops */

    OPENSSL_thread_stop();
    in_use = probe_in_use();

    for (call = 1; call <= calls; call++) {
        probe_reset();
        probe.failing_allocation = call;

        p = permutation_create(key, size);

        if (p == NULL) {
            failures++;

        } else {
            assert_int_equal(permutation_map(p, &in, &out, 1), 0);
            assert_int_equal(out, expected);
            permutation_destroy(p);
        }

        OPENSSL_thread_stop();
        assert_int_equal(probe_in_use(), in_use);
    }

    assert_true(failures > 1);

    probe_reset();
}


static void
test_out_of_memory(void **state)
{
    (void) state;

    check_out_of_memory(1000);
    check_out_of_memory(1000000);
}


static void
test_out_of_memory_for_inverse(void **state)
{
    uint64_t        value, position, out;
    permutation_t  *p;

    (void) state;

    position = 7;
    out = 1000;

    p = create(1000);
    assert_int_equal(permutation_map(p, &position, &value, 1), 0);

    probe_reset();
    probe.failing_allocation = 1;
    assert_int_equal(permutation_unmap(p, &value, &out, 1), -1);
    assert_int_equal(out, 1000);

    assert_int_equal(permutation_unmap(p, &value, &out, 1), 0);
    assert_int_equal(out, 7);

    permutation_destroy(p);
    probe_reset();
}


/*
 * The table and its inverse: what they hold for the first places is known, and
 * must not be found in memory that was freed.
 */

static void
test_tables_are_wiped(void **state)
{
    int             inverse;
    size_t          i;
    uint16_t        secret[16];
    uint64_t        in[16], out[16];
    permutation_t  *p;

    (void) state;

    for (i = 0; i < 16; i++) {
        in[i] = i;
    }

    for (inverse = 0; inverse < 2; inverse++) {
        p = create(1000);

        if (inverse) {
            assert_int_equal(permutation_unmap(p, in, out, 16), 0);

        } else {
            assert_int_equal(permutation_map(p, in, out, 16), 0);
        }

        for (i = 0; i < 16; i++) {
            secret[i] = (uint16_t) out[i];
        }

        probe_watch(secret, sizeof(secret));
        assert_int_equal(probe_holders(), 1);

        permutation_destroy(p);
        assert_int_equal(probe.exposed, 0);
        assert_int_equal(probe_holders(), 0);
    }

    probe_reset();
}


/*
 * FF1 keeps AES(P) combined with the tweak, which in the first round of
 * position 0 is just what AES is given.
 */

static void
test_ff1_is_wiped(void **state)
{
    size_t          i;
    uint64_t        position, value, secret[2];
    permutation_t  *p;

    (void) state;

    position = 0;
    memset(secret, 0, sizeof(secret));

    p = create(1000000);

    probe_reset();
    assert_int_equal(permutation_map(p, &position, &value, 1), 0);

    for (i = 0; i < 16; i++) {
        secret[i / 8] = secret[i / 8] << 8 | probe.in[0][i];
    }

    probe_watch(secret, sizeof(secret));
    assert_int_equal(probe_holders(), 1);

    permutation_destroy(p);
    assert_int_equal(probe.exposed, 0);
    assert_int_equal(probe_holders(), 0);

    probe_reset();
}


static void
test_key_is_wiped(void **state)
{
    size_t          i;
    permutation_t  *p;

    (void) state;

    for (i = 0; i < NSIZES; i++) {
        probe_reset();
        probe_watch(key, sizeof(key));

        p = create(sizes[i]);
        permutation_destroy(p);

        assert_int_equal(probe.exposed, 0);
        assert_int_equal(probe_holders(), 0);
    }

    probe_reset();
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_libcrypto_fails_to_encrypt),
        cmocka_unit_test(test_libcrypto_fails_to_shuffle),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_out_of_memory_for_inverse),
        cmocka_unit_test(test_tables_are_wiped),
        cmocka_unit_test(test_ff1_is_wiped),
        cmocka_unit_test(test_key_is_wiped),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    if (probe_install() != 0) {
        return 1;
    }

    return cmocka_run_group_tests_name("permutation failures", tests, NULL,
                                       NULL);
}
