
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Writes the parameters of a reservation and reads its reply.  A reply is
 * believed only if it echoes what was asked and stays within its bounds.
 */


#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <openssl/crypto.h>

#include "number.h"
#include "reservation.h"


/* sent unnamed, so that PgBouncer may change servers between transactions */

const char  *reservation_statement =
    "SELECT refusal, detail, pool, first, last, algorithm, digest, key,"
    " start, count, reserved, returned, serial, epoch, incarnation, timeline,"
    " failover, current_setting('synchronous_commit'),"
    " current_setting('fsync')"
    " FROM unique_random.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12, $13, $14)";

const char  *reservation_return_statement =
    "SELECT unique_random.give_back($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12, $13, $14)";


enum {
    COLUMN_REFUSAL = 0,
    COLUMN_DETAIL,
    COLUMN_POOL,
    COLUMN_FIRST,
    COLUMN_LAST,
    COLUMN_ALGORITHM,
    COLUMN_DIGEST,
    COLUMN_KEY,
    COLUMN_START,
    COLUMN_COUNT,
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


static const char  *reservation_refusals[] = {
    "", "standby", "volatile", "missing", "mismatch", "stale", "fenced",
    "exhausted", NULL
};


static int reservation_parse_row(reservation_t *reply, const PGresult *result,
    const reservation_ask_t *ask, uint64_t *reserved, const char **error);
static int reservation_check(reservation_t *reply, uint64_t reserved,
    const reservation_ask_t *ask, const char **error);
static const char *reservation_text(const PGresult *result, int column);
static int reservation_number(const PGresult *result, int column,
    uint64_t *number);
static int reservation_copy(char *to, size_t len, const PGresult *result,
    int column);
static int reservation_hex(uint8_t *to, size_t len, const char *hex);


void
reservation_params(reservation_params_t *params, const reservation_ask_t *ask)
{
    size_t                       i;
    const reservation_memory_t  *m;

    params->ask = *ask;
    m = &params->ask.memory;

    const struct {
        const char  *text;
        uint64_t     number;
    } list[RESERVATION_NPARAMS] = {
        { ask->pool, 0 },
        { NULL, ask->first },
        { NULL, ask->last },
        { ask->holder, 0 },
        { NULL, m->holder_serial },
        { NULL, m->epoch },
        { m->incarnation, 0 },
        { NULL, m->serial },
        { NULL, m->reserved },
        { NULL, m->timeline },
        { m->digest, 0 },
        { NULL, ask->lock_wait },
        { NULL, ask->want },
        { ask->with_key ? "true" : "false", 0 }
    };

    for (i = 0; i < RESERVATION_NPARAMS; i++) {

        if (list[i].text == NULL) {
            snprintf(params->numbers[i], sizeof(params->numbers[i]),
                     "%" PRIu64, list[i].number);
            params->values[i] = params->numbers[i];
            continue;
        }

        params->values[i] = list[i].text[0] ? list[i].text : NULL;
    }
}


int
reservation_parse(reservation_t *reply, const PGresult *result,
    const reservation_ask_t *ask, const char **error)
{
    uint64_t     reserved;
    const char  *refusal;

    memset(reply, 0, sizeof(reservation_t));

    if (PQntuples(result) != 1 || PQnfields(result) != COLUMNS) {
        *error = "it is not one row of the columns that were asked for";
        return -1;
    }

    refusal = reservation_text(result, COLUMN_REFUSAL);

    while (strcmp(refusal, reservation_refusals[reply->outcome]) != 0) {
        reply->outcome++;

        if (reservation_refusals[reply->outcome] == NULL) {
            *error = "its refusal is unknown";
            return -1;
        }
    }

    reply->detail = reservation_text(result, COLUMN_DETAIL);
    reply->failover = reservation_text(result, COLUMN_FAILOVER);
    reply->synchronous_commit = reservation_text(result,
                                                 COLUMN_SYNCHRONOUS_COMMIT);
    reply->fsync = reservation_text(result, COLUMN_FSYNC);

    if (reply->outcome == RESERVATION_STANDBY
        || reply->outcome == RESERVATION_VOLATILE
        || reply->outcome == RESERVATION_MISSING)
    {
        return 0;
    }

    if (reservation_parse_row(reply, result, ask, &reserved, error) != 0) {
        return -1;
    }

    return reservation_check(reply, reserved, ask, error);
}


int
reservation_durable(const reservation_t *reply)
{
    return strcmp(reply->fsync, "on") == 0
           && (strcmp(reply->synchronous_commit, "on") == 0
               || strcmp(reply->synchronous_commit, "remote_apply") == 0);
}


void
reservation_wipe(reservation_t *reply, PGresult *result)
{
    OPENSSL_cleanse(reply->key, RESERVATION_KEY_LEN);

    if (PQntuples(result) == 1 && PQnfields(result) == COLUMNS) {
        OPENSSL_cleanse(PQgetvalue(result, 0, COLUMN_KEY),
                        (size_t) PQgetlength(result, 0, COLUMN_KEY));
    }
}


static int
reservation_parse_row(reservation_t *reply, const PGresult *result,
    const reservation_ask_t *ask, uint64_t *reserved, const char **error)
{
    uint64_t               first, algorithm, returned;
    const char            *key;
    reservation_memory_t  *m;

    m = &reply->memory;

    if (reservation_number(result, COLUMN_FIRST, &first) != 0
        || reservation_number(result, COLUMN_LAST, &reply->last) != 0
        || reservation_number(result, COLUMN_ALGORITHM, &algorithm) != 0
        || reservation_number(result, COLUMN_START, &reply->start) != 0
        || reservation_number(result, COLUMN_COUNT, &reply->count) != 0
        || reservation_number(result, COLUMN_RESERVED, reserved) != 0
        || reservation_number(result, COLUMN_RETURNED, &returned) != 0
        || reservation_number(result, COLUMN_SERIAL, &m->serial) != 0
        || reservation_number(result, COLUMN_EPOCH, &m->epoch) != 0
        || m->epoch == 0
        || reservation_number(result, COLUMN_TIMELINE, &m->timeline) != 0
        || reservation_copy(m->digest, RESERVATION_DIGEST_LEN, result,
                            COLUMN_DIGEST)
           != 0
        || reservation_copy(m->incarnation, RESERVATION_UUID_LEN, result,
                            COLUMN_INCARNATION)
           != 0)
    {
        *error = "it has a column that cannot be read";
        return -1;
    }

    if (first != ask->first
        || strcmp(reservation_text(result, COLUMN_POOL), ask->pool) != 0)
    {
        *error = "it is about another range";
        return -1;
    }

    if (algorithm != 1) {
        *error = "its algorithm is unknown to this module";
        return -1;
    }

    key = reservation_text(result, COLUMN_KEY);

    if (key[0]) {
        if (reservation_hex(reply->key, RESERVATION_KEY_LEN, key) != 0) {
            *error = "its key cannot be read";
            return -1;
        }

        reply->has_key = 1;
    }

    m->reserved = *reserved;
    reply->remaining = returned;

    return 0;
}


static int
reservation_check(reservation_t *reply, uint64_t reserved,
    const reservation_ask_t *ask, const char **error)
{
    uint64_t  size;

    if (reply->outcome != RESERVATION_GRANTED && reply->count) {
        *error = "it both grants and refuses";
        return -1;
    }

    if (reply->outcome == RESERVATION_MISMATCH) {
        return 0;
    }

    size = ask->last - ask->first + 1;

    if (reply->last != ask->last
        || reserved > size
        || reply->count > ask->want
        || reply->start > reserved
        || reply->count > reserved - reply->start
        || reply->remaining > reserved)
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

    reply->remaining += size - reserved;
    reply->memory.holder_serial = reply->count ? reply->memory.serial : 0;

    return 0;
}


/* "" for NULL, and for what has a zero inside */

static const char *
reservation_text(const PGresult *result, int column)
{
    const char  *text;

    text = PQgetvalue(result, 0, column);

    return strlen(text) == (size_t) PQgetlength(result, 0, column) ? text : "";
}


static int
reservation_number(const PGresult *result, int column, uint64_t *number)
{
    return number_parse(PQgetvalue(result, 0, column),
                        (size_t) PQgetlength(result, 0, column), number);
}


/* of a digest or a UUID, as PostgreSQL prints them */

static int
reservation_copy(char *to, size_t len, const PGresult *result, int column)
{
    const char  *text;

    text = reservation_text(result, column);

    if (strlen(text) != len || strspn(text, "0123456789abcdef-") != len) {
        return -1;
    }

    memcpy(to, text, len + 1);

    return 0;
}


static int
reservation_hex(uint8_t *to, size_t len, const char *hex)
{
    size_t       i;
    const char  *high, *low;

    static const char  digits[] = "0123456789abcdef";

    if (strlen(hex) != 2 * len) {
        return -1;
    }

    for (i = 0; i < len; i++) {
        high = strchr(digits, hex[2 * i]);
        low = strchr(digits, hex[2 * i + 1]);

        if (high == NULL || low == NULL) {
            return -1;
        }

        to[i] = (uint8_t) ((high - digits) << 4 | (low - digits));
    }

    return 0;
}
