/*
 * An nginx: its zone with leases and memory, the workers that ask for more,
 * and the clients that are given what is leased.
 */


/* a fenced zone only looks, so that it cannot raise the serial it waits for */

#ifdef NO_LATCH
#define latched(z)  false
#else
#define latched(z)  (zone[z].fenced)
#endif

/* ngx_ur_slot_ask() */

#define ask(z)                                                                \
    copy_memory(then, zone[z].memory);                                        \
    life = zone[z].life;                                                      \
    asking[z]++;                                                              \
    want = (latched(z) -> 0 : WANT);                                          \
    printf("zone %d asks for %d\n", z, want)


/* ngx_ur_slot_contradiction() */

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


/*
 * KILLS: the worker that takes a reply in may be killed after any store, and
 * the mutex goes to the next.  A memory of a new life is written aside, and
 * published by one store, once the leases of the old life are burned; a fence
 * is lifted last.
 */

#ifdef KILLS
#define STORES  7                       /* as many as it makes at most */

#define store(what)                                                           \
    if                                                                        \
    :: stores -> stores--; what                                               \
    :: else                                                                   \
    fi
#else
#define store(what)  what
#endif


inline publish(z)
{
#ifndef FIELD_BY_FIELD
    store(copy_memory(zone[z].memory, row))
#else
    store(zone[z].memory.epoch = row.epoch);
    store(zone[z].memory.incarnation = row.incarnation);
    store(copy_memory(zone[z].memory, row))
#endif
}


inline burn(z)
{
#ifndef LEASES_KEPT_AFTER_ACCEPT
    store(zone[z].leased = 0)
#else
    store(zone[z].leased = zone[z].leased & UP_TO(limit))
#endif
}


/* ngx_ur_slot_remember() */

#define raise(field)                                                          \
    zone[z].memory.field = (row.field > zone[z].memory.field                  \
                            -> row.field : zone[z].memory.field)

inline remember(z)
{
    if
    :: zone[z].memory.epoch == 0 ->
        store(copy_memory(zone[z].memory, row))
    :: zone[z].memory.epoch && row.epoch > zone[z].memory.epoch ->
        row.holder_serial = (mask -> row.holder_serial : 0);
        row.key = zone[z].memory.key;   /* the slot's key stays */
#ifndef BURNED_LAST
        burn(z);
        publish(z)
#else
        publish(z);
        burn(z)
#endif
    :: else ->
        store(raise(serial));
        store(raise(reserved));
        store(raise(timeline));
#ifndef LOOKS_RAISE_HOLDER_SERIAL
        store(zone[z].memory.holder_serial = (mask
            && row.holder_serial > zone[z].memory.holder_serial
            -> row.holder_serial : zone[z].memory.holder_serial));
#else
        store(raise(holder_serial));
#endif
        store(zone[z].memory.seen = zone[z].memory.seen | row.seen;
              zone[z].memory.mine = zone[z].memory.mine | row.mine)
    fi
}


#ifndef STALE_LIFTS_FENCE
#define still_fenced(z)                                                       \
    (outcome == FENCED || (outcome == STALE && zone[z].fenced))
#else
#define still_fenced(z)  (outcome == FENCED)
#endif


/* ngx_ur_reply() */

inline zone_reply(z)
{
    if
    :: life != zone[z].life             /* it asked in an earlier life */
    :: life == zone[z].life && latched(z) && want
                                        /* only a look can lift the fence */
    :: life == zone[z].life && !(latched(z) && want) ->
        new_key = row.key;
        contradiction(z);

#ifdef FENCE_LIFTED_FIRST
        store(zone[z].fenced = still_fenced(z));
#endif
        if
        :: outcome == GRANTED || outcome == EXHAUSTED -> remember(z)
        :: else
        fi;

        if
        :: mask ->
            store(assert(new_key == zone[z].memory.key);        /* I6 */
                  assert(!(zone[z].leased & mask));  /* both would be issued */
                  zone[z].leased = zone[z].leased | mask)
        :: else
        fi;

#ifndef FENCE_LIFTED_FIRST
        store(zone[z].fenced = still_fenced(z));
#endif

        printf("    zone %d takes %e; leased %x, fenced %d,", z, outcome,
               zone[z].leased, zone[z].fenced);
        printf(" remembers reserved %d, serial %d, epoch %d, own %d\n",
               zone[z].memory.reserved, zone[z].memory.serial,
               zone[z].memory.epoch, zone[z].memory.holder_serial)
    fi
}


/*
 * ngx_ur_slot_lost(): a reply that was lost is burned, which
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
 * A draw, ngx_ur_choice_draw() and leases_take(): one step under
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
 * the mutex, if it may still be issued: ngx_ur_batch_left().
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


/*
 * A worker of an nginx.  Its ask, the reservation and the reply are three
 * steps.  A reply that does not come takes its grant with it (I3).
 */

#if SERVERS > 1
#define any_up  (db[0].up || db[1].up)
#else
#define any_up  (db[0].up)
#endif

#ifndef may_ask
#define may_ask(z)  true
#endif

proctype worker(byte z)
{
    memory_t  then, row;
    byte      s, life, want, mask, count, limit, new_key;
#ifdef NO_ROW_LOCK
    byte      read;
#endif
#ifdef KILLS
    byte      stores;                   /* how many are left to it */
#endif
    mtype     outcome;

end:
    do
    :: d_step { any_up && may_ask(z) -> ask(z) };

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
#ifdef KILLS
           do                           /* when */
           :: stores < STORES -> stores++
           :: break
           od;
#endif
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
#ifdef KILLS
               stores = 0;
#endif
               outcome = 0
           }
       }
    od
}


/* An instance ends at once, and another begins: another zone (I5). */

inline clear(z)
{
    zone[z].leased = 0;
    zone[z].fenced = 0;
    zone[z].life++;
    forget(zone[z].memory);
    db[0].row.holders[z] = 0;           /* its name is nobody's now */
#if SERVERS > 1
    db[1].row.holders[z] = 0
#endif
}


inline crash(z)
{
    printf("zone %d crashes\n", z);
    clear(z)
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
