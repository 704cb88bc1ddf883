/*
 * One range and all who deal with it: what the models in this folder share.
 *
 * Modelled are the range's row with what goes with it (holders, returned), on
 * up to two servers; zones, each the shared memory of one nginx, with leases
 * and with what is remembered of the row; and, as steps that anything may come
 * between, the ask, the reservation in the database, the reply, and the draw.
 * Several asks of a zone may be in flight, those of its workers, so replies
 * may be late, out of order or lost; database.pml and zone.pml have the two
 * sides.  What else happens to databases and instances is the environment of
 * each model: grants, rewind, tails, caller, memory.  Two models stand alone:
 * returned, of intervals, and word, of a lease's next position.
 *
 * Left out, and why the proof still means something: numbers, since the
 * permutation is a bijection that unit tests hold against vectors, so that a
 * number is (key, position); time, since whatever waits for a time-out may
 * here happen at any moment; the size of leases and the order within them,
 * since leases are sets and any member may be drawn; more than a few
 * positions, grants and accidents, since each mistake that is known needs no
 * more; what workers have under way, since it decides when a range is asked
 * and what a client that gets no number is told, and here anybody may ask at
 * any time.  An instance that starves, or asks for nothing for ever, repeats
 * nothing, so there is no fairness here, either.
 *
 * Each fence can be taken out by a macro, NO_ROW_LOCK for instance: model.t
 * shows that spin then finds a number that is issued twice, or an alarm that is
 * false.  A few more say what the claim is (STRICT, UNSEEN, FROZEN, CARELESS,
 * FEW_SINCE, CHECK_...).
 *
 * Names are those of docs/internals.md.
 */


#ifndef SIZE
#define SIZE      4                     /* positions; at most 8 */
#endif

#ifndef WANT
#define WANT      1                     /* positions asked for at a time */
#endif

#ifndef EVENTS
#define EVENTS    6                     /* grants and accepts; at most 8 */
#endif

#ifndef SERVERS
#define SERVERS   1
#endif

#define ZONES     2
#define NOWHERE   SERVERS

#define KEY       1                     /* 0 is no key */

#define BIT(n)    (1 << (n))
#define UP_TO(n)  (BIT(n) - 1)          /* the set { 0 .. n - 1 } */


mtype = { GRANTED, EXHAUSTED, STALE, FENCED, MISSING, LOST };


/* what a zone remembers of a range: reservation_memory_t; epoch 0: nothing */

typedef memory_t {
    byte  key;
    byte  epoch;
    byte  incarnation;
    byte  serial;
    byte  reserved;
    byte  timeline;
    byte  holder_serial;

    byte  seen;                         /* ghost: history of the copies seen */
    byte  mine;                         /* ghost: grants to this holder */
};


/* unique_random.ranges, with its part of holders and of returned */

typedef row_t {
    byte  key;
    byte  reserved;
    byte  serial;
    byte  epoch;
    byte  incarnation;
    byte  timeline;                     /* fingerprint of the last writer */
    bit   written_here;                 /* writer = xmin, and the OIDs */
    bit   fenced;
    byte  returned;                     /* a set of positions */
    byte  holders[ZONES];               /* serials; 0: not there */
    byte  pruned;                       /* the highest that was removed */
#ifdef ADVANCE
    byte  began_at;                     /* claimed before this life */
#endif
#ifdef LIVES
    byte  record[ZONES * LIVES];        /* what each was granted: positions */
#endif

    byte  history;                      /* ghost: what led to this copy */
};


typedef server_t {
    bit    up;                          /* reachable, and accepts writes */
    bit    exists;                      /* the range has a row */
    byte   timeline;                    /* the fingerprint as it is now */
    row_t  row;

    bit    found_out;                   /* ghost: asked by one who knows more */
};


typedef zone_t {
    memory_t  memory;
    byte      leased;                   /* a set of positions */
    bit       fenced;                   /* latched: no draws, only looks */
    byte      life;                     /* of the zone: its random id */
};


/* the holder that a zone is in one of its lives */

#define name(z, life)  ((z) * LIVES + (life))


server_t  db[SERVERS];
zone_t    zone[ZONES];

/*
 * Ghosts: what an observer knows who sees everything.  Each grant and each
 * accept() is an event with a number of its own; the history of a copy is the
 * set of those it has gone through.  Copied with the row and never read by the
 * protocol, it tells which copy has forgotten what.
 */

byte      issued;                       /* positions that clients were given */
byte      issued_key;
byte      granted;                      /* positions reserved by anyone, ever */
byte      events;
byte      asking[ZONES];                /* asks in flight */
byte      epochs = 1;                   /* the clock */
byte      incarnations = 1;

byte      at;                           /* a mark: at_least => at; an index */


inline copy_memory(to, from)
{
    to.key = from.key;
    to.epoch = from.epoch;
    to.incarnation = from.incarnation;
    to.serial = from.serial;
    to.reserved = from.reserved;
    to.timeline = from.timeline;
    to.holder_serial = from.holder_serial;
    to.seen = from.seen;
    to.mine = from.mine
}


inline forget(what)
{
    what.key = 0;
    what.epoch = 0;
    what.incarnation = 0;
    what.serial = 0;
    what.reserved = 0;
    what.timeline = 0;
    what.holder_serial = 0;
    what.seen = 0;
    what.mine = 0
}


#include "database.pml"
#include "zone.pml"
