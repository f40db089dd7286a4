/* exc_signal_message.c - the kernel's table from exceptions to signals, row by row: exception messages made by hand and
 * sent to the port that every exception ends at when no handler of thread and task takes it.
 *
 * That is the host's exception port. In 4570 it belongs to a thread of the kernel that receives messages as any server
 * does (bsd/uxkern/ux_exception.c ux_handler, catch_mach_exception_raise); since 4903 (Darwin 18) it is a kernel object, and
 * the same routine runs in the sender's call (osfmk/kern/ux_handler.c). Either way the thread the message names gets the
 * signal. Only root may ask for the port (osfmk/kern/ipc_host.c host_get_exception_ports takes the host's private port). */
#include "ipc_support.h"
#include "mach_threads.h"
#include "raise.h"
#include "row.h"

#include <pthread.h>

/* One message about this thread, and what came of it. */
struct sent {
    exception_type_t exception;
    int64_t code, subcode;
    kern_return_t answer;
};

static void send_it(void *arg)
{
    struct sent *sent = arg;
    sent->answer = raise_here(sent->exception, sent->code, sent->subcode);
}

/* The message is answered with success, one signal comes, and it is this one. */
#define CHECK_SENT(sig, si_code, ...) check_sent(RIG_AT(#__VA_ARGS__), (sig), (si_code), __VA_ARGS__)

static struct fault check_sent(struct rig_at at, int sig, int si_code, exception_type_t exception, int64_t code,
                               int64_t subcode)
{
    struct sent sent = {.exception = exception, .code = code, .subcode = subcode};
    int count = 0;
    struct fault got = fault_passed(send_it, &sent, &count);
    rig_check_kern(at, sent.answer, KERN_SUCCESS);
    rig_check_int(at, count, "==", sig != 0, count == (sig != 0));
    row_check(at, got, sig, si_code, got.address);
    return got;
}

#define NEEDS_ROOT .needs_root = true

CASE(message_bad_access, NEEDS_ROOT)
{
    char *page = row_page(PROT_NONE);
    CHECK_SENT(SIGSEGV, SEGV_MAPERR, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, 0x123456000);
    CHECK_SENT(SIGBUS, BUS_ADRERR, EXC_BAD_ACCESS, KERN_PROTECTION_FAILURE, (int64_t)page);
    CHECK_SENT(SIGBUS, BUS_ADRERR, EXC_BAD_ACCESS, KERN_MEMORY_ERROR, (int64_t)page);
    CHECK_SENT(SIGBUS, BUS_ADRERR, EXC_BAD_ACCESS, KERN_MEMORY_FAILURE, (int64_t)page);
    CHECK_SENT(SIGBUS, BUS_ADRERR, EXC_BAD_ACCESS, 0, 0);
    CHECK_SENT(SIGBUS, BUS_ADRERR, EXC_BAD_ACCESS, 12345, 0);
}

CASE(message_general_protection, NEEDS_ROOT)
{
    struct fault got = CHECK_SENT(SIGSEGV, 0, EXC_BAD_ACCESS, EXC_I386_GPFLT, 0);
    CHECK_EQ_INT((intptr_t)got.address, 0);
}

CASE(message_bad_instruction, NEEDS_ROOT)
{
    CHECK_SENT(SIGILL, ILL_ILLOPC, EXC_BAD_INSTRUCTION, EXC_I386_INVOP, 0);
    CHECK_SENT(SIGILL, ILL_NOOP, EXC_BAD_INSTRUCTION, EXC_I386_SEGNPFLT, 0);
    CHECK_SENT(SIGILL, ILL_NOOP, EXC_BAD_INSTRUCTION, EXC_I386_STKFLT, 0);
    CHECK_SENT(SIGILL, ILL_NOOP, EXC_BAD_INSTRUCTION, 0, 0);
}

/* The code tells the integer traps; else the subcode is the status word, and its first set flag in this order tells. */
CASE(message_arithmetic, NEEDS_ROOT)
{
    enum { INVALID = 1, DENORMAL = 2, ZERO = 4, OVERFLOW = 8, UNDERFLOW = 16, INEXACT = 32 };
    CHECK_SENT(SIGFPE, FPE_INTDIV, EXC_ARITHMETIC, EXC_I386_DIV, 0);
    CHECK_SENT(SIGFPE, FPE_INTOVF, EXC_ARITHMETIC, EXC_I386_INTO, 0);
    CHECK_SENT(SIGFPE, FPE_FLTDIV, EXC_ARITHMETIC, EXC_I386_EXTERR, ZERO);
    CHECK_SENT(SIGFPE, FPE_FLTOVF, EXC_ARITHMETIC, EXC_I386_EXTERR, OVERFLOW | INEXACT);
    CHECK_SENT(SIGFPE, FPE_FLTUND, EXC_ARITHMETIC, EXC_I386_SSEEXTERR, UNDERFLOW | INEXACT);
    CHECK_SENT(SIGFPE, FPE_FLTRES, EXC_ARITHMETIC, EXC_I386_SSEEXTERR, INEXACT);
    CHECK_SENT(SIGFPE, FPE_FLTINV, EXC_ARITHMETIC, EXC_I386_SSEEXTERR, INVALID);
    CHECK_SENT(SIGFPE, FPE_NOOP, EXC_ARITHMETIC, EXC_I386_SSEEXTERR, DENORMAL);
    CHECK_SENT(SIGFPE, FPE_NOOP, EXC_ARITHMETIC, 0, 0);
}

/* No instruction of x86 raises it: this is the one way to SIGEMT. */
CASE(message_emulation, NEEDS_ROOT) { CHECK_SENT(SIGEMT, 0, EXC_EMULATION, 0, 0); }

CASE(message_breakpoint, NEEDS_ROOT)
{
    CHECK_SENT(SIGTRAP, TRAP_BRKPT, EXC_BREAKPOINT, EXC_I386_BPT, 0);
    CHECK_SENT(SIGTRAP, TRAP_BRKPT, EXC_BREAKPOINT, EXC_I386_SGL, 0);
}

CASE(message_software_bound, NEEDS_ROOT) { CHECK_SENT(SIGTRAP, TRAP_BRKPT, EXC_SOFTWARE, EXC_I386_BOUND, 0); }

CASE(message_software_bad_syscall, NEEDS_ROOT) { CHECK_SENT(SIGSYS, 0, EXC_SOFTWARE, EXC_UNIX_BAD_SYSCALL, 0); }

CASE(message_software_bad_pipe, NEEDS_ROOT) { CHECK_SENT(SIGPIPE, 0, EXC_SOFTWARE, EXC_UNIX_BAD_PIPE, 0); }

CASE(message_software_abort, NEEDS_ROOT) { CHECK_SENT(SIGABRT, 0, EXC_SOFTWARE, EXC_UNIX_ABORT, 0); }

/* Whatever signal the subcode names: at this handler it has only one meaning. */
CASE(message_software_soft_signal, NEEDS_ROOT)
{
    static const int subcodes[] = {0, SIGUSR1, SIGKILL};
    for (size_t i = 0; i < RIG_COUNT(subcodes); i++) {
        pid_t child = raise_idle_child();
        struct raise_target target = raise_target_of(child);
        CHECK_KERN(raise_at(&target, EXC_SOFTWARE, EXC_SOFT_SIGNAL, subcodes[i]), KERN_SUCCESS);
        CHECK_KILLED_BY(child, SIGKILL);
        raise_release(&target);
    }
}

/* What has no row is answered with success, and nothing comes of it. */
CASE(message_without_a_row, NEEDS_ROOT)
{
    static const exception_type_t types[] = {0, EXC_SYSCALL, EXC_MACH_SYSCALL, EXC_RPC_ALERT, EXC_CRASH, EXC_RESOURCE,
                                             EXC_GUARD, EXC_CORPSE_NOTIFY, 14, 99, -1};
    for (size_t i = 0; i < RIG_COUNT(types); i++)
        CHECK_SENT(0, 0, types[i], 1, 0);
    CHECK_SENT(0, 0, EXC_SOFTWARE, 0, 0);
    CHECK_SENT(0, 0, EXC_SOFTWARE, EXC_SOFT_SIGNAL + 1, SIGTERM);
    CHECK_SENT(0, 0, EXC_SOFTWARE, SIGTERM, 0);
}

/* The rule for the stack goes by the address in the subcode: SIGSEGV, and for who has no alternate stack the default
 * action, whatever the handler. */
static void idle(void *arg)
{
    volatile char *here = arg;
    rig_catch(SIGSEGV, 0);
    rig_catch(SIGBUS, 0);
    here[0] = 1;
    rig_gate_pass((struct rig_gate *)(void *)(here + 16));
    for (;;)
        rig_sleep_ms(10);
}

CASE(message_about_the_stack, NEEDS_ROOT)
{
    struct {
        char here[16];
        struct rig_gate ready;
    } local;
    static const struct {
        bool in_stack;
        int code, sig;
    } rows[] = {{true, KERN_PROTECTION_FAILURE, SIGSEGV}, {true, KERN_MEMORY_ERROR, 0},
                {false, KERN_PROTECTION_FAILURE, 0}};
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        rig_gate_init(&local.ready);
        pid_t child = rig_spawn(idle, &local);
        rig_gate_wait(&local.ready);
        struct raise_target target = raise_target_of(child);
        int64_t address = rows[i].in_stack ? (int64_t)(uintptr_t)&local : 0x100000000;
        CHECK_KERN(raise_at(&target, EXC_BAD_ACCESS, rows[i].code, address), KERN_SUCCESS);
        if (rows[i].sig == 0) { /* SIGBUS for its handler: it lives */
            rig_sleep_ms(100);
            int status;
            CHECK_EQ_INT(waitpid(child, &status, WNOHANG), 0);
            rig_kill(child);
        } else {
            CHECK_KILLED_BY(child, rows[i].sig);
        }
        raise_release(&target);
        rig_gate_close(&local.ready);
    }
}

/* A signal made so obeys the mask and SIG_IGN as one of a fault does; but the thread goes on, so none is tried again. */
CASE(message_signal_blocked_or_ignored, NEEDS_ROOT)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGEMT);
    rig_catch(SIGEMT, 0);
    REQUIRE_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_KERN(raise_here(EXC_EMULATION, 0, 0), KERN_SUCCESS);
    CHECK_KERN(raise_here(EXC_EMULATION, 0, 0), KERN_SUCCESS);
    CHECK_EQ_INT(rig_caught(SIGEMT), 0);
    CHECK_OK(rig_sigpending(&pending));
    CHECK_EQ_INT(sigismember(&pending, SIGEMT), 1);
    REQUIRE_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ_INT(rig_caught(SIGEMT), 1); /* two of a kind are one */
    CHECK(signal(SIGEMT, SIG_IGN) != SIG_ERR);
    CHECK_KERN(raise_here(EXC_EMULATION, 0, 0), KERN_SUCCESS);
    CHECK_OK(rig_sigpending(&pending));
    CHECK_EQ_INT(sigismember(&pending, SIGEMT), 0);
}

CASE(message_default_action_kills, NEEDS_ROOT)
{
    static const struct {
        exception_type_t exception;
        int code, sig;
    } rows[] = {{EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, SIGSEGV},    {EXC_BAD_ACCESS, KERN_MEMORY_ERROR, SIGBUS},
                {EXC_BAD_INSTRUCTION, EXC_I386_INVOP, SIGILL},      {EXC_ARITHMETIC, EXC_I386_DIV, SIGFPE},
                {EXC_EMULATION, 0, SIGEMT},                         {EXC_BREAKPOINT, EXC_I386_BPT, SIGTRAP},
                {EXC_SOFTWARE, EXC_UNIX_BAD_SYSCALL, SIGSYS},       {EXC_SOFTWARE, EXC_UNIX_BAD_PIPE, SIGPIPE},
                {EXC_SOFTWARE, EXC_UNIX_ABORT, SIGABRT}};
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        pid_t child = raise_idle_child();
        struct raise_target target = raise_target_of(child);
        CHECK_KERN(raise_at(&target, rows[i].exception, rows[i].code, 0), KERN_SUCCESS);
        CHECK_KILLED_BY(child, rows[i].sig);
        raise_release(&target);
    }
}

static pthread_t handled_in;
static volatile bool go_on;

static void note_thread(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    handled_in = pthread_self();
    go_on = true;
}

static void *wait_for_it(void *arg)
{
    *(thread_act_t *)arg = mach_thread_self();
    rig_gate_pass((struct rig_gate *)(void *)((char *)arg + 16));
    while (!go_on)
        rig_sleep_ms(1);
    return NULL;
}

/* The thread that the message names, no other. */
CASE(message_goes_to_its_thread, NEEDS_ROOT)
{
    struct {
        thread_act_t port;
        char room[12];
        struct rig_gate started;
    } other;
    pthread_t thread;
    row_handle(SIGEMT, note_thread, 0, 0);
    rig_gate_init(&other.started);
    if (!CHECK_ERROR_IS(rig_thread_start(&thread, wait_for_it, &other), 0))
        return;
    rig_gate_wait(&other.started);
    struct raise_target target = {.thread = other.port, .task = rig_task()};
    CHECK_KERN(raise_at(&target, EXC_EMULATION, 0, 0), KERN_SUCCESS);
    CHECK_ERROR_IS(rig_thread_join(thread), 0);
    CHECK(pthread_equal(handled_in, thread));
}

/* The old form of the message. The server of 4570 knows only the new one and answers nothing else
 * (bsd/uxkern/ux_exception.c ux_handler: mach_exc_server); since 4903 the kernel serves both. */
CASE(message_with_narrow_codes, NEEDS_ROOT)
{
    bool served = ipc_darwin_major() >= 18;
    rig_catch(SIGEMT, 0);
    CHECK_KERN(raise_form_here(EXCEPTION_DEFAULT, EXC_EMULATION, 0, 0),
               served ? KERN_SUCCESS : MACH_RCV_TIMED_OUT);
    CHECK_EQ_INT(rig_caught(SIGEMT), served ? 1 : 0);
}

CASE(message_about_no_thread_is_refused, NEEDS_ROOT)
{
    mach_port_t plain = rig_port(true);
    struct raise_target bogus = {.thread = plain, .task = rig_task()};
    CHECK_KERN(raise_at(&bogus, EXC_EMULATION, 0, 0), KERN_INVALID_ARGUMENT);
    bogus.thread = MACH_PORT_NULL;
    CHECK_KERN(raise_at(&bogus, EXC_EMULATION, 0, 0), KERN_INVALID_ARGUMENT);
    bogus.thread = rig_task();
    CHECK_KERN(raise_at(&bogus, EXC_EMULATION, 0, 0), KERN_INVALID_ARGUMENT);
}

/* 4570 only gives the task's right back (catch_mach_exception_raise); 4903 and later turn it into a task first. */
CASE(message_about_no_task, NEEDS_ROOT)
{
    struct raise_target bogus = {.thread = mach_thread_self(), .task = rig_port(true)};
    bool asked = ipc_darwin_major() >= 18;
    rig_catch(SIGEMT, 0);
    CHECK_KERN(raise_at(&bogus, EXC_EMULATION, 0, 0), asked ? KERN_INVALID_ARGUMENT : KERN_SUCCESS);
    CHECK_EQ_INT(rig_caught(SIGEMT), asked ? 0 : 1);
}

/* The handler takes no state: the two other forms are refused, in every version. Up to Darwin 17 it is a thread that
 * gives MIG's server a reply buffer too small for those forms (bsd/uxkern/ux_exception.c ux_handler: rep_msg), so that
 * the refusal writes past it, on the kernel's stack. */
CASE(message_with_a_state_is_refused, NEEDS_ROOT)
{
    if (ipc_darwin_major() < 18)
        DANGEROUS("the kernel's reply buffer is too small for a state form");
    rig_catch(SIGEMT, 0);
    CHECK_KERN(raise_form_here(RIG_EXC_WIDE(EXCEPTION_STATE), EXC_EMULATION, 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(raise_form_here(RIG_EXC_WIDE(EXCEPTION_STATE_IDENTITY), EXC_EMULATION, 0, 0),
               KERN_INVALID_ARGUMENT);
    CHECK_EQ_INT(rig_caught(SIGEMT), 0);
}

/* Without root's port to the host there is no way to the handler: the port all have only names the host. */
static void ask_as_other(void *arg)
{
    (void)arg;
    ipc_become_other_user();
    mach_port_t port = MACH_PORT_NULL;
    kern_return_t answer = raise_find_port(&port);
    CHECK_NE_INT(answer, KERN_SUCCESS);
    CHECK_EQ_INT(port, MACH_PORT_NULL);
}

CASE(port_is_for_root_alone, NEEDS_ROOT)
{
    ipc_need_other_user();
    CHECK_EXITED(rig_spawn(ask_as_other, NULL), 0);
}
