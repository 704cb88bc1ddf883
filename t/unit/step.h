
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Runs a function in a child process one instruction at a time, so that a test
 * sees what the child has stored when it is stopped at any of them, and changes
 * under it what others would.  What the two share is the caller's to map.
 */


#ifndef _STEP_H_INCLUDED_
#define _STEP_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>


typedef void (*step_run_pt)(void *data);

/* returns whether the rest of the run is of no interest */
typedef int (*step_look_pt)(void *data, unsigned n);


/* "size" bytes that parent and child share */
void *step_map(size_t size);

/* -1 if this system does not let its processes be stepped */
pid_t step_start(step_run_pt run, void *data);

/*
 * Runs it once.  "look" is called after each of the child's instructions, those
 * that lead to the function and from it included, and before the first one.
 */
void step(pid_t child, step_look_pt look, void *data);

void step_end(pid_t child);


#endif /* _STEP_H_INCLUDED_ */
