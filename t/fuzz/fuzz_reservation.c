
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Replies to a reservation.  The first line of an input is what was asked,
 * with the shape of the reply; each line that follows is a column:
 *
 *     WANT FIRST LAST KEY HOLDER_SERIAL ROWS COLUMNS
 *     \N                                     (NULL)
 *     =                                      (what a good reply has there)
 *     any other text
 *
 * Columns that are not given are "=", and a first line that has not so many
 * numbers stands for 16 of the range 1-100, one row of the right columns.
 */


#include <ctype.h>
#include <openssl/crypto.h>
#include <libpq-fe.h>

#include "fuzz.h"
#include "number.h"
#include "reservation.h"


#define FUZZ_COLUMNS      19
#define FUZZ_MAX_COLUMNS  40
#define FUZZ_MAX_ROWS     3

#define FUZZ_POOL    "numbers"
#define FUZZ_UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define FUZZ_KEY     "000102030405060708090a0b0c0d0e0f"                       \
                     "101112131415161718191a1b1c1d1e1f"
#define FUZZ_DIGEST  "630dcd2966c4336691125448bbb25b4f"                       \
                     "f412a49c732db2c8abc1b8581bd710dd"


/* the order of the columns of reservation_statement */

#define FUZZ_FIRST      3
#define FUZZ_LAST       4
#define FUZZ_KEY_COLUMN 7
#define FUZZ_START      8
#define FUZZ_COUNT      9
#define FUZZ_RESERVED   10


static const char  *fuzz_good[FUZZ_COLUMNS] = {
    NULL, NULL, FUZZ_POOL, "", "", "1", FUZZ_DIGEST, FUZZ_KEY, "0", "", "",
    "0", "1", "1", FUZZ_UUID, "1", "fence", "on", "on"
};


typedef struct {
    reservation_ask_t   ask;
    uint64_t            rows;
    uint64_t            columns;
} fuzz_reply_t;


/* the texts in a result lie side by side, where overruns would not be seen */

static const PGresult  *fuzz_result;
static char            *fuzz_values[FUZZ_MAX_ROWS][FUZZ_MAX_COLUMNS];


char *__wrap_PQgetvalue(const PGresult *result, int row, int column);

static void fuzz_reservation_ask(fuzz_reply_t *reply, fuzz_text_t *text);
static PGresult *fuzz_reservation_result(const fuzz_reply_t *reply,
    fuzz_text_t *text);
static const char *fuzz_reservation_column(const fuzz_reply_t *reply,
    fuzz_text_t *text, size_t column, char *number, size_t *len);
static void fuzz_reservation_free(PGresult *result);
static void fuzz_reservation_params(const reservation_ask_t *ask);
static void fuzz_reservation_check(const reservation_t *r,
    const reservation_ask_t *ask);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            i, len, rc;
    PGresult      *result;
    const char    *error, *key;
    fuzz_text_t    text;
    fuzz_reply_t   reply;
    reservation_t  r;

    text.pos = (const char *) data;
    text.last = text.pos + size;

    fuzz_reservation_ask(&reply, &text);
    fuzz_reservation_params(&reply.ask);

    result = fuzz_reservation_result(&reply, &text);
    error = NULL;

    /* nothing may be left of what was on the stack */

    memset(&r, 0xa5, sizeof(reservation_t));

    rc = reservation_parse(&r, result, &reply.ask, &error);

    if (rc == 0) {
        fuzz_reservation_check(&r, &reply.ask);
        (void) reservation_durable(&r);

    } else {
        fuzz_check(rc == -1 && error != NULL);
    }

    reservation_wipe(&r, result);

    for (i = 0; i < RESERVATION_KEY_LEN; i++) {
        fuzz_check(r.key[i] == 0);
    }

    if (reply.rows == 1 && reply.columns == FUZZ_COLUMNS) {
        key = fuzz_values[0][FUZZ_KEY_COLUMN];
        len = PQgetlength(result, 0, FUZZ_KEY_COLUMN);

        for (i = 0; i < len; i++) {
            fuzz_check(key[i] == '\0');
        }
    }

    fuzz_reservation_free(result);

    return 0;
}


char *
__wrap_PQgetvalue(const PGresult *result, int row, int column)
{
    fuzz_check(result == fuzz_result);
    fuzz_check(row >= 0 && row < PQntuples(result));
    fuzz_check(column >= 0 && column < PQnfields(result));

    return fuzz_values[row][column];
}


/* within the bounds that the configuration keeps to */

static void
fuzz_reservation_ask(fuzz_reply_t *reply, fuzz_text_t *text)
{
    size_t       i, n, len;
    uint64_t     numbers[7];
    const char  *line, *last, *end;

    reservation_ask_t  *ask = &reply->ask;

    memset(reply, 0, sizeof(fuzz_reply_t));

    ask->pool = FUZZ_POOL;
    ask->holder = FUZZ_UUID;
    ask->first = 1;
    ask->last = 100;
    ask->want = 16;
    ask->with_key = 1;

    reply->rows = 1;
    reply->columns = FUZZ_COLUMNS;

    line = fuzz_line(text, &len);

    if (line == NULL) {
        return;
    }

    last = line + len;

    for (n = 0; n < 7 && line < last; n++) {
        end = memchr(line, ' ', (size_t) (last - line));
        end = end ? end : last;

        numbers[n] = 0;

        for (i = 0; line + i < end && isdigit((unsigned char) line[i]); i++) {
            numbers[n] = numbers[n] * 10 + (uint64_t) (line[i] - '0');
        }

        line = end < last ? end + 1 : last;
    }

    if (n < 5) {
        return;
    }

    ask->want = numbers[0] & INT64_MAX;
    ask->first = numbers[1] & INT64_MAX;
    ask->last = numbers[2] & INT64_MAX;
    ask->with_key = numbers[3] & 1;

    if (ask->last < ask->first) {
        ask->last = ask->first;
    }

    if (ask->last - ask->first == INT64_MAX) {
        ask->last--;
    }

    ask->lock_wait = numbers[4];
    ask->memory.holder_serial = numbers[4];

    /* known before, or not */

    if (numbers[4]) {
        ask->memory.epoch = numbers[4];
        memcpy(ask->memory.incarnation, FUZZ_UUID, sizeof(FUZZ_UUID));
        memcpy(ask->memory.digest, FUZZ_DIGEST, sizeof(FUZZ_DIGEST));
    }

    if (n == 7) {
        reply->rows = numbers[5] % (FUZZ_MAX_ROWS + 1);
        reply->columns = numbers[6] % (FUZZ_MAX_COLUMNS + 1);
    }
}


static PGresult *
fuzz_reservation_result(const fuzz_reply_t *reply, fuzz_text_t *text)
{
    char          number[NUMBER_LEN + 1];
    size_t        i, row, len;
    PGresult     *result;
    const char   *value;
    PGresAttDesc  attrs[FUZZ_MAX_COLUMNS];

    memset(attrs, 0, sizeof(attrs));

    for (i = 0; i < reply->columns; i++) {
        attrs[i].name = "column";
    }

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    fuzz_check(result != NULL);

    if (reply->columns) {
        fuzz_check(PQsetResultAttrs(result, (int) reply->columns, attrs));
    }

    for (row = 0; reply->columns && row < reply->rows; row++) {

        for (i = 0; i < reply->columns; i++) {
            value = fuzz_reservation_column(reply, text, i, number, &len);

            fuzz_check(PQsetvalue(result, (int) row, (int) i, (char *) value,
                                  value ? (int) len : -1));

            fuzz_values[row][i] = value ? fuzz_string(value, len)
                                        : fuzz_string("", 0);
        }
    }

    fuzz_result = result;

    return result;
}


static const char *
fuzz_reservation_column(const fuzz_reply_t *reply, fuzz_text_t *text,
    size_t column, char *number, size_t *len)
{
    uint64_t                  n, size;
    const char               *line;
    const reservation_ask_t  *ask;

    line = fuzz_line(text, len);

    if (line && *len == 2 && memcmp(line, "\\N", 2) == 0) {
        return NULL;
    }

    if (line && !(*len == 1 && *line == '=')) {
        return line;
    }

    if (column >= FUZZ_COLUMNS) {
        *len = 0;
        return "";
    }

    ask = &reply->ask;
    size = ask->last - ask->first + 1;

    switch (column) {

    case FUZZ_FIRST:
        n = ask->first;
        break;

    case FUZZ_LAST:
        n = ask->last;
        break;

    case FUZZ_COUNT:
    case FUZZ_RESERVED:
        n = ask->want < size ? ask->want : size;
        break;

    default:
        line = fuzz_good[column];
        *len = line ? strlen(line) : 0;
        return line;
    }

    *len = (size_t) sprintf(number, "%llu", (unsigned long long) n);

    return number;
}


static void
fuzz_reservation_free(PGresult *result)
{
    int  row, i;

    for (row = 0; row < PQntuples(result); row++) {
        for (i = 0; i < PQnfields(result); i++) {
            free(fuzz_values[row][i]);
            fuzz_values[row][i] = NULL;
        }
    }

    PQclear(result);

    fuzz_result = NULL;
}


static void
fuzz_reservation_params(const reservation_ask_t *ask)
{
    int                    i;
    reservation_params_t  *params;

    params = fuzz_alloc(sizeof(reservation_params_t));

    reservation_params(params, ask);

    for (i = 0; i < RESERVATION_NPARAMS; i++) {
        fuzz_check(params->values[i] == NULL || params->values[i][0]);
    }

    fuzz_check(strcmp(params->values[0], ask->pool) == 0);
    fuzz_check(strtoull(params->values[1], NULL, 10) == ask->first);
    fuzz_check(strtoull(params->values[2], NULL, 10) == ask->last);
    fuzz_check(strtoull(params->values[RESERVATION_STARTS], NULL, 10)
               == ask->want);

    free(params);
}


static void
fuzz_reservation_check(const reservation_t *r, const reservation_ask_t *ask)
{
    size_t                       len;
    uint64_t                     size;
    const reservation_memory_t  *m;

    m = &r->memory;
    size = ask->last - ask->first + 1;

    fuzz_check(r->outcome <= RESERVATION_EXHAUSTED);

    fuzz_check(r->detail != NULL && r->failover != NULL);
    fuzz_check(r->fsync != NULL && r->synchronous_commit != NULL);

    fuzz_check(r->count <= ask->want);
    fuzz_check(r->count == 0 || r->outcome == RESERVATION_GRANTED);

    len = strnlen(m->incarnation, sizeof(m->incarnation));
    fuzz_check(len == 0 || len == RESERVATION_UUID_LEN);

    len = strnlen(m->digest, sizeof(m->digest));
    fuzz_check(len == 0 || len == RESERVATION_DIGEST_LEN);

    switch (r->outcome) {

    case RESERVATION_STANDBY:
    case RESERVATION_VOLATILE:
    case RESERVATION_MISSING:
        fuzz_check(!r->has_key && m->epoch == 0 && m->digest[0] == '\0');
        return;

    case RESERVATION_MISMATCH:
        /* of a range of another size */
        return;

    default:
        break;
    }

    fuzz_check(m->reserved <= size);
    fuzz_check(r->start <= m->reserved);
    fuzz_check(r->count <= m->reserved - r->start);
    fuzz_check(r->remaining <= size);
    fuzz_check(r->last == ask->last);

    fuzz_check(m->digest[0] && m->incarnation[0]);
    fuzz_check(r->has_key || !ask->with_key);

    fuzz_check(r->outcome != RESERVATION_GRANTED
               || (r->count == 0) == (ask->want == 0));

    /* a look is no grant of ours */

    fuzz_check(m->holder_serial == (r->count ? m->serial : 0));
}
