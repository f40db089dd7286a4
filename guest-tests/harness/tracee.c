/* tracee.c - see tracee.h. */
#include "tracee.h"

struct start {
    void (*fn)(void *arg);
    void *arg;
};

static void begin(void *arg)
{
    const struct start *start = arg;
    REQUIRE_OK(rig_trace_me());
    kill(getpid(), SIGUSR1); /* stops here; its default action comes only if the tracer passes it on */
    start->fn(start->arg);
}

pid_t rig_tracee(void (*fn)(void *arg), void *arg)
{
    struct start start = {fn, arg};
    pid_t pid = rig_spawn(begin, &start);
    RIG_REQUIRE(CHECK_STOPPED(pid, SIGUSR1));
    return pid;
}

static void leave_1(int sig) { _exit(sig == SIGUSR1 ? 1 : 2); }

static void wait_for_signals(void *arg)
{
    struct rig_gate *ready = arg;
    signal(SIGUSR1, leave_1);
    signal(SIGUSR2, leave_1);
    rig_gate_pass(ready);
    for (pid_t parent = getppid(); getppid() == parent || getppid() != 1;)
        rig_sleep_ms(10);
}

pid_t rig_tracee_idle(void)
{
    struct rig_gate ready;
    rig_gate_init(&ready);
    pid_t pid = rig_spawn(wait_for_signals, &ready);
    rig_gate_wait(&ready);
    rig_gate_close(&ready);
    return pid;
}

void rig_tracee_end(pid_t pid)
{
    rig_trace_kill(pid);
    rig_kill(pid);
}
