
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Keeps stores into shared memory in the order of the program, for whoever
 * takes over after a worker was killed between any two instructions.  That is
 * the compiler's matter alone: what the worker had stored, it had stored, and
 * others see it once they have the mutex.  What is read without the mutex needs
 * ngx_memory_barrier().
 */


#ifndef _BARRIER_H_INCLUDED_
#define _BARRIER_H_INCLUDED_


#define barrier_stores()  __atomic_signal_fence(__ATOMIC_SEQ_CST)


#endif /* _BARRIER_H_INCLUDED_ */
