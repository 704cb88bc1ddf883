/*
 * A database that stays as it is, and all that may go wrong on the way from a
 * reservation to a client: replies that are late, out of order or lost,
 * commits that fail after their row was sent, instances that end at any
 * moment, and a zone of another size, while the old workers go on with theirs.
 */

#define COMMITS_FAIL

#include "range.pml"


#ifndef CRASHES
#define CRASHES  1
#endif


proctype environment()
{
    byte  crashes;

end:
    do
    :: d_step { crashes < CRASHES -> crashes++; crash(0) }
    :: d_step { crashes < CRASHES -> crashes++; crash(1) }

    :: d_step {

           /*
            * ngx_ur_recall_inherit(): zone 1 is that of the new
            * workers, zone 0 that of the old ones (I5)
            */

           zone[0].memory.epoch && zone[1].memory.epoch == 0;
           copy_memory(zone[1].memory, zone[0].memory);
           zone[1].memory.holder_serial = 0;
           zone[1].memory.mine = 0;
           zone[1].fenced = zone[0].fenced;
#ifdef LEASES_COPIED
           zone[1].leased = zone[0].leased;
#endif
           printf("zone 1 inherits from zone 0\n")
       }
    od
}


init
{
    d_step {
        db[0].up = 1;
        db[0].timeline = 1;
        new_row(0, KEY, 0, 1)
    };

    atomic {
        run environment();
        run worker(0);
        run worker(0);
        run worker(1);
        run client(0);
        run client(1);
#ifdef DRAW_IN_TWO_STEPS
        run client(0)
#endif
    }
}
