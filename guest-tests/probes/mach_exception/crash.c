/* crash.c - exceptions that no instruction raises: a fatal signal (EXC_CRASH), a broken guard (EXC_GUARD), a signal for a
 * debugger (EXC_SOFTWARE with EXC_SOFT_SIGNAL). */
#include "kit.h"

/* ---- EXC_CRASH ---------------------------------------------------------------------------------------------------- */

/* code[0]: the signal, 8 bits; the exception it came from, 4; its code, 20 (bsd/kern/kern_exit.c proc_prepareexit). */
static int64_t crash_code(int sig, exception_type_t type, int code) { return (int64_t)sig << 24 | type << 20 | code; }

static void store(void *address) { x_store(address); }

static void send_self(void *sig) { kill(getpid(), (int)(intptr_t)sig); }

/* Receives the crash of a child, answers, and checks what it carried and how the child ended: by its signal either way. */
static void check_crash(void (*fn)(void *), void *arg, kern_return_t answer, int sig, int64_t code, int64_t subcode)
{
    struct rig_exception e;
    int pid = 0;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, EXC_MASK_CRASH, WIDE_IDENTITY, fn, arg);
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_CRASH);
    CHECK_EQ_INT(e.code_count, 2);
    CHECK_EQ_INT(e.code[0], code);
    CHECK_EQ_INT(e.code[1], subcode);
    CHECK_KERN(pid_for_task(e.task, &pid), KERN_SUCCESS);
    CHECK_EQ_INT(pid, child);
    CHECK_KERN(rig_exc_answer(&e, answer), KERN_SUCCESS);
    CHECK_KILLED_BY(child, sig);
    CHECK_QUIET(port);
}

CASE(crash_of_a_fault)
{
    char *hole = kit_hole();
    check_crash(store, hole + 3, KERN_SUCCESS, SIGSEGV, crash_code(SIGSEGV, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS),
                (intptr_t)hole + 3);
}

CASE(crash_of_a_signal)
{
    check_crash(send_self, (void *)SIGABRT, KERN_SUCCESS, SIGABRT, crash_code(SIGABRT, 0, 0), 0);
    check_crash(send_self, (void *)SIGQUIT, KERN_SUCCESS, SIGQUIT, crash_code(SIGQUIT, 0, 0), 0);
}

CASE(crash_declined_ends_the_same)
{
    check_crash(send_self, (void *)SIGABRT, KERN_FAILURE, SIGABRT, crash_code(SIGABRT, 0, 0), 0);
}

/* The task can be looked into while its crash waits: the thread stands where it faulted. */
CASE(crash_shows_the_faulting_thread)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    char *hole = kit_hole();
    pid_t child = kit_spawn_watched(port, EXC_MASK_CRASH, WIDE_STATE, store, hole);
    kit_receive(port, &e);
    CHECK_EQ_INT(RIG_EXC_STATE64(&e)->__rip, (uint64_t)x_store);
    CHECK_EQ_INT(RIG_EXC_STATE64(&e)->__rdi, (uint64_t)hole);
    RIG_EXC_STATE64(&e)->__rip += STORE_LENGTH; /* too late: a crash cannot be repaired */
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_KILLED_BY(child, SIGSEGV);
}

static void leave(void *argument)
{
    (void)argument;
    _exit(3);
}

/* Signals without a core, and an exit, are no crash. */
CASE(no_crash_without_a_core)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGUSR1};
    mach_port_t port = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(signals); i++) {
        pid_t child = kit_spawn_watched(port, EXC_MASK_CRASH, WIDE_DEFAULT, send_self, (void *)(intptr_t)signals[i]);
        CHECK_KILLED_BY(child, signals[i]);
        CHECK_QUIET(port);
    }
    pid_t child = kit_spawn_watched(port, EXC_MASK_CRASH, WIDE_DEFAULT, leave, NULL);
    CHECK_EXITED(child, 3);
    CHECK_QUIET(port);
}

/* A task that is to receive its own crash would wait for itself for ever; the kernel sees that and does not ask. */
static void crash_with_own_port(void *argument)
{
    (void)argument;
    mach_port_t own = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_CRASH, own, WIDE_DEFAULT, 0));
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_CRASH, own, WIDE_DEFAULT, 0));
    kill(getpid(), SIGABRT);
}

CASE(crash_port_of_the_own_task_is_not_asked)
{
    pid_t child = rig_spawn(crash_with_own_port, NULL);
    CHECK_KILLED_BY(child, SIGABRT);
}

/* First the fault, then, if nobody handles that, the crash: the same port is asked twice. */
CASE(fault_then_crash)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    char *hole = kit_hole();
    pid_t child = kit_spawn_watched(port, EXC_MASK_BAD_ACCESS | EXC_MASK_CRASH, WIDE_DEFAULT, store, hole);
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_BAD_ACCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_FAILURE), KERN_SUCCESS);
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_CRASH);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_KILLED_BY(child, SIGSEGV);
}

/* ---- EXC_GUARD ---------------------------------------------------------------------------------------------------- */

enum { GUARD = 0x600d }; /* fits the 32-bit form */

/* guarded_open_np, system call 441 (bsd/kern/syscalls.master); flags of bsd/sys/guarded.h */
enum { SYS_GUARDED_OPEN = 441, GUARD_CLOSE = 1, GUARD_DUP = 2, GUARD_TYPE_FD = 2, GUARD_TYPE_PORT = 1 };

/* osfmk/kern/exc_guard.h: type in the upper 3 bits, flavor in the next 29, the target in the lower half */
static int64_t guard_code(uint64_t type, uint64_t flavor, uint32_t target)
{
    return (int64_t)(type << 61 | flavor << 32 | target);
}

/* Closes a guarded descriptor. */
static void close_guarded(void *argument)
{
    uint64_t guard = GUARD;
    (void)argument;
    long fd = rig_syscall(SYS_GUARDED_OPEN, (long)"guarded", (long)&guard, GUARD_CLOSE | GUARD_DUP,
                          O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    close((int)fd);
    rig_sleep_ms(3000); /* not reached: SIGKILL comes with the return from close */
}

static void check_guard(void (*fn)(void *), exception_behavior_t behavior, kern_return_t answer, uint64_t type,
                        uint64_t flavor)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, EXC_MASK_GUARD, behavior, fn, NULL);
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_GUARD);
    CHECK_EQ_INT(e.code[1], GUARD);
    if (behavior == WIDE_DEFAULT) {
        CHECK_EQ_INT((uint64_t)e.code[0] >> 61, type);
        CHECK_EQ_INT((uint64_t)e.code[0] >> 32 & 0x1fffffff, flavor);
        CHECK_EQ_INT(e.code[0], guard_code(type, flavor, (uint32_t)e.code[0]));
    } else {
        CHECK_EQ_INT(e.code[0] >> 32, 0); /* type and flavor are lost */
    }
    CHECK_GT_INT((uint32_t)e.code[0], 2); /* the descriptor or the port's name */
    CHECK_KERN(rig_exc_answer(&e, answer), KERN_SUCCESS);
    CHECK_KILLED_BY(child, SIGKILL); /* handled or not */
}

CASE(guard_of_a_descriptor)
{
    check_guard(close_guarded, WIDE_DEFAULT, KERN_SUCCESS, GUARD_TYPE_FD, 1); /* kGUARD_EXC_CLOSE */
    check_guard(close_guarded, WIDE_DEFAULT, KERN_FAILURE, GUARD_TYPE_FD, 1);
}

CASE(guard_in_narrow_codes) { check_guard(close_guarded, EXCEPTION_DEFAULT, KERN_SUCCESS, GUARD_TYPE_FD, 1); }

/* Lets go of a guarded receive right. */
static void drop_guarded(void *argument)
{
    (void)argument;
    mach_port_t port = rig_port(false);
    REQUIRE_KERN(rig_port_guard(rig_task(), port, GUARD, true));
    mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1);
    rig_sleep_ms(3000);
}

CASE(guard_of_a_port)
{
    check_guard(drop_guarded, WIDE_DEFAULT, KERN_SUCCESS, GUARD_TYPE_PORT, 2); /* kGUARD_EXC_MOD_REFS */
}

/* ---- EXC_SOFTWARE ------------------------------------------------------------------------------------------------- */

enum { SYS_PTRACE = 26, PT_TRACE_ME = 0, PT_SIGEXC = 12, PT_THUPDATE = 13 }; /* bsd/sys/ptrace.h, in no SDK here */
static long trace(int request, pid_t pid, uintptr_t address, int data)
{
    return rig_syscall(SYS_PTRACE, request, pid, (long)address, data);
}

/* A traced process that wants its signals as exceptions. A thread-level port is not asked (bsd_exception looks at the
 * task's only): this one is the child's own, so that it would hang. */
static void signal_under_trace(void *argument)
{
    (void)argument;
    mach_port_t own = rig_port(true);
    rig_catch(SIGUSR1, 0);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_SOFTWARE, own, WIDE_DEFAULT, 0));
    REQUIRE_OK(trace(PT_TRACE_ME, 0, 0, 0));
    REQUIRE_OK(trace(PT_SIGEXC, 0, 0, 0));
    kill(getpid(), SIGUSR1);
    _exit(rig_caught(SIGUSR1));
}

CASE(soft_signal_of_a_traced_task)
{
    static const int pass_on[] = {1, 0};
    for (size_t i = 0; i < RIG_COUNT(pass_on); i++) {
        struct rig_exception e;
        int status = 0;
        mach_port_t port = rig_port(true);
        pid_t child = kit_spawn_watched(port, EXC_MASK_SOFTWARE, WIDE_DEFAULT, signal_under_trace, NULL);
        kit_receive(port, &e);
        CHECK_EQ_INT(e.type, EXC_SOFTWARE);
        CHECK_EQ_INT(e.code[0], EXC_SOFT_SIGNAL);
        CHECK_EQ_INT(e.code[1], SIGUSR1);
        CHECK_EQ_INT(waitpid(child, &status, WNOHANG), child); /* meanwhile it is stopped, as waitpid sees it */
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
        if (!pass_on[i])
            CHECK_OK(trace(PT_THUPDATE, child, e.thread, 0)); /* no signal after all */
        CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
        CHECK_EXITED(child, pass_on[i]);
    }
}
