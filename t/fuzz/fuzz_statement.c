
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The parameters of a reservation, and of what is given back.  An input is the
 * time to wait for a lock, and the asks, one after the other, each a byte of
 * flags and its numbers as they lie in memory; whatever they are, they fit the
 * buffer and come out again.
 */


#include <inttypes.h>

#include "fuzz.h"
#include "core/statement.h"


#define FUZZ_MAX_ASKS  256
#define FUZZ_NUMBERS   8

#define FUZZ_POOL      "numbers"
#define FUZZ_UUID      "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define FUZZ_DIGEST    "630dcd2966c4336691125448bbb25b4f"                     \
                       "f412a49c732db2c8abc1b8581bd710dd"

#define FUZZ_KNOWN     1
#define FUZZ_WITH_KEY  2


static void fuzz_statement_ask(statement_ask_t *ask, const uint8_t *data);
static void fuzz_statement_reserve(const statement_caller_t *caller,
    const statement_ask_t *asks, size_t n);
static void fuzz_statement_array(const char *text, const statement_ask_t *asks,
    size_t n, int param);
static void fuzz_statement_text(char *text, const statement_ask_t *ask,
    int param);
static void fuzz_statement_return(const statement_caller_t *caller,
    const statement_ask_t *ask);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t               n, len;
    statement_ask_t     *asks;
    statement_caller_t   caller;

    len = 1 + FUZZ_NUMBERS * sizeof(uint64_t);
    asks = fuzz_alloc(FUZZ_MAX_ASKS * sizeof(statement_ask_t));

    caller.pool = FUZZ_POOL;
    caller.holder = FUZZ_UUID;
    caller.lock_wait = 0;

    if (size >= sizeof(uint64_t)) {
        memcpy(&caller.lock_wait, data, sizeof(uint64_t));

        data += sizeof(uint64_t);
        size -= sizeof(uint64_t);
    }

    caller.places = ~caller.lock_wait;

    for (n = 0; n < FUZZ_MAX_ASKS && size >= len; n++) {
        fuzz_statement_ask(&asks[n], data);

        data += len;
        size -= len;
    }

    fuzz_statement_reserve(&caller, asks, n);

    if (n) {
        fuzz_statement_return(&caller, &asks[0]);
    }

    free(asks);

    return 0;
}


static void
fuzz_statement_ask(statement_ask_t *ask, const uint8_t *data)
{
    uint64_t  numbers[FUZZ_NUMBERS];

    memset(ask, 0, sizeof(statement_ask_t));
    memcpy(numbers, data + 1, sizeof(numbers));

    ask->first = numbers[0];
    ask->last = numbers[1];
    ask->memory.holder_serial = numbers[2];
    ask->memory.epoch = numbers[3];
    ask->memory.serial = numbers[4];
    ask->memory.reserved = numbers[5];
    ask->memory.timeline = numbers[6];
    ask->want = numbers[7];
    ask->with_key = ((data[0] & FUZZ_WITH_KEY) != 0);

    if (data[0] & FUZZ_KNOWN) {
        memcpy(ask->memory.incarnation, FUZZ_UUID, sizeof(FUZZ_UUID));
        memcpy(ask->memory.digest, FUZZ_DIGEST, sizeof(FUZZ_DIGEST));
    }
}


static void
fuzz_statement_reserve(const statement_caller_t *caller,
    const statement_ask_t *asks, size_t n)
{
    int                      i;
    char                    *buf;
    size_t                   j;
    const char              *values[STATEMENT_RESERVE_NPARAMS];
    const statement_ask_t  **pointers;

    pointers = fuzz_alloc(n * sizeof(statement_ask_t *));

    for (j = 0; j < n; j++) {
        pointers[j] = &asks[j];
    }

    buf = fuzz_alloc(statement_params_size(n));

    statement_reserve_params(values, buf, caller, pointers, n);

    fuzz_check(values[0] == caller->pool);
    fuzz_check(values[1] == caller->holder);
    fuzz_check(strtoull(values[2], NULL, 10) == caller->lock_wait);
    fuzz_check(strtoull(values[13], NULL, 10) == caller->places);

    for (i = 3; i < STATEMENT_RESERVE_NPARAMS; i++) {
        if (i != 13) {
            fuzz_statement_array(values[i], asks, n, i);
        }
    }

    free(buf);
    free(pointers);
}


static void
fuzz_statement_array(const char *text, const statement_ask_t *asks, size_t n,
    int param)
{
    char    expected[128];
    size_t  i, len;

    fuzz_check(*text++ == '{');

    for (i = 0; i < n; i++) {
        fuzz_check(i == 0 || *text++ == ',');

        fuzz_statement_text(expected, &asks[i], param);
        len = strlen(expected);

        fuzz_check(strncmp(text, expected, len) == 0);
        text += len;
    }

    fuzz_check(strcmp(text, "}") == 0);
}


static void
fuzz_statement_text(char *text, const statement_ask_t *ask, int param)
{
    const memory_t  *m = &ask->memory;

    const uint64_t  numbers[STATEMENT_RESERVE_NPARAMS] = {
        0, 0, 0, ask->first, ask->last, m->holder_serial, m->epoch, 0,
        m->serial, m->reserved, m->timeline, 0, ask->want, 0, 0
    };

    switch (param) {

    case 7:
        strcpy(text, m->incarnation[0] ? FUZZ_UUID : "NULL");
        break;

    case 11:
        strcpy(text, m->digest[0] ? FUZZ_DIGEST : "NULL");
        break;

    case 14:
        strcpy(text, ask->with_key ? "true" : "false");
        break;

    default:
        sprintf(text, "%" PRIu64, numbers[param]);
    }
}


static void
fuzz_statement_return(const statement_caller_t *caller,
    const statement_ask_t *ask)
{
    int          i;
    char        *buf, expected[128];
    const char  *values[STATEMENT_GIVE_BACK_NPARAMS];

    /* which one of the other statement is the same */

    static const int  params[] = { 0, 3, 4, 0, 5, 6, 7, 8, 9, 10, 11 };

    buf = fuzz_alloc(statement_params_size(1));

    statement_give_back_params(values, buf, caller, ask, "{0}", "{1}");

    fuzz_check(values[0] == caller->pool);
    fuzz_check(values[3] == caller->holder);
    fuzz_check(strtoull(values[11], NULL, 10) == caller->lock_wait);
    fuzz_check(strcmp(values[12], "{0}") == 0);
    fuzz_check(strcmp(values[13], "{1}") == 0);

    for (i = 1; i < 11; i++) {

        if (params[i] == 0) {
            continue;
        }

        fuzz_statement_text(expected, ask, params[i]);

        if (strcmp(expected, "NULL") == 0) {
            fuzz_check(values[i] == NULL);

        } else {
            fuzz_check(values[i] && strcmp(values[i], expected) == 0);
        }
    }

    free(buf);
}
