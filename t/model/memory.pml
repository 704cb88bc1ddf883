/*
 * What an nginx remembers of a range, in its zone and on disk, where "state"
 * keeps it.
 *
 * One nginx, with up to two zones: that of its workers, and that of old ones
 * which go on with theirs after a reload has changed its size.  A zone has a
 * slot of the range, or not.  Reloads add the range and remove it; a slot that
 * no configuration has is given to another range; the nginx stops and starts
 * again, with the range or without it; it is killed with all that was not
 * saved.  Meanwhile the database goes back to a snapshot, or it is blank, and
 * bootstrap makes the range anew.
 *
 * What is claimed: a database that has forgotten what this nginx has seen, and
 * has saved or had the time to save, grants nothing to any slot that is made
 * later.  The ghost "seen" of a new slot's memory is therefore all that this
 * nginx has seen, whatever its slot has been told.
 */

#define SERVERS  2

#define may_ask(z)  made[z]

bit  up[2];                             /* the zone is there */
bit  made[2];                           /* and has a slot of the range */
bit  configured;                        /* in the newest configuration */

#include "range.pml"


#ifndef CHANGES
#define CHANGES   3                     /* of what runs, and of slots */
#endif

#ifndef KILLED
#define KILLED    0
#endif

#ifndef RESTORES
#define RESTORES  0
#endif

#ifndef BLANKS
#define BLANKS    0
#endif

#ifndef ACCEPTS
#define ACCEPTS   0
#endif


memory_t  disk;

byte      changes;
byte      kept;                         /* ghost: what has to be in the file */

#define OTHER(z)  (1 - (z))

#define known  (kept | zone[0].memory.seen | zone[1].memory.seen)


/*
 * One merge, whoever is merged into whom: a later life wins, within one life
 * the maximum of each number.  What contradicts is not taken in, and an alert
 * says so: the older memory stays.
 */

#define maximum(to, from, field)                                              \
    to.field = (from.field > to.field -> from.field : to.field)

inline merge(to, from)
{
    if
    :: from.epoch == 0
    :: from.epoch && to.epoch == 0 ->
        copy_memory(to, from)
#ifndef LAST_WRITER_WINS
    :: from.epoch && to.epoch && to.key != from.key
    :: from.epoch && to.epoch && to.key == from.key ->
        if
        :: from.epoch > to.epoch ->
            copy_memory(to, from)
        :: from.epoch == to.epoch && from.incarnation == to.incarnation ->
            maximum(to, from, serial);
            maximum(to, from, reserved);
            maximum(to, from, timeline);
            to.seen = to.seen | from.seen
        :: else
        fi
#else
    :: from.epoch && to.epoch ->
        copy_memory(to, from)
#endif
    fi;

    to.holder_serial = 0;               /* another zone, another holder */
    to.mine = 0
}


/* nothing is lost if it is forgotten: merged, it would change nothing */

#ifdef RECLAIMED_UNSAVED
#define saved(memory)  true
#else
#define saved(memory)                                                         \
    (memory.epoch == 0                                                        \
     || (disk.epoch                                                           \
         && (disk.key != memory.key || disk.epoch > memory.epoch              \
             || (disk.epoch == memory.epoch                                   \
                 && (disk.incarnation != memory.incarnation                   \
                     || (disk.serial >= memory.serial                         \
                         && disk.reserved >= memory.reserved                  \
                         && disk.timeline >= memory.timeline))))))
#endif

#ifdef SAVED_AS_CONFIGURED
#define saves  configured
#else
#define saves  true
#endif

/* what the file says is lost to a later life only */

#ifdef CHECK_EVIDENCE
byte  told, told_epoch;                 /* ghosts: what it said */

#define remember_file()                                                       \
    told = disk.seen;                                                         \
    told_epoch = disk.epoch
#define check_file()                                                          \
    assert(disk.epoch > told_epoch || !(told & ~disk.seen));                  \
    told = 0;                                                                 \
    told_epoch = 0
#else
#define remember_file()  skip
#define check_file()     skip
#endif

inline save(z)
{
    kept = kept | zone[z].memory.seen;

    if
    :: saves ->
        remember_file();
        merge(disk, zone[z].memory);
        check_file()
    :: else
    fi;

    printf("zone %d is saved: the file has serial %d, epoch %d, key %d\n", z,
           disk.serial, disk.epoch, disk.key)
}


/* a slot is made: by a start, a reload, another size, in place of another's */

inline make(z, recalls)
{
    made[z] = 1;
    configured = 1;

    if
    :: recalls ->
        merge(zone[z].memory, disk);
#ifndef RECALLED_FROM_DISK_ONLY
        merge(zone[z].memory, zone[OTHER(z)].memory)
#endif
    :: else
    fi;

    zone[z].memory.seen = known;

    printf("zone %d has a slot, and remembers serial %d, epoch %d, key %d\n",
           z, zone[z].memory.serial, zone[z].memory.epoch, zone[z].memory.key)
}


#if defined(NEVER_RECALLED)
#define recalls_started  false
#else
#define recalls_started  true
#endif

#if defined(NEVER_RECALLED) || defined(RECALLED_AT_START_ONLY)
#define recalls_added  false
#else
#define recalls_added  true
#endif

#ifdef NOT_SAVED_AT_THE_END
#define last_save(z)  kept = kept | zone[z].memory.seen
#else
#define last_save(z)  save(z)
#endif


/* a blank database is claimed to meet one who has seen what was there */

#define bootstraps(z)                                                         \
    (zone[z].memory.epoch == 0 && (zone[z].memory.seen || granted == 0))


proctype nginx(byte z)
{
end:
    do
    :: d_step { made[z] && zone[z].memory.epoch -> save(z) }

    :: d_step {                         /* all at once, or with another size */
           changes < CHANGES && !up[z] && (z == 0 || up[OTHER(z)]) ->
           changes++;
           up[z] = 1;
           printf("zone %d begins, with the range\n", z);
           make(z, recalls_started)
       }

    :: d_step {
           changes < CHANGES && !up[z] && z == 0 && !up[OTHER(z)] ->
           changes++;
           up[z] = 1;
           configured = 0;
           printf("zone %d begins, without the range\n", z)
       }

    :: d_step {
           changes < CHANGES && up[z] && !made[z] ->
           changes++;
           printf("a reload adds the range\n");
           make(z, recalls_added)
       }

    :: d_step {                         /* old workers may go on with it */
           changes < CHANGES && made[z] && configured ->
           changes++;
           configured = 0;
           printf("a reload removes the range\n")
       }

    :: d_step {
           changes < CHANGES && made[z] && !configured &&
           saved(zone[z].memory) ->
           changes++;
           kept = kept | zone[z].memory.seen;
           made[z] = 0;
           clear(z);
           printf("the slot in zone %d is another range's\n", z)
       }

    :: d_step {                         /* old workers, or all of them */
           changes < CHANGES && up[z] ->
           changes++;
           last_save(z);
           up[z] = 0;
           made[z] = 0;
           clear(z);
           printf("the last worker of zone %d has ended\n", z)
       }
    od
}


inline kill(z)
{
    up[z] = 0;
    made[z] = 0;
    clear(z)
}


proctype environment()
{
    byte  restores, blanks, accepts, kills;

end:
    do
    :: d_step {
           kills < KILLED && (up[0] || up[1]) ->
           kills++;
           printf("all of nginx is killed\n");
           kill(0);
           kill(1)
       }

#if RESTORES > 0
    :: d_step {
           db[0].exists && db[1].row.history != db[0].row.history ->
           copy_row(db[1].row, db[0].row);
           printf("a snapshot is taken\n")
       }

    :: d_step {
           restores < RESTORES ->
           restores++;
           printf("the snapshot is restored\n");
           copy_row(db[0].row, db[1].row);
           db[0].exists = 1;
           db[0].found_out = 0
       }
#endif

#if BLANKS > 0
    :: d_step {
           blanks < BLANKS && db[0].exists ->
           blanks++;
           printf("the row vanishes\n");
           db[0].exists = 0
       }

    :: d_step {                         /* by who knows of no such range */
           !db[0].exists && ((made[0] && bootstraps(0)) ||
                             (made[1] && bootstraps(1))) ->
           printf("bootstrap makes the range anew\n");
           new_row(0, KEY + 1, 0, 1);
           db[0].row.history = 0
       }
#endif

    :: d_step {
           accepts < ACCEPTS && db[0].exists && db[0].row.key == KEY ->
           accepts++;
           high_water_mark(granted);
           accept(0);
           at = 0
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

        up[0] = 1;
        made[0] = 1;
        configured = 1
    };

    atomic {
        run environment();
        run nginx(0);
        run nginx(1);
        run worker(0);
        run worker(1);
        run client(0);
        run client(1)
    }
}
