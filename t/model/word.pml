/*
 * The word "next" of a lease, and workers that are killed at any store: each
 * takes position "next" under the mutex, passes it, and issues it.  A word
 * that takes two stores, as one of 64 bits does on a machine of 32, may be
 * left half old and half new for whoever comes next.
 */

#define END      4
#define next     (2 * high + low)
#define BIT(n)   (1 << (n))


byte  high, low;                        /* of a word with two digits */
byte  issued;


proctype worker()
{
    byte  position, after;

end:
    do
    :: atomic {
           next < END;

           position = next;
           after = position + 1;

#ifdef IN_TWO_STORES
           low = after % 2;

           if
           :: high = after / 2
           :: goto killed
           fi;
#else
           d_step {
               low = after % 2;
               high = after / 2
           };
#endif

           if
           :: assert(!(issued & BIT(position)));
              issued = issued | BIT(position);
              printf("position %d is issued\n", position)
           :: goto killed
           fi;

killed:
           position = 0;
           after = 0
       }
    od
}


init
{
    atomic {
        run worker();
        run worker()
    }
}
