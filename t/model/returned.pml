/*
 * What is given back, as the database keeps it: intervals, joined with their
 * neighbours, and a record of what each holder was granted and has not given
 * back since.
 *
 * Callers are wrong at will: each gives back any two intervals at any time,
 * what others hold, what was never granted, the same once more, one that
 * overlaps the other.  The database believes them only that they do not issue
 * what they give back, which it cannot know: tails.pml has the side of nginx.
 */

#ifndef SIZE
#define SIZE    4                       /* positions; at most 8 */
#endif

#ifndef PLACES
#define PLACES  2                       /* intervals in a grant */
#endif

#define BIT(n)      (1 << (n))
#define UP_TO(n)    (BIT(n) - 1)
#define SET(a, b)   (UP_TO(b) & ~UP_TO(a))          /* [a, b) */


byte  reserved;
byte  returned;                         /* how many, as the range's row says */
byte  stop[SIZE];                       /* of the interval that begins here */
byte  record[2];                        /* sets of positions */

byte  owned[2];                         /* ghost: held or issued */
#ifdef NEVER_AGAIN
byte  reserved_before;
#endif


/* what a holder was granted in this life, and has not given back since */

#ifdef NO_RECORD
#define was_granted(h, what)  true
#else
#define was_granted(h, what)  (((what) & ~record[h]) == 0)
#endif

#ifdef OVERLAPS_ALLOWED
#define apart(x, y)  true
#else
#define apart(x, y)  (((x) & (y)) == 0)
#endif


inline take(mask)
{
    assert(!((owned[0] | owned[1] | granted) & (mask)));

    granted = granted | (mask)
}


/* unique_random.reserve(): fresh ones first, then those that came back */

inline reserve(h)
{
    places = PLACES;
#ifdef NEVER_AGAIN
    reserved_before = reserved;
#endif

    if
    :: reserved < SIZE ->
        n = (want < SIZE - reserved -> want : SIZE - reserved);
        take(SET(reserved, reserved + n));
        reserved = reserved + n;
        want = want - n;
        places--
    :: else
    fi;

    a = 0;
    do
    :: a < SIZE && want && places && stop[a] ->
        n = (want < stop[a] - a -> want : stop[a] - a);
        take(SET(stop[a] - n, stop[a]));
        returned = returned - n;
        want = want - n;
        places--;
        stop[a] = (stop[a] - n > a -> stop[a] - n : 0);
        a++
    :: a < SIZE && !(want && places && stop[a]) -> a++
    :: else -> break
    od;

    owned[h] = owned[h] | granted;
    record[h] = record[h] | granted;

    printf("holder %d is granted %x; reserved %d, returned %d\n", h, granted,
           reserved, returned);

    /* that it can be done at all: all at once, of which some came back */
#ifdef NEVER_AGAIN
    assert(granted != UP_TO(SIZE) || reserved_before == 0)
#endif
}


inline insert(from, to)
{
    returned = returned + to - from;
    n = to;

#ifndef NOT_JOINED
    if
    :: to < SIZE && stop[to] ->
        n = stop[to];
        stop[to] = 0
    :: else
    fi;
#endif

    s = 0;
#ifndef NOT_JOINED
    do
    :: s < from && stop[s] != from -> s++
    :: else -> break
    od;
#else
    s = from;
#endif
    stop[s] = n
}


/* unique_random.give_back(): all of it, or nothing */

inline give_back(h)
{
    if
    :: was_granted(h, SET(a, b) | SET(c, d)) && apart(SET(a, b), SET(c, d)) ->
#ifndef RECORD_KEPT
        record[h] = record[h] & ~(SET(a, b) | SET(c, d));
#endif
        owned[h] = owned[h] & ~(SET(a, b) | SET(c, d));

        insert(a, b);
        if
        :: c < d -> insert(c, d)
        :: else
        fi;

        printf("holder %d gives back [%d, %d) [%d, %d)\n", h, a, b, c, d)
    :: else
    fi
}


/* the intervals lie apart, one after the other, and their sum is known */

inline check()
{
#ifndef REPEATS_ONLY
    n = 0;
    s = 0;
    a = 0;
    do
    :: s < SIZE && stop[s] ->
        assert(s >= a);                 /* apart */
        assert(s > a || s == 0);        /* joined */
        assert(stop[s] <= reserved);
        n = n + stop[s] - s;
        a = stop[s];
        s++
    :: s < SIZE && !stop[s] -> s++
    :: else -> break
    od;
    assert(n == returned)
#else
    skip
#endif
}


proctype holder(byte h)
{
    byte  a, b, c, d, n, s, want, places, granted;

end:
    do
    :: atomic {
           reserved < SIZE || returned;

           do                           /* any number */
           :: want < SIZE -> want++
           :: want -> break
           od;

           d_step {
               reserve(h);
               want = 0;
               granted = 0;
               places = 0;
               check();
               a = 0;
               n = 0;
               s = 0
           }
       }

    :: atomic {
           do                           /* any interval, and any other */
           :: a < SIZE - 1 -> a++
           :: b = a + 1; break
           od;
           do
           :: b < SIZE -> b++
           :: break
           od;
           do
           :: c < SIZE - 1 -> c++
           :: d = c; break
           od;
           do
           :: d < SIZE -> d++
           :: break
           od;

           d_step {
               give_back(h);
               check();
               a = 0;
               b = 0;
               c = 0;
               d = 0;
               n = 0;
               s = 0
           }
       }

    :: d_step { record[h] ->            /* pruned, or too long: no more */
           record[h] = 0;
           printf("what holder %d was granted is forgotten\n", h)
       }
    od
}


init
{
    atomic {
        run holder(0);
        run holder(1)
    }
}
