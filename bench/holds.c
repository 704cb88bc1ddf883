
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Preloaded into nginx, this writes down how long the mutex of a pool is held:
 * into the file that HOLDS names, which all its processes share, the number of
 * holds, and of each where it was taken and for how many nanoseconds.
 */


#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>


#define HOLDS_MAX  4000000


typedef struct {
    uint32_t  place;            /* the low half of the caller's address */
    uint32_t  ns;
} hold_t;


typedef struct {
    uint64_t  count;
    hold_t    holds[HOLDS_MAX];
} holds_t;


static holds_t  *holds;
static uint64_t  since;
static uint32_t  place;

static void    (*lock)(void *pool);
static void    (*unlock)(void *pool);


__attribute__ ((constructor))
static void
open_holds(void)
{
    int    fd;
    char  *path;

    path = getenv("HOLDS");
    fd = path ? open(path, O_RDWR|O_CREAT|O_TRUNC, 0600) : -1;

    if (fd == -1 || ftruncate(fd, sizeof(holds_t)) == -1) {
        abort();
    }

    holds = mmap(NULL, sizeof(holds_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd,
                 0);

    if (holds == MAP_FAILED) {
        abort();
    }

    (void) close(fd);
}


static uint64_t
now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}


/* in place of those of the module, which is loaded later */

void
ngx_ur_zone_lock(void *pool)
{
    if (lock == NULL) {
        lock = dlsym(RTLD_NEXT, "ngx_ur_zone_lock");
        unlock = dlsym(RTLD_NEXT, "ngx_ur_zone_unlock");
    }

    lock(pool);

    place = (uintptr_t) __builtin_return_address(0);
    since = now();
}


void
ngx_ur_zone_unlock(void *pool)
{
    uint64_t  ns, n;

    ns = now() - since;

    unlock(pool);

    n = __sync_fetch_and_add(&holds->count, 1);

    if (n < HOLDS_MAX) {
        holds->holds[n].place = place;
        holds->holds[n].ns = (ns < UINT32_MAX) ? ns : UINT32_MAX;
    }
}
