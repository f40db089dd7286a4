/* tracee.h - children that are traced, or will be, for the probes of ptrace. */
#ifndef RIG_TRACEE_H
#define RIG_TRACEE_H

#include "trace.h"

/* A child that is traced from its first line on, stops with SIGUSR1, and then runs fn(arg). It is stopped when this
 * returns. */
pid_t rig_tracee(void (*fn)(void *arg), void *arg);

/* A child that only waits, for at most as long as the case lives, and is not traced. SIGUSR1 and SIGUSR2 make it exit with
 * 1 and 2. */
pid_t rig_tracee_idle(void);

/* Ends a child, be it stopped or not, traced or not. */
void rig_tracee_end(pid_t pid);

/* Runs on after a trace stop till the end; checks that it exits with that code. */
#define CHECK_RUNS_TO_EXIT(pid, code)                          \
    do {                                                       \
        CHECK_OK(rig_trace_continue((pid), 0));                \
        CHECK_EQ_STR(rig_status_name(rig_trace_wait(pid)), (code)); \
    } while (0)

#endif
