/* ptrace_exc.c - PT_SIGEXC and PT_ATTACHEXC: signals arrive at the tracee's exception port, as EXC_SOFTWARE with
 * EXC_SOFT_SIGNAL and the number. The tracer says by PT_THUPDATE what becomes of the signal, then answers the message.
 * Source: xnu-4570 bsd/kern/kern_sig.c issignal_locked, osfmk/kern/exception.c bsd_exception. */
#include "mach_exc_messages.h"
#include "mach_threads.h"
#include "sys_compat.h"
#include "tracee.h"

#include <stdio.h>

#define WIDE RIG_EXC_WIDE(EXCEPTION_DEFAULT)

/* A child that is traced with its signals as exceptions, and whose task port and exception port the tracer has. */
struct traced {
    pid_t pid;
    task_t task;
    mach_port_t port;
    struct rig_gate ready, go;
};

/* Its exit code: 1 for a SIGUSR1 that its handler got, 16 for each SIGUSR2. */
static void wait_and_tell(void *arg)
{
    struct traced *t = arg;
    rig_catch(SIGUSR1, 0);
    rig_catch(SIGUSR2, 0);
    REQUIRE_OK(rig_trace_me());
    REQUIRE_OK(rig_ptrace(PT_SIGEXC, 0, 0, 0));
    rig_gate_pass(&t->ready);
    rig_gate_wait(&t->go);
    _exit(rig_caught(SIGUSR1) + 16 * rig_caught(SIGUSR2));
}

static void take_exceptions(struct traced *t, exception_behavior_t behavior)
{
    t->task = rig_task_of(t->pid);
    t->port = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, t->task, EXC_MASK_SOFTWARE, t->port, behavior, THREAD_STATE_NONE));
}

static void start(struct traced *t)
{
    rig_gate_init(&t->ready);
    rig_gate_init(&t->go);
    t->pid = rig_spawn(wait_and_tell, t);
    rig_gate_wait(&t->ready);
}

/* The next signal of the tracee, as an exception. */
static struct rig_exception next(struct traced *t, int sig)
{
    struct rig_exception e;
    REQUIRE_KERN(rig_exc_receive(t->port, 5, &e));
    CHECK_EQ_INT(e.type, EXC_SOFTWARE);
    CHECK_EQ_INT(e.code_count, 2);
    CHECK_EQ_INT(e.code[0], EXC_SOFT_SIGNAL);
    CHECK_EQ_STR(rig_signal_name((int)e.code[1]), rig_signal_name(sig));
    CHECK_EQ_INT(e.task, t->task); /* one name for one right */
    return e;
}

/* How it ended. The stop of an exception is told by wait, too, if nobody has asked yet. */
static int last_status(pid_t pid)
{
    int status = rig_trace_wait(pid);
    while (WIFSTOPPED(status))
        status = rig_trace_wait(pid);
    return status;
}

/* Lets it run to its end and returns the exit code. */
static int finish(struct traced *t)
{
    rig_gate_pass(&t->go);
    int status = last_status(t->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

CASE(a_signal_is_an_exception)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, WIDE);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_STOPPED(t.pid, SIGUSR1); /* wait tells it as well */
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, 0));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 0); /* dropped */
}

CASE(thupdate_with_the_signal_delivers_it)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, WIDE);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, SIGUSR1));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 1);
}

CASE(thupdate_with_another_signal_delivers_that)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, WIDE);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, SIGUSR2));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 16);
}

/* Nobody has changed it: the number that issignal noted before is what it takes. */
CASE(answered_without_thupdate_it_is_delivered)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, WIDE);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 1);
}

CASE(declined_it_is_delivered)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, WIDE);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_KERN(rig_exc_answer(&e, KERN_FAILURE), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 1);
}

/* No port is set: the host's handler, which would make a SIGKILL of it, is not asked. */
CASE(without_a_port_it_is_delivered)
{
    struct traced t;
    start(&t);
    CHECK_OK(kill(t.pid, SIGUSR1));
    CHECK_EQ_INT(finish(&t), 1);
}

/* bsd_exception asks the task's port alone. */
CASE(the_threads_port_is_not_asked)
{
    struct traced t;
    thread_act_t thread;
    struct rig_exception e;
    start(&t);
    t.task = rig_task_of(t.pid);
    t.port = rig_port(true);
    REQUIRE_EQ_INT(rig_count_threads(t.task, &thread), 1);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, thread, EXC_MASK_SOFTWARE, t.port, WIDE, THREAD_STATE_NONE));
    CHECK_OK(kill(t.pid, SIGUSR1));
    CHECK_KERN(rig_exc_receive(t.port, 0.5, &e), MACH_RCV_TIMED_OUT);
    CHECK_EQ_INT(finish(&t), 1);
}

CASE(narrow_codes_carry_it_as_well)
{
    struct traced t;
    start(&t);
    take_exceptions(&t, EXCEPTION_DEFAULT);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_EQ_INT(e.behavior, EXCEPTION_DEFAULT);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, 0));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 0);
}

static void fault_at_8(void *arg)
{
    struct traced *t = arg;
    char byte;
    REQUIRE_OK(rig_trace_me());
    REQUIRE_OK(rig_ptrace(PT_SIGEXC, 0, 0, 0));
    rig_gate_pass(&t->ready);
    rig_gate_wait(&t->go);
    __asm__ volatile("movb 8, %0" : "=q"(byte) : : "memory");
}

/* A fault is EXC_BAD_ACCESS first; no port takes that, so the kernel makes SIGSEGV of it, and that comes as EXC_SOFTWARE. */
CASE(the_signal_of_a_fault_comes_too)
{
    struct traced t;
    rig_gate_init(&t.ready);
    rig_gate_init(&t.go);
    t.pid = rig_spawn(fault_at_8, &t);
    rig_gate_wait(&t.ready);
    take_exceptions(&t, WIDE);
    rig_gate_pass(&t.go);
    struct rig_exception e = next(&t, SIGSEGV);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, SIGSEGV));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_STR(rig_status_name(last_status(t.pid)), "SIGSEGV");
}

/* ---- Attached ------------------------------------------------------------------------------------------------- */

static void just_wait_and_tell(void *arg)
{
    struct traced *t = arg;
    rig_catch(SIGUSR1, 0);
    rig_catch(SIGUSR2, 0);
    rig_gate_pass(&t->ready);
    rig_gate_wait(&t->go);
    _exit(rig_caught(SIGUSR1) + 16 * rig_caught(SIGUSR2));
}

static void attach(struct traced *t)
{
    rig_gate_init(&t->ready);
    rig_gate_init(&t->go);
    t->pid = rig_spawn(just_wait_and_tell, t);
    rig_gate_wait(&t->ready);
    take_exceptions(t, WIDE);
    REQUIRE_OK(rig_ptrace(PT_ATTACHEXC, t->pid, 0, 0));
    struct rig_exception e = next(t, SIGSTOP); /* attach's own */
    CHECK_STOPPED(t->pid, SIGSTOP);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t->pid, e.thread, 0));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
}

CASE(attachexc_stops_by_an_exception)
{
    struct traced t;
    attach(&t);
    CHECK_OK(kill(t.pid, SIGUSR2));
    struct rig_exception e = next(&t, SIGUSR2);
    CHECK_OK(rig_ptrace(PT_THUPDATE, t.pid, e.thread, SIGUSR2));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 16);
}

/* PT_CONTINUE notes the signal as PT_THUPDATE does; the thread goes on when the message is answered. */
CASE(continue_notes_the_signal)
{
    struct traced t;
    attach(&t);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_OK(rig_ptrace(PT_CONTINUE, t.pid, 1, 0));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_INT(finish(&t), 0);
}

CASE(kill_request_ends_it_in_its_exception)
{
    struct traced t;
    attach(&t);
    CHECK_OK(kill(t.pid, SIGUSR1));
    struct rig_exception e = next(&t, SIGUSR1);
    CHECK_OK(rig_trace_kill(t.pid));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EQ_STR(rig_status_name(last_status(t.pid)), "SIGKILL");
}

CASE(detached_its_signals_are_signals_again)
{
    struct traced t;
    struct rig_exception e;
    attach(&t);
    CHECK_OK(kill(t.pid, SIGUSR1));
    e = next(&t, SIGUSR1);
    CHECK_STOPPED(t.pid, SIGUSR1);
    CHECK_OK(rig_ptrace(PT_DETACH, t.pid, 1, 0));
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_OK(kill(t.pid, SIGUSR2));
    CHECK_KERN(rig_exc_receive(t.port, 0.5, &e), MACH_RCV_TIMED_OUT);
    CHECK_EQ_INT(finish(&t), 16);
}
