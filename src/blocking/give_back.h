
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Gives the leases of a range back to its database, by calls that block.  Plain
 * C and libpq, made for a thread.
 */


#ifndef _GIVE_BACK_H_INCLUDED_
#define _GIVE_BACK_H_INCLUDED_


#include "blocking/attempt.h"
#include "core/line.h"
#include "core/statement.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


typedef enum {
    GIVE_BACK_PENDING = 0,
    GIVE_BACK_TAKEN,
    GIVE_BACK_REFUSED
} give_back_state_e;


/*
 * The parameters are the caller's, and not changed.  While the thread is at it,
 * others read the state by give_back_state(), and once that is REFUSED, the
 * reason.
 */

typedef struct {
    const char         *values[STATEMENT_GIVE_BACK_NPARAMS];
    char                reason[LINE_LEN];
    give_back_state_e   state;
} give_back_t;


/*
 * On the connection of the attempt, which is made if there is none.  Never
 * tried twice on a host that may have taken it.  -1: there is no connection
 * any more, and the error of the attempt says why.
 */
int give_back(attempt_t *attempt, give_back_t *back);

/* taken, if there is no reason why it was not */
void give_back_end(give_back_t *back, const char *reason);

give_back_state_e give_back_state(const give_back_t *back);


#pragma GCC visibility pop


#endif /* _GIVE_BACK_H_INCLUDED_ */
