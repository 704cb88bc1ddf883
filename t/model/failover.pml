/*
 * Failovers without an operator: primaries in succession, and a bound on what
 * each has not passed on to the standby that takes its place.
 *
 * One server is up; the other one, and a spare that takes the place of a lost
 * primary, are standbys, as far behind as the bound allows: BEHIND positions at
 * most, of all that were granted by each primary.  TRUST is failover=trust, for
 * which the bound has to be 0.  ADVANCE is failover=advance:N, for which it has
 * to be N.  Whoever is the first to ask may have seen nothing.
 *
 * OLD_STAYS: the lost primary is not lost.  SAME_TIMELINE: a standby that has
 * not followed the last primary, nor knows of it, counts its timelines itself.
 */

#define SERVERS  2
#define UNSEEN

#include "range.pml"


#define ones(set)                                                             \
    (((set) & 1) + ((set) >> 1 & 1) + ((set) >> 2 & 1) + ((set) >> 3 & 1)     \
     + ((set) >> 4 & 1) + ((set) >> 5 & 1) + ((set) >> 6 & 1)                 \
     + ((set) >> 7 & 1))

/* the last primary is the one that is lost; "earlier" is of those before it */

#define lacks(s, set)  ones((set) >> db[s].row.reserved)

#define behind(s)                                                             \
    (lacks(s, granted & earlier) > BEHIND                                     \
     || lacks(s, granted & ~earlier) > BEHIND)


row_t  spare;
byte   earlier;                         /* granted before the last promotion */


proctype environment()
{
    byte  primary, standby, failovers, timelines;
    byte  follows, spare_follows;       /* whose timeline */

    standby = 1;
    timelines = 1;
    follows = 1;
    spare_follows = 1;

end:
    do
    :: d_step {
           db[standby].row.history != db[primary].row.history ->
           copy_row(db[standby].row, db[primary].row);
           follows = timelines;
           printf("the standby is brought up to date\n")
       }

    :: d_step {
           failovers + 1 < FAILOVERS &&
           spare.history != db[primary].row.history ->
           copy_row(spare, db[primary].row);
           spare_follows = timelines;
           printf("the spare is brought up to date\n")
       }

    :: d_step {
           failovers < FAILOVERS && !behind(standby) ->
           failovers++;
           earlier = granted;
#ifdef SAME_TIMELINE
           timelines = follows + 1;
#else
           timelines++;
#endif
           db[standby].timeline = timelines;
           db[standby].up = 1;
           printf("server %d is promoted, timeline %d\n", standby, timelines);
#ifndef OLD_STAYS
           db[primary].up = 0;
           copy_row(db[primary].row, spare);
#endif
           standby = primary;
           primary = 1 - primary;
           follows = spare_follows
       }
    od
}


init
{
    d_step {
        db[0].up = 1;
        db[0].timeline = 1;
        db[1].exists = 1;
        new_row(0, KEY, 0, 1);
        copy_row(db[1].row, db[0].row);
        copy_row(spare, db[0].row)
    };

    atomic {
        run environment();
        run worker(0);
        run worker(1);
        run client(0);
        run client(1)
    }
}
