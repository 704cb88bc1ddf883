
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Of each thing that is said of the ranges, a reservation has an array: so the
 * statement is the same for any number of them.
 */


#include <inttypes.h>
#include <stdio.h>

#include "core/statement.h"


/* sent unnamed, so that PgBouncer may change servers between transactions */

const char  *statement_reserve =
    "SELECT refusal, detail, pool, first, last, algorithm, digest, key,"
    " starts, stops, reserved, returned, serial, epoch, incarnation,"
    " timeline, failover, current_setting('synchronous_commit'),"
    " current_setting('fsync')"
    " FROM unique_random.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12, $13, $14, $15)";

const char  *statement_domain =
    "SELECT d.size, d.domain, d.bits, d.found, pg_catalog.pg_is_in_recovery()"
    " FROM (VALUES (1)) AS one LEFT JOIN (SELECT true AS found, *"
    " FROM unique_random.domain($1, $2, $3, $4)) AS d ON true";

const char  *statement_give_back =
    "SELECT unique_random.give_back($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12, $13, $14)";


/* what is said of an ask, in the order of the parameters of both statements */

enum {
    FIELD_FIRST = 0,
    FIELD_LAST,
    FIELD_HOLDER_SERIAL,
    FIELD_EPOCH,
    FIELD_INCARNATION,
    FIELD_SERIAL,
    FIELD_RESERVED,
    FIELD_TIMELINE,
    FIELD_DIGEST,
    FIELD_WANT,
    FIELD_WITH_KEY,
    FIELDS
};


static char *statement_field(char *p, const statement_ask_t *ask, int field);


void
statement_reserve_params(const char *values[STATEMENT_RESERVE_NPARAMS],
    char *buf, const statement_caller_t *caller,
    const statement_ask_t *const *asks, size_t n)
{
    int      field;
    char    *p;
    size_t   i;

    p = buf;

    values[0] = caller->pool;
    values[1] = caller->holder;
    values[2] = p;

    p += sprintf(p, "%" PRIu64, caller->lock_wait) + 1;

    values[13] = p;

    p += sprintf(p, "%" PRIu64, caller->places) + 1;

    for (field = 0; field < FIELDS; field++) {

        /* the places come before the last array */

        values[3 + field + (field > FIELD_WANT)] = p;

        *p++ = '{';

        for (i = 0; i < n; i++) {

            if (i) {
                *p++ = ',';
            }

            p = statement_field(p, asks[i], field);
        }

        *p++ = '}';
        *p++ = '\0';
    }
}


void
statement_give_back_params(
    const char *values[STATEMENT_GIVE_BACK_NPARAMS], char *buf,
    const statement_caller_t *caller, const statement_ask_t *ask,
    const char *starts, const char *ends)
{
    int     field;
    char   *p;

    p = buf;
    values[0] = caller->pool;

    for (field = FIELD_FIRST; field <= FIELD_DIGEST; field++) {

        /* the holder comes after first and last */

        values[1 + field + (field > FIELD_LAST)] = p;

        p = statement_field(p, ask, field);
        *p++ = '\0';
    }

    if (ask->memory.incarnation[0] == '\0') {
        values[6] = NULL;
    }

    if (ask->memory.digest[0] == '\0') {
        values[10] = NULL;
    }

    values[3] = caller->holder;
    values[11] = p;

    sprintf(p, "%" PRIu64, caller->lock_wait);

    values[12] = starts;
    values[13] = ends;
}


static char *
statement_field(char *p, const statement_ask_t *ask, int field)
{
    const char      *text;
    const memory_t  *m;

    m = &ask->memory;

    const uint64_t  numbers[FIELDS] = {
        [FIELD_FIRST] = ask->first,
        [FIELD_LAST] = ask->last,
        [FIELD_HOLDER_SERIAL] = m->holder_serial,
        [FIELD_EPOCH] = m->epoch,
        [FIELD_SERIAL] = m->serial,
        [FIELD_RESERVED] = m->reserved,
        [FIELD_TIMELINE] = m->timeline,
        [FIELD_WANT] = ask->want
    };

    switch (field) {

    case FIELD_INCARNATION:
        text = m->incarnation;
        break;

    case FIELD_DIGEST:
        text = m->digest;
        break;

    case FIELD_WITH_KEY:
        text = ask->with_key ? "true" : "false";
        break;

    default:
        return p + sprintf(p, "%" PRIu64, numbers[field]);
    }

    return p + sprintf(p, "%s", text[0] ? text : "NULL");
}
