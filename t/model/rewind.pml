/*
 * Databases that go back in time, and the operator who goes on with them.
 *
 * Server 0 is the primary.  The row of server 1 is a copy of its row, as old
 * as you like: a standby that lags, or a backup.  At any moment the copy may
 * be promoted, with the old primary still there or not; or be put in the place
 * of the row, from a snapshot, which nothing tells from the row as it was, or
 * from a dump.  The row may vanish, and be made anew with another key.
 * Instances crash, and begin again with or without a memory.  Rows of holders
 * are pruned, of those that live and of those that are no more.
 *
 * The operator may accept() at any time, in the right database: range.pml says
 * what he knows.
 */

#define SERVERS  2

#include "range.pml"


#ifndef RESTORES
#define RESTORES   0
#endif

#ifndef DUMPS
#define DUMPS      0
#endif

#ifndef FAILOVERS
#define FAILOVERS  0
#endif

#ifndef BLANKS
#define BLANKS     0
#endif

#ifndef CRASHES
#define CRASHES    0
#endif

#ifndef RESTARTS
#define RESTARTS   0
#endif

#ifndef PRUNES
#define PRUNES     0
#endif

#ifndef ACCEPTS
#define ACCEPTS    0
#endif


inline accept_one(s)
{
    high_water_mark(known_mark);

    if
    :: db[s].exists && ROW.key == KEY ->
        accept(s)
    :: else ->

        /* unique_random.add() with the key */
        epochs++;
        new_row(s, KEY, at, epochs);
        events++;
        ROW.history = UP_TO(events)
    fi;

    at = 0
}


proctype environment()
{
    byte  restores, dumps, failovers, blanks, crashes, accepts, restarts;
    byte  prunes;

end:
    do
    :: d_step {                         /* the copy is brought up to date */
           !db[1].up && db[0].exists && db[1].row.history != db[0].row.history;
           copy_row(db[1].row, db[0].row);
           printf("the copy is brought up to date\n")
       }

    :: d_step {
           restores < RESTORES && !db[1].up;
           restores++;
           printf("the snapshot is restored\n");
           copy_row(db[0].row, db[1].row);
           known_at = db[0].row.serial;
           db[0].exists = 1;
           db[0].found_out = 0
       }

    :: d_step {
           dumps < DUMPS && !db[1].up;
           dumps++;
           printf("the dump is restored\n");
           copy_row(db[0].row, db[1].row);
           db[0].row.written_here = 0;
           db[0].exists = 1;
           db[0].found_out = 0
       }

    :: atomic {
           failovers < FAILOVERS;
           failovers++;
           printf("server 1 is promoted\n");
           db[1].up = 1;
#ifdef UPGRADE
           db[1].timeline = 1;          /* a new cluster counts anew */
#else
           db[1].timeline = 3;
#endif

           if
           :: db[0].up = 0;
              printf("server 0 is gone\n")
           :: skip                      /* the old primary is still there */
           fi
       }

    :: atomic {
           blanks < BLANKS && !db[1].up;
           blanks++;
           printf("the row vanishes\n");
           db[0].exists = 0
       }

    :: d_step {                         /* made anew, with another key */
           !db[0].exists && db[0].row.key == KEY && !db[1].up;
           printf("a new row is made\n");
           new_row(0, KEY + 1, 0, 1);
           db[0].row.history = 0
       }

    :: d_step { accepts < ACCEPTS && !db[1].up && may_accept ->
           accepts++;
           accept_one(0)
       }

    :: d_step { accepts < ACCEPTS && db[1].up && may_accept ->
           accepts++;
#ifdef FROZEN
           db[0].up = 0;
#endif
           accept_one(1)
       }

    :: d_step { crashes < CRASHES -> crashes++; crash(0) }
    :: d_step { crashes < CRASHES -> crashes++; crash(1) }
    :: d_step { restarts < RESTARTS -> restarts++; restart(0) }

#if PRUNES > 0
    :: d_step {
           prunes < PRUNES && db[0].row.holders[0] &&
           may_prune(db[0].row.holders[0]);
           prunes++;
           prune(0, db[0].row.holders[0]);
           db[0].row.holders[0] = 0
       }

    :: d_step {                         /* of nginx that have ended long ago */
           prunes < PRUNES && may_prune(db[0].row.serial);
           prunes++;
           prune(0, db[0].row.serial)
       }
#endif
    od
}


init
{
    d_step {
        db[0].up = 1;
        db[0].timeline = 2;
        db[1].exists = 1;
        new_row(0, KEY, 0, 1);
        copy_row(db[1].row, db[0].row)
    };

    atomic {
        run environment();
        run worker(0);
#ifdef WORKERS
        run worker(0);
#endif
        run worker(1);
        run client(0);
        run client(1)
    }
}
