
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What is remembered of a range (I8): whoever reads it, and whoever takes over
 * from a worker that was killed at any instruction, finds the old memory or the
 * new one, never a part of each (I4).
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/memory.h"
#include "step.h"


/* with the sanitizer there are too many instructions to try each with each */
#if defined __SANITIZE_ADDRESS__
#define STRIDE  17
#else
#define STRIDE  1
#endif


#define STATES     1024


/* what a child has stored, and each state of it that differs */

typedef struct {
    memory_cell_t  *shared;
    size_t          n;
    memory_cell_t   cell[STATES];
} history_t;


/* a reader that is overtaken at its instruction "at" */

typedef struct {
    memory_cell_t         cell;
    memory_t              memory;
    uint64_t              version;

    unsigned              at;
    unsigned              instructions;
    const memory_cell_t  *later;
} reader_t;


static history_t  history;


/* no two share a byte of any word, so that a part of another one shows */

static memory_t
numbered(unsigned n)
{
    unsigned  c;
    memory_t  memory;

    memset(&memory, 0, sizeof(memory_t));

    memory.epoch = n * UINT64_C(0x0101010101010101);
    memory.serial = memory.epoch + 0x10;
    memory.reserved = memory.epoch + 0x20;
    memory.timeline = memory.epoch + 0x30;
    memory.holder_serial = memory.epoch + 0x40;

    c = 'a' + n % 26;

    memset(memory.incarnation, (int) c, sizeof(memory.incarnation) - 1);
    memset(memory.digest, (int) c, sizeof(memory.digest) - 1);

    return memory;
}


static int
same(const memory_t *a, const memory_t *b)
{
    return a->epoch == b->epoch && a->serial == b->serial
           && a->reserved == b->reserved && a->timeline == b->timeline
           && a->holder_serial == b->holder_serial
           && strcmp(a->incarnation, b->incarnation) == 0
           && strcmp(a->digest, b->digest) == 0;
}


static void
publish(memory_cell_t *cell, unsigned n)
{
    memory_t  memory;

    memory = numbered(n);
    memory_publish(cell, &memory);
}


/* the number of what is read, which is whole */

static unsigned
published(const memory_cell_t *cell)
{
    unsigned  n;
    memory_t  memory, expected;

    if (memory_read(cell, &memory) == 0) {
        return 0;
    }

    n = memory.epoch & 0xff;
    expected = numbered(n);

    if (!same(&memory, &expected)) {
        fail_msg("version %llu is a part of %s and of %s",
                 (unsigned long long) cell->version, memory.incarnation,
                 memory.digest);
    }

    return n;
}


static void
run_publish(void *data)
{
    memory_cell_t  *cell = data;

    publish(cell, 1 + (unsigned) cell->version % 100);
}


static int
look_at_store(void *data, unsigned n)
{
    history_t  *h = data;

    (void) n;

    if (h->n == 0
        || memcmp(&h->cell[h->n - 1], h->shared, sizeof(memory_cell_t)) != 0)
    {
        assert_true(h->n < STATES);
        memcpy(&h->cell[h->n++], h->shared, sizeof(memory_cell_t));
    }

    return 0;
}


/* all that a cell comes to be while a child publishes in it so many times */

static void
record(const memory_cell_t *from, unsigned times)
{
    pid_t  child;

    history.n = 0;
    history.shared = step_map(sizeof(memory_cell_t));

    child = step_start(run_publish, history.shared);
    if (child == -1) {
        skip();
    }

    memcpy(history.shared, from, sizeof(memory_cell_t));

    while (times--) {
        step(child, look_at_store, &history);
    }

    step_end(child);
}


static void
test_nothing(void **state)
{
    memory_t       memory, none;
    memory_cell_t  cell;

    (void) state;

    memset(&cell, 0, sizeof(memory_cell_t));
    memset(&none, 0, sizeof(memory_t));
    memory = numbered(1);

    assert_int_equal(memory_read(&cell, &memory), 0);
    assert_true(same(&memory, &none));
}


static void
test_the_last_one_counts(void **state)
{
    unsigned       n;
    memory_t       memory, expected;
    uint64_t       version, before;
    memory_cell_t  cell;

    (void) state;

    memset(&cell, 0, sizeof(memory_cell_t));
    before = 0;

    for (n = 1; n < 10; n++) {
        publish(&cell, n);

        version = memory_read(&cell, &memory);
        expected = numbered(n);

        assert_true(version > before);
        assert_true(same(&memory, &expected));
        assert_true(same(memory_now(&cell), &expected));
        assert_true(memory_epoch(&cell) == expected.epoch);

        before = version;
    }
}


/*
 * For whoever comes after: by what it remembers, an epoch with the incarnation
 * of another would fence a row that is right.
 */

static void
test_killed_while_publishing(void **state)
{
    size_t         i;
    unsigned       earlier, old, new, n;
    uint64_t       version;
    memory_t       memory;
    memory_cell_t  cell;

    (void) state;

    memset(&cell, 0, sizeof(memory_cell_t));

    for (earlier = 0; earlier < 4; earlier++) {
        old = published(&cell);

        record(&cell, 1);

        /* it takes more than one store */
        assert_true(history.n > 2);

        new = published(&history.cell[history.n - 1]);
        assert_int_not_equal(new, old);

        n = old;

        for (i = 0; i < history.n; i++) {
            cell = history.cell[i];

            /* old until it is new, and new from then on */

            if (published(&cell) != n) {
                assert_int_equal(n, old);
                n = published(&cell);
                assert_int_equal(n, new);
            }

            assert_true(memory_epoch(&cell) == numbered(n).epoch);

            version = memory_read(&cell, &memory);

            publish(&cell, 200);
            assert_int_equal(published(&cell), 200);
            assert_true(memory_read(&cell, &memory) > version);

            publish(&cell, 201);
            assert_int_equal(published(&cell), 201);
        }

        cell = history.cell[history.n - 1];
    }
}


static void
run_read(void *data)
{
    reader_t  *reader = data;

    reader->version = memory_read(&reader->cell, &reader->memory);
}


static int
look_at_reader(void *data, unsigned n)
{
    reader_t  *reader = data;

    reader->instructions = n;

    if (n != reader->at) {
        return 0;
    }

    memcpy(&reader->cell, reader->later, sizeof(memory_cell_t));

    return 1;
}


/* what has been read belongs to its version, and was there meanwhile */

static void
check_reader(const reader_t *reader, const memory_cell_t *before,
    const memory_cell_t *after)
{
    size_t    i;
    memory_t  memory;

    assert_true(reader->version >= memory_read(before, &memory));
    assert_true(reader->version <= memory_read(after, &memory));

    if (reader->version == 0) {
        return;
    }

    for (i = 0; i < history.n; i++) {
        if (memory_read(&history.cell[i], &memory) == reader->version) {
            break;
        }
    }

    assert_true(i < history.n);

    if (!same(&reader->memory, &memory)) {
        fail_msg("of %s and %s at instruction %u", reader->memory.incarnation,
                 reader->memory.digest, reader->at);
    }
}


/*
 * At each of the reader's instructions two writers come by, of whom the second
 * one may be killed at any of its own, or the first one, or both have ended.
 */

static void
test_read_while_publishing(void **state)
{
    size_t         i;
    pid_t          child;
    reader_t      *reader;
    unsigned       earlier, at, instructions;
    memory_cell_t  cell;

    (void) state;

    reader = step_map(sizeof(reader_t));

    child = step_start(run_read, reader);
    if (child == -1) {
        skip();
    }

    memset(&cell, 0, sizeof(memory_cell_t));

    for (earlier = 0; earlier < 2; earlier++) {
        record(&cell, 2);

        reader->at = UINT32_MAX;
        reader->cell = cell;
        step(child, look_at_reader, reader);
        check_reader(reader, &cell, &cell);
        instructions = reader->instructions;

        for (i = 1; i < history.n; i++) {
            for (at = i % STRIDE; at < instructions; at += STRIDE) {
                reader->at = at;
                reader->cell = cell;
                reader->later = &history.cell[i];
                step(child, look_at_reader, reader);
                check_reader(reader, &cell, reader->later);
            }
        }

        publish(&cell, 100);
    }

    step_end(child);
}


static int
look_and_publish(void *data, unsigned n)
{
    reader_t  *reader = data;

    if (n < 1000) {
        publish(&reader->cell, 1 + n % 100);
    }

    return 0;
}


/* it may have to try again, for as long as they come */

static void
test_read_while_many_publish(void **state)
{
    pid_t          child;
    memory_t       expected;
    reader_t      *reader;

    (void) state;

    reader = step_map(sizeof(reader_t));

    child = step_start(run_read, reader);
    if (child == -1) {
        skip();
    }

    step(child, look_and_publish, reader);
    step_end(child);

    expected = numbered(reader->memory.epoch & 0xff);
    assert_true(same(&reader->memory, &expected));
    assert_int_not_equal(reader->version, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_the_last_one_counts),
        cmocka_unit_test(test_killed_while_publishing),
        cmocka_unit_test(test_read_while_publishing),
        cmocka_unit_test(test_read_while_many_publish),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
