
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Replies to a reservation.  The first line of an input is what was asked,
 * with the shape of the reply; each line that follows is a column, row by row:
 *
 *     WANT FIRST LAST KEY HOLDER_SERIAL ROWS COLUMNS ASKS PLACES
 *     \N                                     (NULL)
 *     =                                      (what a good reply has there)
 *     any other text
 *
 * Columns that are not given are "=".  Without the last two numbers it is asked
 * once, for as many places as there are, without the last four there is one row
 * of the right columns, and with fewer, 16 of the range 1-100 were asked for.
 * All asks are the same.
 */


#include <ctype.h>
#include <openssl/crypto.h>
#include <libpq-fe.h>

#include "fuzz.h"
#include "core/number.h"
#include "core/reservation.h"


#define FUZZ_COLUMNS      19
#define FUZZ_MAX_COLUMNS  40
#define FUZZ_MAX_ROWS     3
#define FUZZ_NUMBERS      9

#define FUZZ_POOL    "numbers"
#define FUZZ_UUID    "5d6d2305-0952-4004-84dd-89a6e6fe499f"
#define FUZZ_KEY     "000102030405060708090a0b0c0d0e0f"                       \
                     "101112131415161718191a1b1c1d1e1f"
#define FUZZ_DIGEST  "630dcd2966c4336691125448bbb25b4f"                       \
                     "f412a49c732db2c8abc1b8581bd710dd"


/* the order of the columns of statement_reserve */

#define FUZZ_FIRST      3
#define FUZZ_LAST       4
#define FUZZ_KEY_COLUMN 7
#define FUZZ_STARTS     8
#define FUZZ_STOPS      9
#define FUZZ_RESERVED   10


static const char  *fuzz_good[FUZZ_COLUMNS] = {
    NULL, NULL, FUZZ_POOL, "", "", "1", FUZZ_DIGEST, FUZZ_KEY, "", "", "",
    "0", "1", "1", FUZZ_UUID, "1", "fence", "on", "on"
};


typedef struct {
    statement_ask_t  ask;
    uint64_t         asks;
    uint64_t         rows;
    uint64_t         columns;
} fuzz_reply_t;


/* the texts in a result lie side by side, where overruns would not be seen */

static const PGresult  *fuzz_result;
static char            *fuzz_values[FUZZ_MAX_ROWS][FUZZ_MAX_COLUMNS];


char *__wrap_PQgetvalue(const PGresult *result, int row, int column);

static void fuzz_reservation_ask(fuzz_reply_t *reply, fuzz_text_t *text);
static size_t fuzz_reservation_numbers(fuzz_text_t *text, uint64_t *numbers);
static PGresult *fuzz_reservation_result(const fuzz_reply_t *reply,
    fuzz_text_t *text);
static const char *fuzz_reservation_column(const fuzz_reply_t *reply,
    fuzz_text_t *text, size_t column, char *number, size_t *len);
static void fuzz_reservation_free(PGresult *result);
static void fuzz_reservation_row(const PGresult *result, int row,
    const statement_ask_t *ask);
static void fuzz_reservation_check(const reservation_t *r,
    const statement_ask_t *ask);
static void fuzz_reservation_intervals(const reservation_t *r, int row,
    const statement_ask_t *ask);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            i, n, row, answers;
    PGresult      *result;
    fuzz_text_t    text;
    fuzz_reply_t   reply;

    text.pos = (const char *) data;
    text.last = text.pos + size;

    fuzz_reservation_ask(&reply, &text);
    result = fuzz_reservation_result(&reply, &text);

    answers = reservation_answers(result, (size_t) reply.asks);

    fuzz_check(!answers == (reply.rows != reply.asks
                            || reply.columns != FUZZ_COLUMNS));

    for (row = 0; answers && row < (int) reply.rows; row++) {
        fuzz_reservation_row(result, row, &reply.ask);
    }

    reservation_wipe(result);

    for (row = 0; row < PQntuples(result); row++) {

        if (reply.columns != FUZZ_COLUMNS) {
            break;
        }

        n = PQgetlength(result, row, FUZZ_KEY_COLUMN);

        for (i = 0; i < n; i++) {
            fuzz_check(fuzz_values[row][FUZZ_KEY_COLUMN][i] == '\0');
        }
    }

    fuzz_reservation_free(result);

    return 0;
}


static void
fuzz_reservation_row(const PGresult *result, int row,
    const statement_ask_t *ask)
{
    int             rc;
    const char     *error;
    reservation_t   r;

    error = NULL;

    /* nothing may be left of what was on the stack */

    memset(&r, 0xa5, sizeof(reservation_t));

    rc = reservation_parse(&r, result, row, FUZZ_POOL, ask, &error);

    if (rc != 0) {
        fuzz_check(rc == -1 && error != NULL);
        return;
    }

    fuzz_reservation_check(&r, ask);

    if (r.count) {
        fuzz_reservation_intervals(&r, row, ask);
    }

    fuzz_check(!reservation_stale(&r) || r.outcome == RESERVATION_STALE
               || r.outcome == RESERVATION_FENCED);

    (void) reservation_durable(&r);
}


char *
__wrap_PQgetvalue(const PGresult *result, int row, int column)
{
    fuzz_check(result == fuzz_result);
    fuzz_check(row >= 0 && row < PQntuples(result));
    fuzz_check(column >= 0 && column < PQnfields(result));

    return fuzz_values[row][column];
}


static const statement_ask_t  fuzz_first_ask = {
    .first = 1, .last = 100, .size = 100, .want = 16,
    .places = RESERVATION_PLACES, .with_key = 1
};


/* within the bounds that the configuration keeps to */

static void
fuzz_reservation_ask(fuzz_reply_t *reply, fuzz_text_t *text)
{
    size_t            n;
    uint64_t          numbers[FUZZ_NUMBERS];
    statement_ask_t  *ask;

    memset(reply, 0, sizeof(fuzz_reply_t));

    ask = &reply->ask;
    *ask = fuzz_first_ask;

    reply->asks = 1;
    reply->rows = 1;
    reply->columns = FUZZ_COLUMNS;

    n = fuzz_reservation_numbers(text, numbers);

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

    ask->size = ask->last - ask->first + 1;

    ask->memory.holder_serial = numbers[4];

    /* known before, or not */

    if (numbers[4]) {
        ask->memory.epoch = numbers[4];
        memcpy(ask->memory.incarnation, FUZZ_UUID, sizeof(FUZZ_UUID));
        memcpy(ask->memory.digest, FUZZ_DIGEST, sizeof(FUZZ_DIGEST));
    }

    if (n >= 7) {
        reply->rows = numbers[5] % (FUZZ_MAX_ROWS + 1);
        reply->columns = numbers[6] % (FUZZ_MAX_COLUMNS + 1);
    }

    if (n == FUZZ_NUMBERS) {
        reply->asks = 1 + (numbers[7] - 1) % FUZZ_MAX_ROWS;
        ask->places = numbers[8];
    }
}


/* those of the first line, and how many there are */

static size_t
fuzz_reservation_numbers(fuzz_text_t *text, uint64_t *numbers)
{
    size_t       i, n, len;
    const char  *line, *last, *end;

    line = fuzz_line(text, &len);

    if (line == NULL) {
        return 0;
    }

    last = line + len;

    for (n = 0; n < FUZZ_NUMBERS && line < last; n++) {
        end = memchr(line, ' ', (size_t) (last - line));
        end = end ? end : last;

        numbers[n] = 0;

        for (i = 0; line + i < end && isdigit((unsigned char) line[i]); i++) {
            numbers[n] = numbers[n] * 10 + (uint64_t) (line[i] - '0');
        }

        line = end < last ? end + 1 : last;
    }

    return n;
}


static PGresult *
fuzz_reservation_result(const fuzz_reply_t *reply, fuzz_text_t *text)
{
    char          number[NUMBER_LEN + sizeof("{}")];
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
    uint64_t                n, size;
    const char             *line, *format;
    const statement_ask_t  *ask;

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
    n = ask->want < size ? ask->want : size;
    format = "%llu";

    switch (column) {

    case FUZZ_FIRST:
        n = ask->first;
        break;

    case FUZZ_LAST:
        n = ask->last;
        break;

    case FUZZ_STARTS:
        format = n ? "{0}" : "{}";
        break;

    case FUZZ_STOPS:
        format = n ? "{%llu}" : "{}";
        break;

    case FUZZ_RESERVED:
        break;

    default:
        line = fuzz_good[column];
        *len = line ? strlen(line) : 0;
        return line;
    }

    *len = (size_t) sprintf(number, format, (unsigned long long) n);

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
fuzz_reservation_check(const reservation_t *r, const statement_ask_t *ask)
{
    size_t           len;
    uint64_t         size;
    const memory_t  *m;

    m = &r->memory;
    size = ask->last - ask->first + 1;

    fuzz_check(r->outcome <= RESERVATION_DOMAIN);

    fuzz_check(r->detail != NULL && r->failover != NULL);
    fuzz_check(r->fsync != NULL && r->synchronous_commit != NULL);

    fuzz_check(r->count <= ask->want);
    fuzz_check(r->count == 0 || r->outcome == RESERVATION_GRANTED);
    fuzz_check((r->count == 0) == (r->nintervals == 0));

    len = strnlen(m->incarnation, sizeof(m->incarnation));
    fuzz_check(len == 0 || len == MEMORY_UUID_LEN);

    len = strnlen(m->digest, sizeof(m->digest));
    fuzz_check(len == 0 || len == MEMORY_DIGEST_LEN);

    switch (r->outcome) {

    case RESERVATION_STANDBY:
    case RESERVATION_VOLATILE:
    case RESERVATION_MISSING:
    case RESERVATION_BUSY:
        fuzz_check(!r->has_key && m->epoch == 0 && m->digest[0] == '\0');
        return;

    case RESERVATION_MISMATCH:
    case RESERVATION_STALE:
    case RESERVATION_FENCED:
    case RESERVATION_DOMAIN:
        /* of a range of another size, or kind */
        fuzz_check(!r->has_key);
        return;

    default:
        break;
    }

    fuzz_check(m->reserved <= size);
    fuzz_check(r->remaining <= size);
    fuzz_check(r->last == ask->last);

    fuzz_check(m->digest[0] && m->incarnation[0]);
    fuzz_check(r->has_key || !ask->with_key);

    fuzz_check(r->outcome != RESERVATION_GRANTED
               || (r->count == 0) == (ask->want == 0));

    /* a look is no grant of ours */

    fuzz_check(m->holder_serial == (r->count ? m->serial : 0));
}


/* they are those of the two arrays, and no position is in two of them */

static void
fuzz_reservation_intervals(const reservation_t *r, int row,
    const statement_ask_t *ask)
{
    char                          *start, *stop;
    size_t                         i, j;
    uint64_t                       count;
    const reservation_interval_t  *a, *b;

    start = fuzz_values[row][FUZZ_STARTS];
    stop = fuzz_values[row][FUZZ_STOPS];
    count = 0;

    fuzz_check(r->nintervals <= RESERVATION_PLACES);
    fuzz_check(r->nintervals <= ask->places);

    for (i = 0; i < r->nintervals; i++) {
        a = &r->intervals[i];

        fuzz_check(*start == (i ? ',' : '{') && *stop == *start);
        fuzz_check(strtoull(start + 1, &start, 10) == a->start);
        fuzz_check(strtoull(stop + 1, &stop, 10) == a->end);

        fuzz_check(a->start < a->end && a->end <= r->memory.reserved);

        count += a->end - a->start;

        for (j = 0; j < i; j++) {
            b = &r->intervals[j];
            fuzz_check(a->end <= b->start || b->end <= a->start);
        }
    }

    fuzz_check(strcmp(start, "}") == 0 && strcmp(stop, "}") == 0);
    fuzz_check(count == r->count);
}
