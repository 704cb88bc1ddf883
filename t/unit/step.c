
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The child stops itself before each run, and the parent steps it with ptrace()
 * until it does so again.
 */


#define _GNU_SOURCE

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "step.h"


/* more instructions than any run has: it does not come to an end */
#define STEP_MAX  1000000


static int step_wait(pid_t child);


void *
step_map(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);

    return p;
}


pid_t
step_start(step_run_pt run, void *data)
{
    pid_t  child;

    child = fork();
    assert_int_not_equal(child, -1);

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
            _exit(1);
        }

        for ( ;; ) {
            raise(SIGSTOP);
            run(data);
        }
    }

    if (!step_wait(child)) {
        return -1;
    }

    /* a test that fails leaves by longjmp() */
    assert_int_not_equal(ptrace(PTRACE_SETOPTIONS, child, NULL,
                                PTRACE_O_EXITKILL), -1);

    /* the first run has the linker look up what it calls */
    assert_int_not_equal(ptrace(PTRACE_CONT, child, NULL, NULL), -1);
    assert_true(step_wait(child));

    return child;
}


void
step(pid_t child, step_look_pt look, void *data)
{
    unsigned  n;

    for (n = 0; !look(data, n); n++) {
        if (n == STEP_MAX) {
            fail_msg("it does not return within %u instructions", n);
        }

        assert_int_not_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), -1);

        if (step_wait(child)) {
            return;
        }
    }

    assert_int_not_equal(ptrace(PTRACE_CONT, child, NULL, NULL), -1);
    assert_true(step_wait(child));
}


void
step_end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}


/* whether it stands before a run; 0 after a step, and if there is no child */

static int
step_wait(pid_t child)
{
    int  status;

    assert_int_equal(waitpid(child, &status, 0), child);

    if (!WIFSTOPPED(status)) {
        assert_true(WIFEXITED(status));
        return 0;
    }

    if (WSTOPSIG(status) == SIGSTOP) {
        return 1;
    }

    assert_int_equal(WSTOPSIG(status), SIGTRAP);
    return 0;
}
