
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The reservation as it goes over the wire: the parameters of the statement
 * and the row that answers it.  Plain C and libpq, no input or output.
 */


#ifndef _RESERVATION_H_INCLUDED_
#define _RESERVATION_H_INCLUDED_


#include <stdint.h>
#include <libpq-fe.h>


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define RESERVATION_KEY_LEN     32
#define RESERVATION_UUID_LEN    36
#define RESERVATION_DIGEST_LEN  64
#define RESERVATION_NPARAMS     14


extern const char  *reservation_statement;

/*
 * Gives leases back.  Its parameters are those of a reservation up to the last
 * two, which are arrays: where the intervals start and where they stop.
 * Answers with NULL, or with the reason why they are not taken back.
 */
extern const char  *reservation_return_statement;

#define RESERVATION_STARTS      12
#define RESERVATION_STOPS       13


/* what an nginx remembers of a range (I8); epoch 0: nothing yet */

typedef struct {
    uint64_t            epoch;
    uint64_t            serial;
    uint64_t            reserved;
    uint64_t            timeline;
    uint64_t            holder_serial;      /* last one granted to us */
    char                incarnation[RESERVATION_UUID_LEN + 1];
    char                digest[RESERVATION_DIGEST_LEN + 1];
} reservation_memory_t;


typedef struct {
    const char            *pool;
    const char            *holder;
    uint64_t               first;
    uint64_t               last;
    uint64_t               want;            /* 0: look, change nothing */
    uint64_t               lock_wait;       /* milliseconds */
    reservation_memory_t   memory;          /* as it was when asking */
    unsigned               with_key:1;
} reservation_ask_t;


/* the text of the parameters, which "values" point into */

typedef struct {
    const char            *values[RESERVATION_NPARAMS];
    char                   numbers[RESERVATION_NPARAMS][24];
    reservation_ask_t      ask;
} reservation_params_t;


typedef enum {
    RESERVATION_GRANTED = 0,        /* or, if want is 0, nothing against it */
    RESERVATION_STANDBY,
    RESERVATION_VOLATILE,
    RESERVATION_MISSING,
    RESERVATION_MISMATCH,
    RESERVATION_STALE,
    RESERVATION_FENCED,
    RESERVATION_EXHAUSTED
} reservation_outcome_e;


/* why a copy is stale, as the row remembers it for others, too */
#define RESERVATION_LATER_LIFE  "a later life of the range has been seen"

/* why a range is fenced that has no row any more, or one with other bounds */
#define RESERVATION_GONE        "the range is not what it was"


/*
 * "memory" is that of the row; its holder_serial is 0 if nothing was granted.
 * "seen" is for whoever takes the reply in.  Strings belong to the PGresult.
 */

typedef struct {
    reservation_outcome_e  outcome;
    const char            *detail;
    uint64_t               last;
    uint64_t               start;
    uint64_t               count;
    uint64_t               remaining;       /* to reserve, with the returned */
    uint64_t               seen;            /* reserved, at most, by anyone */
    reservation_memory_t   memory;
    uint8_t                key[RESERVATION_KEY_LEN];
    unsigned               has_key:1;
    const char            *synchronous_commit;
    const char            *fsync;
    const char            *failover;
} reservation_t;


void reservation_params(reservation_params_t *params,
    const reservation_ask_t *ask);

/*
 * Reads the reply to "ask".  Returns -1 and a static text in *error if it is
 * not a whole and plausible one: what it may have granted is burned.
 */
int reservation_parse(reservation_t *reply, const PGresult *result,
    const reservation_ask_t *ask, const char **error);

/* whether the commit that was acknowledged with this reply is durable (I2) */
int reservation_durable(const reservation_t *reply);

/* overwrites the key in the result, which PQclear() would only free */
void reservation_wipe(reservation_t *reply, PGresult *result);


#pragma GCC visibility pop


#endif /* _RESERVATION_H_INCLUDED_ */
