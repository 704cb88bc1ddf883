
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Reads the reply to a reservation.  It is believed only if it echoes what was
 * asked and stays within its bounds, and a key only if its digest is right.
 */


#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/hex.h"
#include "core/line.h"
#include "core/number.h"
#include "core/reservation.h"


enum {
    COLUMN_REFUSAL = 0,
    COLUMN_DETAIL,
    COLUMN_POOL,
    COLUMN_FIRST,
    COLUMN_LAST,
    COLUMN_ALGORITHM,
    COLUMN_DIGEST,
    COLUMN_KEY,
    COLUMN_STARTS,
    COLUMN_STOPS,
    COLUMN_RESERVED,
    COLUMN_RETURNED,
    COLUMN_SERIAL,
    COLUMN_EPOCH,
    COLUMN_INCARNATION,
    COLUMN_TIMELINE,
    COLUMN_FAILOVER,
    COLUMN_SYNCHRONOUS_COMMIT,
    COLUMN_FSYNC,
    COLUMNS
};


/* a row of the result */

typedef struct {
    const PGresult  *result;
    int              n;
} reservation_row_t;


static const char  *reservation_refusals[] = {
    "", "standby", "volatile", "missing", "mismatch", "stale", "fenced",
    "exhausted", "busy", "deferred", NULL
};


/* what it tells of may be another range than the one that was asked for */
#define reservation_refused(outcome)                                          \
    ((outcome) == RESERVATION_MISMATCH || (outcome) == RESERVATION_STALE      \
     || (outcome) == RESERVATION_FENCED || (outcome) == RESERVATION_DOMAIN)


static int reservation_parse_row(reservation_t *reply, reservation_row_t *row,
    const statement_ask_t *ask, const char **error);
static int reservation_parse_range(reservation_t *reply,
    reservation_row_t *row, const statement_ask_t *ask, const char **error);
static int reservation_parse_key(reservation_t *reply, const char *key,
    const statement_ask_t *ask, const char **error);
static int reservation_intervals(reservation_t *reply, reservation_row_t *row,
    uint64_t places);
static int reservation_check(reservation_t *reply, const statement_ask_t *ask,
    const char **error);
static int reservation_check_grant(const reservation_t *reply);
static const char *reservation_text(const reservation_row_t *row, int column);
static int reservation_number(const reservation_row_t *row, int column,
    uint64_t *number);
static int reservation_element(const char **p, uint64_t *number);
static int reservation_copy(char *to, size_t len, const reservation_row_t *row,
    int column);
static int reservation_check_key(const reservation_t *reply,
    const statement_ask_t *ask);


int
reservation_answers(const PGresult *result, size_t n)
{
    return (size_t) PQntuples(result) == n && PQnfields(result) == COLUMNS;
}


int
reservation_parse(reservation_t *reply, const PGresult *result, int n,
    const char *pool, const statement_ask_t *ask, const char **error)
{
    uint64_t           first;
    const char        *refusal;
    reservation_row_t  row;

    memset(reply, 0, sizeof(reservation_t));

    row.result = result;
    row.n = n;

    refusal = reservation_text(&row, COLUMN_REFUSAL);

    while (strcmp(refusal, reservation_refusals[reply->outcome]) != 0) {
        reply->outcome++;

        if (reservation_refusals[reply->outcome] == NULL) {
            *error = "its refusal is unknown";
            return -1;
        }
    }

    /* both are for the log; the memory is the result's */

    line_flatten(PQgetvalue(result, n, COLUMN_DETAIL));
    line_flatten(PQgetvalue(result, n, COLUMN_FAILOVER));

    reply->detail = reservation_text(&row, COLUMN_DETAIL);
    reply->failover = reservation_text(&row, COLUMN_FAILOVER);
    reply->synchronous_commit = reservation_text(&row,
                                                 COLUMN_SYNCHRONOUS_COMMIT);
    reply->fsync = reservation_text(&row, COLUMN_FSYNC);

    if (reservation_number(&row, COLUMN_FIRST, &first) != 0
        || first != ask->first
        || strcmp(reservation_text(&row, COLUMN_POOL), pool) != 0)
    {
        *error = "it is about another range";
        return -1;
    }

    switch (reply->outcome) {

    case RESERVATION_STANDBY:
    case RESERVATION_VOLATILE:
    case RESERVATION_MISSING:
    case RESERVATION_BUSY:
        return 0;

    default:
        return reservation_parse_row(reply, &row, ask, error);
    }
}


int
reservation_stale(const reservation_t *reply)
{
    return reply->outcome == RESERVATION_STALE
           || (reply->outcome == RESERVATION_FENCED
               && strncmp(reply->detail, RESERVATION_LATER_LIFE,
                          sizeof(RESERVATION_LATER_LIFE) - 1)
                  == 0);
}


int
reservation_durable(const reservation_t *reply)
{
    return strcmp(reply->fsync, "on") == 0
           && (strcmp(reply->synchronous_commit, "on") == 0
               || strcmp(reply->synchronous_commit, "remote_apply") == 0);
}


void
reservation_wipe(PGresult *result)
{
    int  i;

    if (PQnfields(result) != COLUMNS) {
        return;
    }

    for (i = 0; i < PQntuples(result); i++) {
        OPENSSL_cleanse(PQgetvalue(result, i, COLUMN_KEY),
                        (size_t) PQgetlength(result, i, COLUMN_KEY));
    }
}


static int
reservation_parse_row(reservation_t *reply, reservation_row_t *row,
    const statement_ask_t *ask, const char **error)
{
    if (reservation_parse_range(reply, row, ask, error) != 0) {
        return -1;
    }

    if (reservation_intervals(reply, row, ask->places) != 0) {
        *error = "its intervals cannot be read";
        return -1;
    }

    return reservation_check(reply, ask, error);
}


static int
reservation_parse_range(reservation_t *reply, reservation_row_t *row,
    const statement_ask_t *ask, const char **error)
{
    memory_t  *m;
    uint64_t   algorithm;

    m = &reply->memory;

    if (reservation_number(row, COLUMN_LAST, &reply->last) != 0
        || reservation_number(row, COLUMN_ALGORITHM, &algorithm) != 0
        || reservation_number(row, COLUMN_RESERVED, &m->reserved) != 0
        || reservation_number(row, COLUMN_RETURNED, &reply->remaining) != 0
        || reservation_number(row, COLUMN_SERIAL, &m->serial) != 0
        || reservation_number(row, COLUMN_EPOCH, &m->epoch) != 0
        || m->epoch == 0
        || reservation_number(row, COLUMN_TIMELINE, &m->timeline) != 0
        || reservation_copy(m->digest, MEMORY_DIGEST_LEN, row, COLUMN_DIGEST)
           != 0
        || reservation_copy(m->incarnation, MEMORY_UUID_LEN, row,
                            COLUMN_INCARNATION)
           != 0)
    {
        *error = "it has a column that cannot be read";
        return -1;
    }

    /* a fence stays one, whatever the range has become */

    if (reservation_refused(reply->outcome)) {
        return 0;
    }

    if (algorithm != RESERVATION_ALGORITHM
        && algorithm != RESERVATION_ALGORITHM_ADOPTED)
    {
        *error = "its algorithm is unknown to this module";
        return -1;
    }

    if ((algorithm == RESERVATION_ALGORITHM_ADOPTED) != ask->adopted) {
        reply->outcome = RESERVATION_DOMAIN;
        reply->detail = ask->adopted ? RESERVATION_NOT_ADOPTED
                                     : RESERVATION_ADOPTED;
        return 0;
    }

    return reservation_parse_key(reply, reservation_text(row, COLUMN_KEY), ask,
                                 error);
}


static int
reservation_parse_key(reservation_t *reply, const char *key,
    const statement_ask_t *ask, const char **error)
{
    if (key[0] == '\0') {
        return 0;
    }

    if (hex_read(reply->key, RESERVATION_KEY_LEN, key) == 0
        && reservation_check_key(reply, ask) == 0)
    {
        reply->has_key = 1;
        return 0;
    }

    if (ask->adopted) {
        reply->outcome = RESERVATION_DOMAIN;
        reply->detail = "its key is not that of the domain that was fetched";
        return 0;
    }

    *error = "its key cannot be read, or is not that of its digest";

    return -1;
}


static int
reservation_intervals(reservation_t *reply, reservation_row_t *row,
    uint64_t places)
{
    const char              *start, *end;
    reservation_interval_t  *interval;

    start = reservation_text(row, COLUMN_STARTS);
    end = reservation_text(row, COLUMN_STOPS);

    if (strcmp(start, "{}") == 0 && strcmp(end, "{}") == 0) {
        return 0;
    }

    if (*start != '{' || *end != '{') {
        return -1;
    }

    do {
        if (reply->nintervals == RESERVATION_PLACES
            || reply->nintervals == places)
        {
            return -1;
        }

        interval = &reply->intervals[reply->nintervals++];

        if (reservation_element(&start, &interval->start) != 0
            || reservation_element(&end, &interval->end) != 0
            || interval->start >= interval->end
            || interval->end - interval->start > UINT64_MAX - reply->count)
        {
            return -1;
        }

        reply->count += interval->end - interval->start;

    } while (*start == ',' && *end == ',');

    return strcmp(start, "}") == 0 && strcmp(end, "}") == 0 ? 0 : -1;
}


static int
reservation_check(reservation_t *reply, const statement_ask_t *ask,
    const char **error)
{
    uint64_t  size;

    if (reply->outcome != RESERVATION_GRANTED && reply->count) {
        *error = "it both grants and refuses";
        return -1;
    }

    if (reservation_refused(reply->outcome)) {
        return 0;
    }

    size = ask->size;

    if (reply->last != ask->last
        || reply->memory.reserved > size
        || reply->count > ask->want
        || reply->remaining > reply->memory.reserved
        || reservation_check_grant(reply) != 0)
    {
        *error = "it is out of bounds";
        return -1;
    }

    if (ask->with_key && !reply->has_key) {
        *error = "it has no key";
        return -1;
    }

    if (reply->outcome == RESERVATION_GRANTED
        && (reply->count == 0) != (ask->want == 0))
    {
        *error = "it neither grants nor refuses";
        return -1;
    }

    reply->remaining += size - reply->memory.reserved;
    reply->memory.holder_serial = reply->count ? reply->memory.serial : 0;

    return 0;
}


/* what is granted is reserved, and no position comes twice */

static int
reservation_check_grant(const reservation_t *reply)
{
    size_t                         i, j;
    const reservation_interval_t  *a, *b;

    for (i = 0; i < reply->nintervals; i++) {
        a = &reply->intervals[i];

        if (a->end > reply->memory.reserved) {
            return -1;
        }

        for (j = 0; j < i; j++) {
            b = &reply->intervals[j];

            if (a->start < b->end && b->start < a->end) {
                return -1;
            }
        }
    }

    return 0;
}


/* "" for NULL, and what is no word of anything for a text with a zero inside */

static const char *
reservation_text(const reservation_row_t *row, int column)
{
    int          len;
    const char  *text;

    text = PQgetvalue(row->result, row->n, column);
    len = PQgetlength(row->result, row->n, column);

    return strlen(text) == (size_t) len ? text : "?";
}


static int
reservation_number(const reservation_row_t *row, int column,
    uint64_t *number)
{
    return number_parse(PQgetvalue(row->result, row->n, column),
                        (size_t) PQgetlength(row->result, row->n, column),
                        number);
}


/* past '{' or ',', and a number */

static int
reservation_element(const char **p, uint64_t *number)
{
    size_t  len;

    if (**p != '{' && **p != ',') {
        return -1;
    }

    (*p)++;

    len = strspn(*p, "0123456789");

    if (number_parse(*p, len, number) != 0) {
        return -1;
    }

    *p += len;

    return 0;
}


/* of a digest or a UUID, as PostgreSQL prints them */

static int
reservation_copy(char *to, size_t len, const reservation_row_t *row,
    int column)
{
    const char  *text;

    text = reservation_text(row, column);

    if (strlen(text) != len || strspn(text, "0123456789abcdef-") != len) {
        return -1;
    }

    memcpy(to, text, len + 1);

    return 0;
}


/* I6: whoever has the digest has the key, and the domain */

static int
reservation_check_key(const reservation_t *reply, const statement_ask_t *ask)
{
    int       rc;
    size_t    n;
    unsigned  len;
    uint8_t   text[RESERVATION_KEY_LEN + STATEMENT_SHA256_LEN];
    uint8_t   expected[MEMORY_DIGEST_LEN / 2], digest[EVP_MAX_MD_SIZE];

    if (hex_read(expected, sizeof(expected), reply->memory.digest) != 0) {
        return -1;
    }

    n = RESERVATION_KEY_LEN;
    memcpy(text, reply->key, n);

    if (ask->adopted) {
        memcpy(&text[n], ask->domain, STATEMENT_SHA256_LEN);
        n += STATEMENT_SHA256_LEN;
    }

    rc = EVP_Digest(text, n, digest, &len, EVP_sha256(), NULL);

    OPENSSL_cleanse(text, sizeof(text));

    return (rc == 1 && memcmp(digest, expected, sizeof(expected)) == 0)
           ? 0 : -1;
}
