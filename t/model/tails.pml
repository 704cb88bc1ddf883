/*
 * Tails: what an instance has leased and not issued goes back to the database
 * at a clean stop, and is granted once the fresh positions are used up.
 *
 * It is taken out of the zone first, and inserted then, if the range still
 * lives the same life.  What becomes of the insert is not asked.  Meanwhile
 * the database may go back to a snapshot, in which other tails were there, and
 * be accepted.
 */

#define SERVERS  2

#ifndef STOPS
#define STOPS     1
#endif

#ifndef RESTARTS
#define RESTARTS  0
#endif

#define LIVES     (1 + STOPS + RESTARTS)

#include "range.pml"


#ifndef RESTORES
#define RESTORES  0
#endif

#ifndef ACCEPTS
#define ACCEPTS   0
#endif


byte  stops;

#ifdef NO_RETURN_EPOCH
#define same_life  true
#else
#define same_life                                                             \
    (db[0].row.epoch == epoch && db[0].row.incarnation == incarnation)
#endif

#ifdef NO_RETURN_BOUND
#define bounded  true
#else
#define bounded  (tail >> db[0].row.reserved == 0)
#endif

#ifdef NO_RETURN_FENCE
#define unfenced  true
#else
#define unfenced  (!db[0].row.fenced)
#endif

/* what the holder was granted in this life, and has not given back since */

#define granted_to_him  db[0].row.record[name(z, life)]

#ifdef NO_RECORD
#define his  (!(db[0].row.returned & tail))
#else
#define his  ((tail & ~granted_to_him) == 0)
#endif


/*
 * unique_random.give_back(), which refuses a few more: what reserve() would
 * refuse.  returned.pml has the intervals.
 */

inline insert_tail()
{
    if
    :: same_life && bounded && unfenced && his ->
        granted_to_him = granted_to_him & ~tail;
        db[0].row.returned = db[0].row.returned | tail;
        printf("  tail %x is returned\n", tail)
    :: else ->
        printf("  tail %x is refused\n", tail)
    fi
}


/*
 * The last worker of an nginx that is told to stop:
 * ngx_ur_slot_leave(), then ngx_ur_return().
 */

proctype stop(byte z)
{
    byte  tail, life, epoch, incarnation;

end:
    do
    :: d_step {
           stops < STOPS && zone[z].leased && !zone[z].fenced;
           stops++;
           tail = zone[z].leased;
           life = zone[z].life;
           epoch = zone[z].memory.epoch;
           incarnation = zone[z].memory.incarnation;
#ifndef RETURNED_BEFORE_REMOVED
           crash(z)
#endif
       };

#ifdef RETURN_RETRIED
       if
       :: d_step { true -> insert_tail() }
       :: true
       fi;
#endif

       atomic {
           if
           :: d_step { true -> insert_tail() }
           :: true                      /* it never arrives */
           fi;

#ifdef RETURNED_BEFORE_REMOVED
           if
           :: true -> crash(z)
           fi;
#endif
           tail = 0;
           life = 0;
           epoch = 0;
           incarnation = 0
       }
    od
}


proctype environment()
{
    byte  restores, restarts, accepts;

end:
    do
#if RESTORES > 0
    :: d_step {                         /* a snapshot is taken */
           (db[1].row.history != db[0].row.history ||
            db[1].row.returned != db[0].row.returned);
           copy_row(db[1].row, db[0].row);
           printf("a snapshot is taken\n")
       }
#endif

    :: d_step {
           restores < RESTORES;
           restores++;
           printf("the snapshot is restored\n");
           copy_row(db[0].row, db[1].row);
           db[0].found_out = 0
       }

    :: d_step {
           accepts < ACCEPTS && may_accept;
           accepts++;
           high_water_mark(known_mark);
           accept(0);
           at = 0
       }

    :: d_step { restarts < RESTARTS -> restarts++; restart(0) }
    od
}


init
{
    d_step {
        db[0].up = 1;
        db[0].timeline = 1;
        new_row(0, KEY, 0, 1);
        copy_row(db[1].row, db[0].row)
    };

    atomic {
        run environment();
        run worker(0);
        run worker(1);
        run client(0);
        run client(1);
        run stop(0);
        run stop(1)
    }
}
