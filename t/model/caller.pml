/*
 * Callers that are wrong.
 *
 * Two databases have a range of the same bounds, with keys of their own, and
 * both are true.  An nginx may be pointed at the one or at the other, and at
 * the first again, with all that it remembers: each worker asks where it
 * likes.  Whoever comes with the memory of the other range is refused; but no
 * row is fenced for it.
 */

#define SERVERS  2
#define UNSEEN
#define CHECK_INNOCENT
#define innocent(s)  true
#define STRANGERS

bit  stranger;                          /* ghost: somebody was one */

#include "range.pml"


#ifndef CRASHES
#define CRASHES  1
#endif


proctype environment()
{
    byte  crashes, accepts;

end:
    do
    :: d_step { crashes < CRASHES -> crashes++; crash(0) }

    :: d_step {                         /* one of them lives a later life */
           accepts < 1;
           accepts++;
           high_water_mark(granted);
           accept(1);
           at = 0
       }
    od
}


init
{
    d_step {
        db[0].up = 1;
        db[1].up = 1;
        db[0].timeline = 1;
        db[1].timeline = 2;
        new_row(0, KEY, 0, 1);
        new_row(1, KEY + 1, 0, 1)
    };

    atomic {
        run environment();
        run worker(0);
        run worker(1)
    }
}
