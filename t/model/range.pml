/*
 * One range and all who deal with it: what the models in this folder share.
 *
 * Modelled are the range's row with what goes with it (holders, returned), on
 * up to two servers; zones, each the shared memory of one nginx, with leases
 * and with what is remembered of the row; and, as steps that anything may come
 * between, the ask, the reservation in the database, the reply, and the draw.
 * Several asks of a zone may be in flight, those of its workers, so replies
 * may be late, out of order or lost.  What else happens to databases and
 * instances is the environment of each model.
 *
 * Left out, and why the proof still means something: numbers, since the
 * permutation is a bijection that unit tests hold against vectors, so that a
 * number is (key, position); time, since whatever waits for a time-out may
 * here happen at any moment; the size of leases and the order within them,
 * since leases are sets and any member may be drawn; slots that are given to
 * another range, since replies of another slot are dropped; more than a few
 * positions, grants and accidents, since each mistake that is known needs no
 * more.  An instance that starves, or asks for nothing for ever, repeats
 * nothing, so there is no fairness here, either.
 *
 * Each fence can be taken out by a macro, NO_ROW_LOCK for instance: model.t
 * shows that spin then finds a number that is issued twice, or an alarm that is
 * false.  A few more say what the claim is (STRICT, UNSEEN, FROZEN, CARELESS,
 * CHECK_...).
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


#define forgot(s, what)  ((what) & ~db[s].row.history)

/* the one true copy: it has gone through everything, and says so */

#define honest(s)                                                             \
    (!forgot(s, UP_TO(events)) && db[s].row.key == KEY                        \
     && db[s].row.written_here && db[s].row.timeline == db[s].timeline)

/* a copy that has missed something, which its fingerprint does not give away */

#define silent(s)                                                             \
    ((forgot(s, UP_TO(events)) || db[s].row.key != KEY)                       \
     && db[s].row.written_here && db[s].row.timeline == db[s].timeline)

/*
 * What is claimed: a guard on the environment.  Of a copy that has silently
 * missed something, nobody can know who has not seen more.  So the first who
 * asks it must have; from then on anybody may ask.
 *
 * The code keeps that only if the first one finds the same life of the range
 * or a later one: a refusal as stale fences nothing.  STRICT is the claim as
 * I8 has it.
 */

#if defined(UNSEEN)
#define claimed(s)  true
#elif defined(FROZEN)
#define claimed(s)                                                            \
    (!silent(s) || db[s].found_out || forgot(s, then.seen))
#else
#define claimed(s)                                                            \
    ((want == 0 && then.epoch)                                                \
     || !silent(s) || db[s].found_out || forgot(s, then.seen))
#endif

#ifdef STRICT
#define finds_out  (outcome != MISSING)
#else
#define finds_out  (outcome == FENCED)
#endif


/* The fences: I7, then I8.  "then" is the memory when it was asked. */

#ifdef NO_KEY
#define another_key(row)  false
#else
#define another_key(row)  (then.epoch && row.key != then.key)
#endif

#ifdef NO_EPOCH
#define earlier_life(row, memory)  false
#else
#define earlier_life(row, memory)                                             \
    (row.epoch < memory.epoch                                                 \
     || (row.epoch == memory.epoch                                            \
         && row.incarnation != memory.incarnation))
#endif

#ifdef NO_TIMELINE
#define another_timeline(s)  false
#else
#define another_timeline(s)  (db[s].row.timeline != db[s].timeline)
#endif

#ifdef NO_WRITER
#define another_writer(s)  false
#else
#define another_writer(s)  (!db[s].row.written_here)
#endif

#ifdef NO_RESERVED
#define fewer_reserved(row)  false
#else
#define fewer_reserved(row)  (row.reserved < then.reserved)
#endif

#ifdef NO_MEMORY_CHECK
#define gone_back(row, now)  false
#else
#define gone_back(row, now)                                                   \
    (row.serial < then.serial || (now) < then.timeline)
#endif

#ifdef NO_HOLDERS
#define grant_forgotten(row, z)  false
#else
#define grant_forgotten(row, z)                                               \
    (then.holder_serial                                                       \
     && (life != zone[z].life || row.holders[z] < then.holder_serial))
#endif

/* unique_random.suspicion(); objection() is this and the two above it */

#define suspicion(s, z)                                                       \
    (db[s].row.fenced || another_timeline(s) || another_writer(s)             \
     || fewer_reserved(db[s].row)                                             \
     || (db[s].row.epoch <= then.epoch                                        \
         && (gone_back(db[s].row, db[s].timeline)                             \
             || grant_forgotten(db[s].row, z))))


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


inline copy_row(to, from)
{
    to.key = from.key;
    to.reserved = from.reserved;
    to.serial = from.serial;
    to.epoch = from.epoch;
    to.incarnation = from.incarnation;
    to.timeline = from.timeline;
    to.written_here = from.written_here;
    to.fenced = from.fenced;
    to.returned = from.returned;
    to.holders[0] = from.holders[0];
    to.holders[1] = from.holders[1];
    to.history = from.history
}


/* unique_random.add(), and what bootstrap does */

inline new_row(s, of_key, from, of_epoch)
{
    db[s].exists = 1;
    db[s].found_out = 0;
    db[s].row.key = of_key;
    db[s].row.reserved = from;
    db[s].row.serial = 0;
    db[s].row.epoch = of_epoch;
    db[s].row.incarnation = incarnations;
    incarnations++;
    db[s].row.timeline = db[s].timeline;
    db[s].row.written_here = 1;
    db[s].row.fenced = 0;
    db[s].row.returned = 0;
    db[s].row.holders[0] = 0;
    db[s].row.holders[1] = 0
}


/*
 * unique_random.reserve(), one transaction under the row's lock.  The reply
 * is "outcome", "mask", "old" (was it reserved before), and "row".
 */

#define ROW  db[s].row

#ifndef STALE_FENCES_NOT
#define wrong_life  (outcome == STALE)
#else
#define wrong_life  false
#endif

#ifdef LOOKS_CHANGE_NOTHING
#define sets_fence  (want && (outcome == FENCED || wrong_life))
#else
#define sets_fence  (outcome == FENCED || wrong_life)
#endif

inline reserve(s, z)
{
    mask = 0;

    if
    :: !db[s].exists ->
        outcome = MISSING
    :: db[s].exists && another_key(ROW) ->
        outcome = FENCED
    :: db[s].exists && !another_key(ROW) ->
        if
        :: earlier_life(ROW, then) -> outcome = STALE
        :: !earlier_life(ROW, then) && suspicion(s, z) -> outcome = FENCED
        :: else -> outcome = GRANTED
        fi
    fi;

    /* no false alarm: the true copy is refused to nobody */
#ifdef CHECK_FENCED
    assert(outcome != FENCED || ROW.fenced || !honest(s));
#endif
#ifdef CHECK_STALE
    assert(outcome != STALE || !honest(s));
#endif

    if
    :: finds_out && silent(s) && forgot(s, then.seen) ->
        db[s].found_out = 1
    :: else
    fi;

    if
    :: sets_fence ->
#ifndef NO_FENCE_IN_ROW
        ROW.fenced = 1
#endif
    :: outcome == GRANTED && want ->
        if
        :: ROW.reserved < SIZE ->
            if
            :: ROW.reserved + want <= SIZE -> count = want
            :: else -> count = SIZE - ROW.reserved
            fi;
            mask = UP_TO(count) << ROW.reserved;
            ROW.reserved = ROW.reserved + count
        :: ROW.reserved == SIZE && ROW.returned ->
#ifdef NEVER_RETURNED
            assert(ROW.returned == 0);
#endif
            mask = ROW.returned & ~(ROW.returned - 1);
            count = 1;
            ROW.returned = ROW.returned & ~mask
        :: else ->
            outcome = EXHAUSTED
        fi
    :: else
    fi;

    if
    :: mask ->
        /* I8: a database that has forgotten what it granted to this holder */
        assert(then.epoch != ROW.epoch || life != zone[z].life
               || !forgot(s, then.mine));

#ifdef CONSUMING_KEEPS_SERIAL
        if
        :: mask < BIT(ROW.reserved - count) -> skip
        :: else -> ROW.serial++
        fi;
#else
        ROW.serial++;
#endif
        ROW.timeline = db[s].timeline;
        ROW.written_here = 1;
        ROW.history = ROW.history | BIT(events);
        granted = granted | mask;
        if
        :: life == zone[z].life -> ROW.holders[z] = ROW.serial
        :: else                 /* the name of a zone that is no more */
        fi
    :: else
    fi;

    if
    :: outcome != MISSING ->
        row.key = ROW.key;
        row.epoch = ROW.epoch;
        row.incarnation = ROW.incarnation;
        row.serial = ROW.serial;
        row.reserved = ROW.reserved;
        row.timeline = ROW.timeline;
        row.seen = ROW.history;
        if
        :: mask ->
            row.holder_serial = ROW.serial;
            row.mine = then.mine | BIT(events);
            events++
        :: else ->
            row.holder_serial = then.holder_serial;
            row.mine = then.mine
        fi;
        limit = ROW.reserved - count
    :: else
    fi;

    printf("  server %d to zone %d: %e %x;", s, z, outcome, mask);
    printf(" now reserved %d, serial %d, epoch %d, fenced %d\n",
           ROW.reserved, ROW.serial, ROW.epoch, ROW.fenced);

    count = 0
}


/* a fenced zone only looks, so that it cannot raise the serial it waits for */

#ifdef NO_LATCH
#define latched(z)  false
#else
#define latched(z)  (zone[z].fenced)
#endif

/* ngx_http_unique_random_zone_ask() */

#define ask(z)                                                                \
    copy_memory(then, zone[z].memory);                                        \
    life = zone[z].life;                                                      \
    asking[z]++;                                                              \
    want = (latched(z) -> 0 : WANT);                                          \
    printf("zone %d asks for %d\n", z, want)


/* ngx_http_unique_random_zone_contradiction() */

#ifdef CONSUMING_KEEPS_SERIAL
#define AT_LEAST_ONE  0
#else
#define AT_LEAST_ONE  (mask != 0)
#endif

#ifdef NO_MEMORY_CHECK
#define time_gone_back  false
#else
#define time_gone_back                                                        \
    (row.epoch == then.epoch                                                  \
     && (row.serial < then.serial + AT_LEAST_ONE                              \
         || row.timeline < then.timeline))
#endif

#ifdef NO_KEY
#define key_changed(z)  false
#else
#define key_changed(z)  (row.key != zone[z].memory.key)
#endif

inline contradiction(z)
{
    if
    :: zone[z].memory.epoch && outcome == MISSING ->
        outcome = FENCED
    :: zone[z].memory.epoch && (outcome == GRANTED || outcome == EXHAUSTED) ->
        if
        :: key_changed(z) ->
            outcome = FENCED;
            mask = 0
        :: !key_changed(z) && earlier_life(row, zone[z].memory) ->
            outcome = STALE;
            mask = 0
        :: else ->
            if
            :: fewer_reserved(row) || time_gone_back ->
                outcome = FENCED;
                mask = 0
            :: else
            fi
        fi
    :: else
    fi
}


/* ngx_http_unique_random_zone_remember() */

#define raise(field)                                                          \
    zone[z].memory.field = (row.field > zone[z].memory.field                  \
                            -> row.field : zone[z].memory.field)

inline remember(z)
{
    if
    :: zone[z].memory.epoch == 0 ->
        copy_memory(zone[z].memory, row)
    :: zone[z].memory.epoch && row.epoch > zone[z].memory.epoch ->
#ifndef LEASES_KEPT_AFTER_ACCEPT
        zone[z].leased = 0;
#else
        zone[z].leased = zone[z].leased & UP_TO(limit);
#endif
        row.holder_serial = (mask -> row.holder_serial : 0);
        row.key = zone[z].memory.key;   /* the slot's key stays */
        copy_memory(zone[z].memory, row)
    :: else ->
        raise(serial);
        raise(reserved);
        raise(timeline);
#ifndef LOOKS_RAISE_HOLDER_SERIAL
        zone[z].memory.holder_serial = (mask
            && row.holder_serial > zone[z].memory.holder_serial
            -> row.holder_serial : zone[z].memory.holder_serial);
#else
        raise(holder_serial);
#endif
        zone[z].memory.seen = zone[z].memory.seen | row.seen;
        zone[z].memory.mine = zone[z].memory.mine | row.mine
    fi
}


/* ngx_http_unique_random_zone_reply() */

inline zone_reply(z)
{
    if
    :: life != zone[z].life             /* it asked in an earlier life */
    :: life == zone[z].life && latched(z) && want
                                        /* only a look can lift the fence */
    :: life == zone[z].life && !(latched(z) && want) ->
        new_key = row.key;
        contradiction(z);

        if
        :: outcome == GRANTED || outcome == EXHAUSTED -> remember(z)
        :: else
        fi;

        if
        :: mask ->
            assert(new_key == zone[z].memory.key);              /* I6 */
            assert(!(zone[z].leased & mask));   /* both would be issued */
            zone[z].leased = zone[z].leased | mask
        :: else
        fi;

#ifndef STALE_LIFTS_FENCE
        zone[z].fenced = (outcome == FENCED
                          || (outcome == STALE && zone[z].fenced));
#else
        zone[z].fenced = (outcome == FENCED);
#endif

        printf("    zone %d takes %e; leased %x, fenced %d,", z, outcome,
               zone[z].leased, zone[z].fenced);
        printf(" remembers reserved %d, serial %d, epoch %d, own %d\n",
               zone[z].memory.reserved, zone[z].memory.serial,
               zone[z].memory.epoch, zone[z].memory.holder_serial)
    fi
}


/*
 * ngx_http_unique_random_zone_failed(): a reply that was lost is burned, which
 * takes nothing but to do nothing.  Believing to have been granted what came
 * next would be the mistake.
 */

inline zone_failed(z)
{
#ifdef NO_BURN_ON_LOST_REPLY
    if
    :: then.epoch && want && then.reserved < SIZE && life == zone[z].life ->
        zone[z].leased = zone[z].leased | BIT(then.reserved)
    :: else
    fi;
#endif
    printf("    the reply for zone %d is lost\n", z)
}


/*
 * A draw, ngx_http_unique_random_zone_draw() and leases_take(): one step under
 * the mutex, and the position is passed before it is used (I4).
 */

#ifdef NO_FREEZE
#define frozen(z)  false
#else
#define frozen(z)  (zone[z].fenced)
#endif

inline choose(z)
{
    do                                  /* any of them */
    :: zone[z].leased & BIT(p) -> break
    :: zone[z].leased >> (p + 1) -> p++
    od
}


inline pass(z)
{
    zone[z].leased = zone[z].leased & ~BIT(p)
}


inline issue(z)
{
    printf("      client %d is given position %d\n", z, p);

#ifndef REPEATS_ALLOWED
    assert(!(issued & BIT(p)));

    /* with another key, any number may come at any position */
    assert(!issued_key || issued_key == zone[z].memory.key);
#endif
    issued = issued | BIT(p);
    issued_key = zone[z].memory.key;

    /* that it can be done at all */
#ifdef NEVER_ALL
    assert(issued != UP_TO(SIZE));
#endif
#ifdef NEVER_AGAIN
    assert(zone[z].memory.epoch == 1)
#endif
}


#ifdef BATCHES

/*
 * Workers that take a position out of the zone, and issue it later, without
 * the mutex, if it may still be issued: ngx_http_unique_random_batch_left().
 * Or it comes back; or is burned, by a worker that is killed.
 */

#ifdef BATCHES_NOT_FROZEN
#define batch_frozen(z)  false
#else
#define batch_frozen(z)  frozen(z)
#endif

#ifdef BATCHES_OF_ANY_EPOCH
#define batch_epoch(z)   true
#else
#define batch_epoch(z)   (epoch == zone[z].memory.epoch)
#endif

proctype client(byte z)
{
    byte  p, epoch, life;
    bool  held;

end:
    do
    :: atomic {
           !held && zone[z].leased && !frozen(z);

           choose(z);

           pass(z);
           held = true;
           epoch = zone[z].memory.epoch;
           life = zone[z].life
       }
    :: atomic {
           held;

           if
           :: life == zone[z].life && !batch_frozen(z) && batch_epoch(z) ->
               issue(z)
           :: life == zone[z].life && batch_epoch(z) ->
               zone[z].leased = zone[z].leased | BIT(p)
           :: true
           fi;

           held = false;
           p = 0;
           epoch = 0;
           life = 0
       }
    od
}

#else

proctype client(byte z)
{
    byte  p;

end:
    do
    :: atomic {
           zone[z].leased && !frozen(z);

           choose(z);

#ifdef DRAW_IN_TWO_STEPS
       };
       atomic {
#endif

#ifdef USED_BEFORE_PASSED
           issue(z);

           if
           :: pass(z)
           :: true                      /* killed in between */
           fi;
#else
           pass(z);
           issue(z);
#endif
           p = 0
       }
    od
}

#endif


/* the row has been sent, then the commit fails: no grant (I2) */

inline roll_back(s, z)
{
    printf("  the commit fails\n");
    events--;
    ROW.history = ROW.history & ~BIT(events);
    ROW.reserved = limit;
    ROW.serial--;
    ROW.holders[z] = then.holder_serial;
#ifndef NO_ACK_RULE
    outcome = LOST
#endif
}


/*
 * A worker of an nginx.  Its ask, the reservation and the reply are three
 * steps.  A reply that does not come takes its grant with it (I3).
 */

#if SERVERS > 1
#define any_up  (db[0].up || db[1].up)
#else
#define any_up  (db[0].up)
#endif

proctype worker(byte z)
{
    memory_t  then, row;
    byte      s, life, want, mask, count, limit, new_key;
#ifdef NO_ROW_LOCK
    byte      read;
#endif
    mtype     outcome;

end:
    do
    :: d_step { any_up -> ask(z) };

#ifdef NO_ROW_LOCK
       read = db[0].row.reserved;       /* and written in another step */
#endif

       atomic {
           if
           :: (want == 0 || events < EVENTS) && db[0].up && claimed(0) -> s = 0
#if SERVERS > 1
           :: (want == 0 || events < EVENTS) && db[1].up && claimed(1) -> s = 1
#endif
           :: else -> s = NOWHERE
           fi;

           d_step {
               if
               :: s == NOWHERE -> outcome = LOST
               :: else ->
#ifdef NO_ROW_LOCK
                   ROW.reserved = read;
#endif
                   reserve(s, z)
               fi;

               s = 0
           };

#ifdef COMMITS_FAIL
           if
           :: true
           :: mask -> roll_back(0, z)
           fi
#endif
       };

       atomic {
           if
           :: d_step { outcome != LOST -> zone_reply(z) }
           :: d_step { true -> zone_failed(z) }
           fi;

           d_step {
               asking[z]--;
               forget(then);
               forget(row);
               life = 0;
               want = 0;
               mask = 0;
               limit = 0;
               new_key = 0;
               outcome = 0
           }
       }
    od
}


/* An instance ends at once, and another begins: another zone (I5). */

inline crash(z)
{
    printf("zone %d crashes\n", z);
    zone[z].leased = 0;
    zone[z].fenced = 0;
    zone[z].life++;
    forget(zone[z].memory);
    db[0].row.holders[z] = 0;           /* its name is nobody's now */
#if SERVERS > 1
    db[1].row.holders[z] = 0
#endif
}


/* The same, but with what the state on disk remembers: not its own serial. */

inline restart(z)
{
    printf("zone %d restarts\n", z);
    zone[z].leased = 0;
    zone[z].fenced = 0;
    zone[z].life++;
    zone[z].memory.holder_serial = 0;
    zone[z].memory.mine = 0;
    db[0].row.holders[z] = 0;
#if SERVERS > 1
    db[1].row.holders[z] = 0
#endif
}


/*
 * The operator knows how far the range had got, in any copy of the database.
 * FROZEN: he knows only what was issued; but then he looks first that every
 * instance has stopped, and that the old primary is gone.  CARELESS: he knows
 * nothing, and says advance => 0.
 */

byte  at;                               /* the mark, at_least => at */

#ifdef FROZEN
#define stopped(z)                                                            \
    (asking[z] == 0 && (zone[z].fenced || zone[z].memory.epoch == 0))
#define may_accept  (stopped(0) && stopped(1))
#define known_mark  issued
#else
#define may_accept  true
#define known_mark  granted
#endif


inline high_water_mark(set)
{
    at = 0;
    do
    :: set >> at -> at++
    :: else -> break
    od
}


/* unique_random.accept() */

inline accept(s)
{
#ifndef CARELESS
    ROW.reserved = (ROW.reserved < at -> at : ROW.reserved);
#endif
    ROW.returned = 0;
    ROW.holders[0] = 0;
    ROW.holders[1] = 0;
#ifndef EPOCHS_COUNTED
    epochs++;
    ROW.epoch = epochs;
#else
    ROW.epoch++;
#endif
    ROW.incarnation = incarnations;
    incarnations++;
    epochs = (epochs < ROW.epoch -> ROW.epoch : epochs);
    ROW.fenced = 0;
    ROW.timeline = db[s].timeline;
    ROW.written_here = 1;
#ifdef CARELESS
    ROW.history = ROW.history | BIT(events);
    events++;
#else
    events++;
    ROW.history = UP_TO(events);        /* it makes up for what is lost */
#endif
    db[s].found_out = 0;

    printf("accept() at server %d: reserved %d, epoch %d\n", s, ROW.reserved,
           ROW.epoch)
}
