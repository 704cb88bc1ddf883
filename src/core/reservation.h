
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The reply to a reservation, with a row for each range that was asked for.
 * Plain C and libpq, no input or output.
 */


#ifndef _RESERVATION_H_INCLUDED_
#define _RESERVATION_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <libpq-fe.h>

#include "core/memory.h"
#include "core/statement.h"


/* nginx loads modules with RTLD_GLOBAL: these names are ours alone */
#pragma GCC visibility push(hidden)


#define RESERVATION_KEY_LEN  32

/* from a position to a number: by FF1, and with a domain by its select, too */
#define RESERVATION_ALGORITHM          1
#define RESERVATION_ALGORITHM_ADOPTED  2

/* most intervals that a grant consists of */
#define RESERVATION_PLACES   32


typedef struct {
    uint64_t               start;
    uint64_t               end;
} reservation_interval_t;


typedef enum {
    RESERVATION_GRANTED = 0,        /* or, if want is 0, nothing against it */
    RESERVATION_STANDBY,
    RESERVATION_VOLATILE,
    RESERVATION_MISSING,
    RESERVATION_MISMATCH,
    RESERVATION_STALE,
    RESERVATION_FENCED,
    RESERVATION_EXHAUSTED,
    RESERVATION_BUSY,               /* locked, and others were asked for */
    RESERVATION_DEFERRED,           /* in order, but for what it waits for */
    RESERVATION_DOMAIN              /* it has one, or has none, or another one
                                       than it was asked for with */
} reservation_outcome_e;


/* how the reason begins why a copy is stale, in its row as well */
#define RESERVATION_LATER_LIFE  "a later life of the range has been seen"

/* why it is fenced for who remembers another key, and for no one else */
#define RESERVATION_KEY         "the key has changed"

/* how the reason begins why a range is not granted from any more */
#define RESERVATION_CLOSED      "closed:"

/* what comes before whose word it was that fenced a row */
#define RESERVATION_SAID        ", says nginx "

/* what is wrong with the configuration of a range, RESERVATION_DOMAIN */
#define RESERVATION_ADOPTED                                                   \
    "it was adopted, configure it with \"adopted=\""
#define RESERVATION_NOT_ADOPTED                                               \
    "it was not adopted, configure it with \"range=\""

/* of a range that only its table can make, RESERVATION_MISSING */
#define RESERVATION_UNADOPTED   "it has to be adopted first"

/*
 * Why a range is fenced that has no row any more, or one with other bounds.  If
 * more is known, the detail has it.
 */
#define RESERVATION_GONE        "the range is not what it was"


/*
 * "memory" is that of the row; its holder_serial is 0 if nothing was granted.
 * Strings belong to the PGresult.
 */

typedef struct {
    reservation_outcome_e    outcome;
    const char              *detail;
    const char              *began;           /* zone/reply.c: how this life
                                                 began, if that is news */
    uint64_t                 last;
    uint64_t                 count;           /* granted, in all intervals */
    reservation_interval_t   intervals[RESERVATION_PLACES];
    size_t                   nintervals;
    uint64_t                 remaining;       /* to reserve, with returned */
    memory_t                 memory;
    uint8_t                  key[RESERVATION_KEY_LEN];
    unsigned                 has_key:1;
    unsigned                 no_schema:1;     /* an error, instead of a row */
    unsigned                 gone:1;          /* zone/reply.c: what is missing
                                                 was there */
    const char              *synchronous_commit;
    const char              *fsync;
    const char              *failover;
} reservation_t;


/* whether the result has a row for each of n asks, in their order */
int reservation_answers(const PGresult *result, size_t n);

/*
 * Reads the row that answers "ask".  Returns -1 and a static text in *error if
 * it is not a whole and plausible one: what it may have granted is burned.
 */
int reservation_parse(reservation_t *reply, const PGresult *result, int row,
    const char *pool, const statement_ask_t *ask, const char **error);

/* whether it is of a copy that was left behind: another host may be right */
int reservation_stale(const reservation_t *reply);

/* whether the commit that was acknowledged with this reply is durable (I2) */
int reservation_durable(const reservation_t *reply);

/* overwrites the keys in the result, which PQclear() would only free */
void reservation_wipe(PGresult *result);


#pragma GCC visibility pop


#endif /* _RESERVATION_H_INCLUDED_ */
