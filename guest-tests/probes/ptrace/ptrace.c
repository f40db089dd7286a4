/* ptrace.c - a child that lets itself be traced: what stops it, and what its tracer may do with a stop.
 * Darwin's contracts: xnu-4570 bsd/kern/mach_process.c ptrace, and bsd/kern/kern_sig.c issignal_locked. */
#include "tracee.h"

#include <sys/mman.h>

PROBE("ptrace", "1");

static void leave_0(void *arg) { (void)arg; }

CASE(a_signal_stops_a_traced_child)
{
    pid_t child = rig_tracee(leave_0, NULL);
    int status;
    CHECK_EQ_INT(waitpid(child, &status, WNOHANG | WUNTRACED), 0); /* told once */
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

static void be_traced_and_stop(void *arg)
{
    (void)arg;
    REQUIRE_OK(rig_trace_me());
    kill(getpid(), SIGUSR1);
}

/* A stop for tracing is told by any wait, also without WUNTRACED. */
CASE(stops_are_told_without_wuntraced)
{
    pid_t child = rig_spawn(be_traced_and_stop, NULL);
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    int status = 0;
    pid_t got;
    while ((got = waitpid(child, &status, WNOHANG)) == 0 && rig_now_ns() < end)
        rig_sleep_ms(1);
    CHECK_EQ_INT(got, child);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ_STR(rig_signal_name(WSTOPSIG(status)), "SIGUSR1");
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

CASE(sigchld_tells_of_a_stop)
{
    rig_catch(SIGCHLD, 0);
    pid_t child = rig_tracee(leave_0, NULL);
    CHECK_EQ_INT(rig_caught(SIGCHLD), 1);
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

static void send_usr1_counted(void *arg)
{
    (void)arg;
    rig_catch(SIGUSR1, 0);
    rig_catch(SIGUSR2, 0);
    kill(getpid(), SIGUSR1);
    _exit(rig_caught(SIGUSR1) + 10 * rig_caught(SIGUSR2));
}

static pid_t stopped_by_usr1(void)
{
    pid_t child = rig_tracee(send_usr1_counted, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGUSR1);
    return child;
}

CASE(continued_without_the_signal)
{
    pid_t child = stopped_by_usr1();
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

CASE(continued_with_the_signal)
{
    pid_t child = stopped_by_usr1();
    CHECK_OK(rig_trace_continue(child, SIGUSR1));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "exit 1");
}

CASE(continued_with_another_signal)
{
    pid_t child = stopped_by_usr1();
    CHECK_OK(rig_trace_continue(child, SIGUSR2));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "exit 10");
}

CASE(continued_with_a_signal_that_kills)
{
    pid_t child = rig_tracee(leave_0, NULL);
    CHECK_OK(rig_trace_continue(child, SIGTERM));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "SIGTERM");
}

static void ignore_usr2(void *arg)
{
    (void)arg;
    signal(SIGUSR2, SIG_IGN);
    kill(getpid(), SIGUSR2);
}

/* Ignored by the process, but the tracer is asked. */
CASE(an_ignored_signal_stops)
{
    pid_t child = rig_tracee(ignore_usr2, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGUSR2);
    CHECK_OK(rig_trace_continue(child, SIGUSR2)); /* now it is ignored */
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "exit 0");
}

static void block_usr2(void *arg)
{
    volatile int *step = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGUSR2);
    *step = 1;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    *step = 2;
}

CASE(a_blocked_signal_stops_when_unblocked)
{
    volatile int *step = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    REQUIRE_OK((intptr_t)step);
    pid_t child = rig_tracee(block_usr2, (void *)step);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGUSR2);
    CHECK_EQ_INT(*step, 1);
    CHECK_RUNS_TO_EXIT(child, "exit 0");
    CHECK_EQ_INT(*step, 2);
}

static void stop_itself(void *arg)
{
    (void)arg;
    kill(getpid(), SIGSTOP);
    _exit(7);
}

/* For the tracer a stop signal is one as any: dropped, the child does not stop for good. */
CASE(sigstop_is_a_signal_as_any)
{
    pid_t child = rig_tracee(stop_itself, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGSTOP);
    CHECK_RUNS_TO_EXIT(child, "exit 7");
}

static void fault(void *arg)
{
    char byte;
    __asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(arg) : "memory");
}

CASE(a_fault_stops_then_kills)
{
    pid_t child = rig_tracee(fault, (void *)8);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGSEGV);
    CHECK_OK(rig_trace_continue(child, 0)); /* nothing was repaired: again */
    CHECK_STOPPED(child, SIGSEGV);
    CHECK_OK(rig_trace_continue(child, SIGSEGV));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "SIGSEGV");
}

static void hit_breakpoint(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
    _exit(5);
}

CASE(a_breakpoint_stops_with_sigtrap)
{
    pid_t child = rig_tracee(hit_breakpoint, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGTRAP);
    CHECK_RUNS_TO_EXIT(child, "exit 5");
}

static void count_up(void *arg)
{
    volatile uint64_t *counter = arg;
    for (;;)
        __asm__ volatile("incq %0" : "+m"(*counter)); /* with a jump, a loop of two instructions */
}

/* Each step is one instruction: a loop of two gets round in every second. */
CASE(a_step_is_one_instruction, .deadline = 30)
{
    enum { STEPS = 20 };
    volatile uint64_t *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    REQUIRE_OK((intptr_t)counter);
    pid_t child = rig_tracee(count_up, (void *)counter);
    CHECK_OK(rig_trace_continue(child, 0));
    while (*counter == 0)
        rig_sleep_ms(1);
    CHECK_OK(kill(child, SIGUSR2));
    CHECK_STOPPED(child, SIGUSR2);
    uint64_t before = *counter;
    for (int i = 0; i < STEPS; i++) {
        REQUIRE_OK(rig_trace_step(child, 0));
        REQUIRE(CHECK_STOPPED(child, SIGTRAP));
    }
    CHECK_EQ_INT(*counter - before, STEPS / 2);
    before = *counter;
    CHECK_OK(rig_trace_continue(child, 0)); /* the flag is gone again */
    while (*counter == before)
        rig_sleep_ms(1);
    CHECK_OK(kill(child, SIGUSR2));
    CHECK_STOPPED(child, SIGUSR2);
    CHECK_GT_INT(*counter - before, STEPS);
    rig_tracee_end(child);
}

CASE(kill_request_ends_it)
{
    pid_t child = rig_tracee(leave_0, NULL);
    CHECK_OK(rig_trace_kill(child));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "SIGKILL");
}

/* A child of a traced process is not traced. */
static void fork_one(void *arg)
{
    (void)arg;
    pid_t grandchild = fork();
    if (grandchild == 0) {
        rig_catch(SIGUSR2, 0);
        kill(getpid(), SIGUSR2); /* would stop it for a tracer that is not there */
        _exit(rig_caught(SIGUSR2) == 1 ? 3 : 4);
    }
    int status = 0;
    while (waitpid(grandchild, &status, 0) == -1 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 9);
}

CASE(a_fork_of_a_traced_child_is_free)
{
    pid_t child = rig_tracee(fork_one, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    int status = rig_trace_wait(child);
    if (WIFSTOPPED(status)) { /* its SIGCHLD is a signal as any */
        CHECK_EQ_STR(rig_signal_name(WSTOPSIG(status)), "SIGCHLD");
        CHECK_OK(rig_trace_continue(child, 0));
        status = rig_trace_wait(child);
    }
    CHECK_EQ_STR(rig_status_name(status), "exit 3");
}

ROLE(after_exec) { _exit(11); }

static void exec_a_role(void *arg)
{
    (void)arg;
    rig_exec_role_here("after_exec", NULL);
}

CASE(exec_stops_with_sigtrap)
{
    pid_t child = rig_tracee(exec_a_role, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_STOPPED(child, SIGTRAP);
    CHECK_RUNS_TO_EXIT(child, "exit 11");
}
