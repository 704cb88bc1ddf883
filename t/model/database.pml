/*
 * The database's side of a range: what reserve() looks at before it grants
 * anything, and what the operator does.
 */


#define forgot(s, what)  ((what) & ~db[s].row.history)

/* the one true copy: it has gone through everything, and says so */

#define honest(s)                                                             \
    (!forgot(s, UP_TO(events)) && db[s].row.key == KEY                        \
     && db[s].row.written_here && db[s].row.timeline == db[s].timeline)

#ifndef innocent
#define innocent(s)  honest(s)
#endif

/* a copy that has missed something, which its fingerprint does not give away */

#define silent(s)                                                             \
    ((forgot(s, UP_TO(events)) || db[s].row.key != KEY)                       \
     && db[s].row.written_here && db[s].row.timeline == db[s].timeline)

/*
 * What is claimed: a guard on the environment.  Of a copy that has silently
 * missed something, nobody can know who has not seen more.  So the first who
 * asks it must have; from then on anybody may ask.  If the copy has another
 * key, each who asks must have seen more, for nobody is told what he found.
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
#define finds_out  (believed && outcome != MISSING)
#else
#define finds_out  (believed && outcome == FENCED)
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

#if defined(NO_TIMELINE)
#define another_timeline(s)  false
#elif defined(TRUST) || defined(ADVANCE)
#define another_timeline(s)  (db[s].row.timeline > db[s].timeline)
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

#ifdef ADVANCE
#define began_too_early(row)                                                  \
    (row.epoch > then.epoch && row.began_at < then.reserved)
#else
#define began_too_early(row)  false
#endif

#ifdef NO_MEMORY_CHECK
#define gone_back(row, now)  false
#else
#define gone_back(row, now)                                                   \
    (row.serial < then.serial || (now) < then.timeline)
#endif

/*
 * Who is not there was pruned, if anybody was that had been granted as much.
 * The row of a holder that is no more stays in the database: to his last asks
 * it says no more than that.
 */

#if defined(PRUNED_NOT_REMEMBERED)
#define may_be_pruned(row)  false
#elif defined(MISSING_IS_PRUNED)
#define may_be_pruned(row)  true
#else
#define may_be_pruned(row)  (then.holder_serial <= row.pruned)
#endif

#ifdef NO_HOLDERS
#define grant_forgotten(row, z)  false
#else
#define grant_forgotten(row, z)                                               \
    (then.holder_serial && life == zone[z].life                               \
     && row.holders[z] < then.holder_serial                                   \
     && !(row.holders[z] == 0 && may_be_pruned(row)))
#endif

/*
 * unique_random.to_skip(): for each timeline since the last grant.  What is
 * forgotten is made up for, if it is no more than that.
 */

#ifdef SKIPS_ONCE
#define promotions(s)  1
#else
#define promotions(s)  (db[s].timeline - db[s].row.timeline)
#endif

#ifdef ADVANCE
#define promoted(s)   (db[s].timeline > db[s].row.timeline)
#define made_up(s)                                                            \
    (promoted(s)                                                              \
     && db[s].row.reserved + ADVANCE * promotions(s) >= then.reserved)
#else
#define promoted(s)   false
#define made_up(s)    false
#endif


/* unique_random.contradiction() and forgotten(); judge() is these and more */

#define suspicion(s, z)                                                       \
    (db[s].row.fenced || another_timeline(s) || another_writer(s)             \
     || began_too_early(db[s].row)                                            \
     || (!made_up(s)                                                          \
         && (fewer_reserved(db[s].row)                                        \
             || (db[s].row.epoch <= then.epoch                                \
                 && (gone_back(db[s].row, db[s].timeline)                     \
                     || grant_forgotten(db[s].row, z))))))

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
    to.pruned = from.pruned;
#ifdef ADVANCE
    to.began_at = from.began_at;
#endif
#ifdef LIVES
    at = 0;
    do
    :: at < ZONES * LIVES -> to.record[at] = from.record[at]; at++
    :: else -> break
    od;
    at = 0;
#endif
    to.history = from.history
}


#define ROW  db[s].row

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
    db[s].row.holders[1] = 0;
    db[s].row.pruned = 0
}


/*
 * The row of a holder is removed when a hundred others have been granted
 * something later, as far as this copy remembers.  FEW_SINCE: not so many have
 * since the copy was put in the place of the row, so none is removed that was
 * granted anything there.
 */

byte  known_at = EVENTS;                /* the serial of that copy */

#ifdef FEW_SINCE
#define may_prune(upto)  (upto <= known_at)
#else
#define may_prune(upto)  true
#endif

inline prune(s, upto)
{
    ROW.pruned = (upto > ROW.pruned -> upto : ROW.pruned);
    printf("a holder with serial %d is pruned\n", upto)
}


/*
 * unique_random.advance(): of each primary between, which this one may know
 * nothing of, it makes up for what was skipped there, and for what was granted
 */

#ifdef LACKS_NONE_BETWEEN
#define beyond(skip)  (skip)
#else
#define beyond(skip)  (2 * (skip) - ADVANCE)
#endif

#ifdef ADVANCE
inline advance(s)
{
    count = promotions(s) * ADVANCE;
    count = (then.reserved + count > ROW.reserved + beyond(count)
             -> then.reserved + count : ROW.reserved + beyond(count));
    ROW.reserved = (count > SIZE -> SIZE : count);
    ROW.began_at = ROW.reserved;
    count = 0;
    ROW.returned = 0;
    ROW.holders[0] = 0;
    ROW.holders[1] = 0;
    ROW.pruned = 0;
    epochs++;
    ROW.epoch = epochs;
    ROW.incarnation = incarnations;
    incarnations++;
    ROW.timeline = db[s].timeline;
    ROW.history = UP_TO(events);        /* it makes up for what is lost */
    printf("  it skips: reserved %d, epoch %d\n", ROW.reserved, ROW.epoch)
}
#endif


/*
 * unique_random.reserve(), one transaction under the row's lock.  The reply
 * is "outcome", "mask", "old" (was it reserved before), and "row".
 */

#ifndef STALE_FENCES_NOT
#define wrong_life  (outcome == STALE)
#else
#define wrong_life  false
#endif

/*
 * Who has another key speaks of another range: his word stops him alone.
 */

#ifdef ANYBODY_IS_BELIEVED
#define believed  true
#else
#define believed  (!another_key(ROW))
#endif

#ifdef LOOKS_CHANGE_NOTHING
#define sets_fence  (want && believed && (outcome == FENCED || wrong_life))
#else
#define sets_fence  (believed && (outcome == FENCED || wrong_life))
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

    /* nor is it fenced by anybody */
#ifdef CHECK_INNOCENT
    assert(!sets_fence || ROW.fenced || !innocent(s));
#endif

#ifdef STRANGERS
    stranger = stranger || (db[s].exists && another_key(ROW));
#endif

    if
    :: finds_out && silent(s) && forgot(s, then.seen) ->
        db[s].found_out = 1
    :: else
    fi;

#ifdef ADVANCE
    if
    :: outcome == GRANTED && promoted(s) -> advance(s)
    :: else
    fi;
#endif

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

        /* that others go on when a stranger was refused */
#ifdef NEVER_GOES_ON
        assert(!stranger);
#endif

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
        fi;
#ifdef LIVES
        ROW.record[name(z, life)] = ROW.record[name(z, life)] | mask
#endif
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
 * The operator knows how far the range had got, in any copy of the database.
 * FROZEN: he knows only what was issued; but then he looks first that every
 * instance has stopped, and that the old primary is gone.  CARELESS: he knows
 * nothing, and says advance => 0.
 */

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
    ROW.pruned = 0;
#ifdef LIVES
    at = 0;
    do
    :: at < ZONES * LIVES -> ROW.record[at] = 0; at++
    :: else -> break
    od;
#endif
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
