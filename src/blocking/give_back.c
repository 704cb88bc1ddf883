
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A host that says why it takes nothing has the last word, and so has one that
 * is lost, since it may have taken all.  Only a standby is passed over.
 */


#include <string.h>

#include "blocking/give_back.h"


typedef enum {
    GIVE_BACK_DONE = 0,
    GIVE_BACK_LOST,                 /* the connection */
    GIVE_BACK_NEXT                  /* host: this one is a standby */
} give_back_next_e;


static give_back_next_e give_back_once(attempt_t *attempt, give_back_t *back);
static give_back_next_e give_back_reply(attempt_t *attempt, give_back_t *back,
    PGresult *result);


int
give_back(attempt_t *attempt, give_back_t *back)
{
    give_back_next_e  next;

    do {
        next = give_back_once(attempt, back);

        if (next != GIVE_BACK_DONE) {
            attempt_drop(attempt);
        }

    } while (next == GIVE_BACK_NEXT);

    return (next == GIVE_BACK_DONE) ? 0 : -1;
}


void
give_back_end(give_back_t *back, const char *reason)
{
    give_back_state_e  state;

    state = GIVE_BACK_TAKEN;

    if (reason) {
        line_print(back->reason, LINE_LEN, reason);
        state = GIVE_BACK_REFUSED;
    }

    /* the worker may have given up, but may read it yet */

    __atomic_store_n(&back->state, state, __ATOMIC_RELEASE);
}


give_back_state_e
give_back_state(const give_back_t *back)
{
    return __atomic_load_n(&back->state, __ATOMIC_ACQUIRE);
}


static give_back_next_e
give_back_once(attempt_t *attempt, give_back_t *back)
{
    PGresult          *result;
    give_back_next_e   next;

    if (attempt->conn == NULL) {
        attempt_run(attempt);
    }

    if (attempt->conn == NULL) {
        give_back_end(back, attempt->error);
        return GIVE_BACK_LOST;
    }

    result = PQexecParams(attempt->conn, statement_give_back,
                          STATEMENT_GIVE_BACK_NPARAMS, NULL, back->values,
                          NULL, NULL, 0);

    next = give_back_reply(attempt, back, result);

    PQclear(result);

    return next;
}


static give_back_next_e
give_back_reply(attempt_t *attempt, give_back_t *back, PGresult *result)
{
    const char  *reason;

    if (PQstatus(attempt->conn) == CONNECTION_BAD) {
        attempt_fail(attempt, PQerrorMessage(attempt->conn));
        give_back_end(back, attempt->error);
        return GIVE_BACK_LOST;
    }

    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        reason = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        give_back_end(back, reason ? reason : "invalid reply");
        return GIVE_BACK_DONE;
    }

    reason = PQgetisnull(result, 0, 0) ? NULL : PQgetvalue(result, 0, 0);

    if (reason && strcmp(reason, "standby") == 0) {
        attempt_fail(attempt, "it does not accept writes");
        return GIVE_BACK_NEXT;
    }

    give_back_end(back, reason);

    return GIVE_BACK_DONE;
}
