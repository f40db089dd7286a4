/* ptrace_mach.c - ptrace as only Darwin has it: requests that are refused, because the Mach calls take their place, and
 * the process that does not want to be traced.
 * Source: xnu-4570 bsd/kern/mach_process.c ptrace. */
#include "mach_threads.h"
#include "tracee.h"

#include <stdio.h>

PROBE("ptrace_mach", "1");

static void leave_0(void *arg) { (void)arg; }

CASE(requests_darwin_lacks_are_einval)
{
    /* PT_READ_I, _D, _U, PT_WRITE_I, _D, _U; holes; PT_FIRSTMACH and what BSD has there: PT_GETREGS, PT_SETREGS... */
    static const int requests[] = {1, 2, 3, 4, 5, 6, 15, 16, 20, 29, 32, 33, 34, 35, 36, 37, 40, 64, 1000, -1};
    pid_t child = rig_tracee(leave_0, NULL);
    for (size_t i = 0; i < RIG_COUNT(requests); i++)
        if (!CHECK_ERRNO(rig_ptrace(requests[i], child, (uintptr_t)leave_0, 0), EINVAL))
            NOTE("request %d", requests[i]);
    CHECK_RUNS_TO_EXIT(child, "exit 0"); /* stopped all the while */
}

/* Who is asked is looked at before what is asked. */
CASE(requests_darwin_lacks_about_a_stranger)
{
    pid_t child = rig_tracee_idle();
    CHECK_ERRNO(rig_ptrace(PT_READ_D, child, 0, 0), EPERM);
    CHECK_ERRNO(rig_ptrace(PT_FIRSTMACH, child, 0, 0), EPERM);
    rig_kill(child);
    CHECK_ERRNO(rig_ptrace(PT_READ_D, child, 0, 0), ESRCH);
}

/* "force use of Mach SPIs [...] to adjust PC" */
CASE(continue_elsewhere_is_enotsup)
{
    static const uintptr_t addresses[] = {0, 2, 4096};
    pid_t child = rig_tracee(leave_0, NULL);
    for (size_t i = 0; i < RIG_COUNT(addresses); i++) {
        CHECK_ERRNO(rig_ptrace(PT_CONTINUE, child, addresses[i], 0), ENOTSUP);
        CHECK_ERRNO(rig_ptrace(PT_STEP, child, addresses[i], 0), ENOTSUP);
    }
    CHECK_ERRNO(rig_ptrace(PT_CONTINUE, child, (uintptr_t)leave_0, 0), ENOTSUP);
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

CASE(continue_with_no_signal_is_einval)
{
    static const int signals[] = {NSIG, NSIG + 1, 1000, -1};
    pid_t child = rig_tracee(leave_0, NULL);
    for (size_t i = 0; i < RIG_COUNT(signals); i++) {
        CHECK_ERRNO(rig_ptrace(PT_CONTINUE, child, 1, signals[i]), EINVAL);
        CHECK_ERRNO(rig_ptrace(PT_STEP, child, 1, signals[i]), EINVAL);
    }
    CHECK_RUNS_TO_EXIT(child, "exit 0");
}

/* "We do not want ptrace to do anything with kernel or launchd" */
CASE(kernel_and_init_are_eperm)
{
    static const int requests[] = {PT_ATTACH, PT_ATTACHEXC, PT_CONTINUE, PT_DETACH, PT_KILL};
    for (size_t i = 0; i < RIG_COUNT(requests); i++) {
        CHECK_ERRNO(rig_ptrace(requests[i], 1, 1, 0), EPERM);
        CHECK_ERRNO(rig_ptrace(requests[i], 0, 1, 0), EPERM);
        CHECK_ERRNO(rig_ptrace(requests[i], -7, 1, 0), EPERM);
    }
}

CASE(sigexc_untraced_is_einval) { CHECK_ERRNO(rig_ptrace(PT_SIGEXC, 0, 0, 0), EINVAL); }

CASE(thupdate_refusals)
{
    pid_t child = rig_tracee_idle();
    thread_act_t thread = mach_thread_self();
    CHECK_ERRNO(rig_ptrace(PT_THUPDATE, child, thread, 0), EPERM); /* not traced */
    CHECK_OK(rig_trace_attach(child));
    CHECK_STOPPED(child, SIGSTOP);
    CHECK_ERRNO(rig_ptrace(PT_THUPDATE, child, thread, NSIG), EINVAL);
    CHECK_ERRNO(rig_ptrace(PT_THUPDATE, child, MACH_PORT_NULL, 0), ESRCH);
    CHECK_ERRNO(rig_ptrace(PT_THUPDATE, child, rig_port(true), 0), ESRCH); /* a port, but no thread's */
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_ERRNO(rig_ptrace(PT_THUPDATE, child, thread, 0), EBUSY); /* it runs */
    CHECK_OK(kill(child, SIGUSR1));
    CHECK_STOPPED(child, SIGUSR1);
    rig_tracee_end(child);
}

/* ---- The process that does not want it ----------------------------------------------------------------------- */

struct shy {
    struct rig_gate ready, go;
};

static void deny(void *arg)
{
    struct shy *shy = arg;
    CHECK_OK(rig_ptrace(PT_DENY_ATTACH, 0, 0, 0));
    rig_gate_pass(&shy->ready);
    rig_gate_wait(&shy->go);
}

static void attach_to_it(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    rig_catch(SIGSEGV, 0);
    CHECK_ERRNO(rig_trace_attach(pid), rig_trace_refusal(EBUSY, 0));
    CHECK_EQ_INT(rig_caught(SIGSEGV), 1);
    CHECK_ERRNO(rig_ptrace(PT_ATTACHEXC, pid, 0, 0), rig_trace_refusal(EBUSY, 0));
    CHECK_EQ_INT(rig_caught(SIGSEGV), 2);
}

static void attach_unguarded(void *arg)
{
    rig_trace_attach(*(pid_t *)arg);
    _exit(1);
}

/* It is the attacher that gets SIGSEGV. */
CASE(deny_attach_hits_the_attacher)
{
    struct shy shy;
    rig_gate_init(&shy.ready);
    rig_gate_init(&shy.go);
    pid_t child = rig_spawn(deny, &shy);
    rig_gate_wait(&shy.ready);
    CHECK_EXITED(rig_spawn(attach_to_it, &child), 0);
    CHECK_KILLED_BY(rig_spawn(attach_unguarded, &child), SIGSEGV);
    rig_gate_pass(&shy.go);
    CHECK_EXITED(child, 0); /* it has noticed nothing */
}

static void deny_while_traced(void *arg)
{
    (void)arg;
    rig_ptrace(PT_DENY_ATTACH, 0, 0, 0);
    _exit(1); /* does not come back */
}

CASE(deny_attach_while_traced_exits)
{
    pid_t child = rig_tracee(deny_while_traced, NULL);
    CHECK_OK(rig_trace_continue(child, 0));
    int status = rig_trace_wait(child);
    CHECK(WIFEXITED(status));
    CHECK_EQ_INT(WEXITSTATUS(status), ENOTSUP);
}

static void deny_then_fork(void *arg)
{
    struct shy *shy = arg;
    CHECK_OK(rig_ptrace(PT_DENY_ATTACH, 0, 0, 0));
    pid_t child = rig_tracee_idle();
    CHECK_OK(rig_trace_attach(child)); /* the flag is the process's own (p_lflag, which a fork begins anew) */
    CHECK_STOPPED(child, SIGSTOP);
    rig_tracee_end(child);
    (void)shy;
}

CASE(deny_attach_is_not_inherited) { CHECK_EXITED(rig_spawn(deny_then_fork, NULL), 0); }

ROLE(shy_after_exec)
{
    struct rig_gate go = {{argc > 0 ? atoi(argv[0]) : -1, -1}};
    char byte;
    REQUIRE(write(atoi(argv[1]), "x", 1) == 1);
    REQUIRE(read(go.fd[0], &byte, 1) == 1);
}

struct pipes {
    int go[2], ready[2];
};

static void deny_then_exec(void *arg)
{
    const struct pipes *p = arg;
    char go[12], ready[12];
    CHECK_OK(rig_ptrace(PT_DENY_ATTACH, 0, 0, 0));
    snprintf(go, sizeof go, "%d", p->go[0]);
    snprintf(ready, sizeof ready, "%d", p->ready[1]);
    const char *const args[] = {go, ready, NULL};
    rig_exec_role_here("shy_after_exec", args);
}

CASE(deny_attach_stays_over_exec)
{
    struct pipes p;
    char byte;
    REQUIRE_OK(pipe(p.go));
    REQUIRE_OK(pipe(p.ready));
    pid_t child = rig_spawn(deny_then_exec, &p);
    REQUIRE(rig_wait_readable(p.ready[0]) && read(p.ready[0], &byte, 1) == 1);
    CHECK_EXITED(rig_spawn(attach_to_it, &child), 0);
    CHECK_EQ_INT(write(p.go[1], "x", 1), 1);
    CHECK_EXITED(child, 0);
}

/* ---- Stops --------------------------------------------------------------------------------------------------- */

/* A stop for the tracer holds the whole task, as task_suspend does (bsd/kern/kern_sig.c issignal_locked). */
CASE(a_stop_suspends_the_task)
{
    pid_t child = rig_tracee(leave_0, NULL);
    task_t task = rig_task_of(child);
    CHECK_EQ_INT(rig_task_suspend_count(task), 1);
    CHECK_RUNS_TO_EXIT(child, "exit 0");
    CHECK_EQ_INT(rig_task_suspend_count(task), -1); /* its port is dead */
    CHECK_KERN(mach_port_deallocate(rig_task(), task), KERN_SUCCESS);
}

/* A signal to a stopped tracee waits till it goes on (bsd/kern/kern_sig.c psignal_internal), be it SIGKILL. */
CASE(sigkill_waits_for_a_stopped_tracee)
{
    pid_t child = rig_tracee(leave_0, NULL);
    int status;
    CHECK_OK(kill(child, SIGKILL));
    rig_sleep_ms(200);
    CHECK_EQ_INT(waitpid(child, &status, WNOHANG | WUNTRACED), 0);
    CHECK_OK(rig_trace_continue(child, 0));
    CHECK_EQ_STR(rig_status_name(rig_trace_wait(child)), "SIGKILL");
}

/* The tracer that is the parent, too, gets the end as tracer and then as parent: PT_TRACE_ME notes the parent as the one
 * to give the child back to (bsd/kern/kern_exit.c reap_child_locked, p_oppid). */
CASE(end_is_told_twice_to_a_parent_that_traces)
{
    pid_t child = rig_tracee(leave_0, NULL);
    int status = 0;
    CHECK_RUNS_TO_EXIT(child, "exit 0");
    CHECK_EQ_INT(waitpid(child, &status, WNOHANG), child);
    CHECK_EQ_STR(rig_status_name(status), "exit 0");
    CHECK_ERRNO(waitpid(child, &status, WNOHANG), ECHILD);
}

CASE(wrappers)
{
    static const struct rig_wrapper wrappers[] = {
        RIG_WRAPPER(ptrace), RIG_WRAPPER(thread_get_state), RIG_WRAPPER(thread_set_state), {NULL, NULL}};
    rig_tell_wrappers(wrappers);
}
