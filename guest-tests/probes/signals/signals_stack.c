/* signals_stack.c - sigaltstack: handlers on a stack of their own. */
#include "act.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { STACK_SIZE = 1 << 17 };

static char *alternate;
static volatile int ran_on_it, seen_flags, change_error, disable_error;
static sigjmp_buf way_out;

static void look_at_stack(int sig)
{
    char here;
    stack_t now, other;
    (void)sig;
    ran_on_it = (uintptr_t)&here >= (uintptr_t)alternate && (uintptr_t)&here < (uintptr_t)alternate + STACK_SIZE;
    memset(&now, 0, sizeof now);
    rig_sigaltstack(NULL, &now);
    seen_flags = now.ss_flags;
    memset(&other, 0, sizeof other);
    other.ss_sp = alternate;
    other.ss_size = STACK_SIZE;
    change_error = rig_sigaltstack(&other, NULL) == -1 ? errno : 0;
    other.ss_flags = SS_DISABLE;
    disable_error = rig_sigaltstack(&other, NULL) == -1 ? errno : 0;
}

static void set_alternate(void)
{
    stack_t stack;
    alternate = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(alternate);
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = alternate;
    stack.ss_size = STACK_SIZE;
    REQUIRE_OK(rig_sigaltstack(&stack, NULL));
}

static void catch_with(int sig, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    REQUIRE_OK(sigaction(sig, &action, NULL));
}

/* Switching it off while it is in use: EPERM on Linux as POSIX says, EINVAL on Darwin (bsd/kern/kern_sig.c
 * sigaltstack). */
CASE(handler_runs_on_the_alternate_stack)
{
    stack_t now;
    set_alternate();
    catch_with(SIGUSR1, look_at_stack, SA_ONSTACK);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(ran_on_it, 1);
    CHECK_EQ_INT(seen_flags & SS_ONSTACK, SS_ONSTACK);
    CHECK_EQ_STR(rig_errno_name(change_error), "EPERM");
#ifdef __APPLE__
    CHECK_EQ_STR(rig_errno_name(disable_error), "EINVAL");
#else
    CHECK_EQ_STR(rig_errno_name(disable_error), "EPERM");
#endif
    memset(&now, 0, sizeof now);
    CHECK_OK(rig_sigaltstack(NULL, &now));
    CHECK_EQ_INT(now.ss_flags & SS_ONSTACK, 0); /* left again */
    CHECK_EQ_INT((intptr_t)now.ss_sp, (intptr_t)alternate);
    CHECK_EQ_INT(now.ss_size, STACK_SIZE);
}

CASE(handler_without_onstack_stays)
{
    set_alternate();
    catch_with(SIGUSR1, look_at_stack, 0);
    ran_on_it = -1;
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(ran_on_it, 0);
    CHECK_EQ_INT(seen_flags & SS_ONSTACK, 0);
}

CASE(alternate_stack_refusals)
{
    static char small[1024];
    stack_t stack, now;
    memset(&now, 0, sizeof now);
    CHECK_OK(rig_sigaltstack(NULL, &now));
    CHECK_EQ_INT(now.ss_flags, SS_DISABLE); /* none at first */
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = small;
    stack.ss_size = sizeof small;
    CHECK_ERRNO(rig_sigaltstack(&stack, NULL), ENOMEM);
    set_alternate();
    stack.ss_sp = alternate;
    stack.ss_size = STACK_SIZE;
    stack.ss_flags = 0x100;
    CHECK_ERRNO(rig_sigaltstack(&stack, NULL), EINVAL);
    stack.ss_flags = SS_DISABLE;
    CHECK_OK(rig_sigaltstack(&stack, NULL));
    catch_with(SIGUSR1, look_at_stack, SA_ONSTACK);
    ran_on_it = -1;
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(ran_on_it, 0);
}

static void leave_overflow(int sig)
{
    (void)sig;
    look_at_stack(0);
    siglongjmp(way_out, 1);
}

enum { DEEPEST = 1 << 14, FRAME = 8192, STACK_LIMIT = 8 << 20 }; /* 128 MiB: Darwin's stacks end at 64 */

/* A stack without a limit would be a hole without an end. Linux looks at the limit when the stack grows. */
static void limit_stack(void)
{
#ifndef __APPLE__
    struct rlimit limit;
    REQUIRE_OK(getrlimit(RLIMIT_STACK, &limit));
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > STACK_LIMIT) {
        limit.rlim_cur = STACK_LIMIT;
        REQUIRE_OK(setrlimit(RLIMIT_STACK, &limit));
    }
#endif
}

static volatile char sink;

__attribute__((noinline)) static int dig(int level)
{
    volatile char room[FRAME];
    room[0] = (char)level;
    sink = room[0];
    int below = level > DEEPEST ? 0 : dig(level + 1);
    __asm__ volatile("" : : "r"(room) : "memory"); /* this frame is needed till here: no loop in its place */
    return below + room[0];
}

/* SIGSEGV on both: xnu turns the SIGBUS of a guard page below the stack into one (bsd/uxkern/ux_exception.c). */
CASE(stack_overflow_is_handled_there)
{
    set_alternate();
    limit_stack();
    catch_with(SIGSEGV, leave_overflow, SA_ONSTACK);
    catch_with(SIGBUS, SIG_DFL, 0);
    if (sigsetjmp(way_out, 1) == 0) {
        dig(0);
        FAIL("the stack has no end");
    }
    CHECK_EQ_INT(ran_on_it, 1);
}

/* POSIX: the child has it, too. xnu gives a forked child a new thread's empty state (bsd/kern/kern_fork.c does not
 * copy uu_sigstk). */
static void look_at_inherited_stack(void *arg)
{
    (void)arg;
    ran_on_it = -1;
    CHECK_OK(kill(getpid(), SIGUSR1));
#ifdef __APPLE__
    NOTE("POSIX wants the alternate stack inherited; this kernel does not copy it");
    CHECK_EQ_INT(ran_on_it, 0);
#else
    CHECK_EQ_INT(ran_on_it, 1);
#endif
}

CASE(alternate_stack_over_fork)
{
    set_alternate();
    catch_with(SIGUSR1, look_at_stack, SA_ONSTACK);
    CHECK_EXITED(rig_spawn(look_at_inherited_stack, NULL), 0);
}

ROLE(without_stack)
{
    stack_t now = {0};
    CHECK_OK(rig_sigaltstack(NULL, &now));
    CHECK_EQ_INT(now.ss_flags & SS_DISABLE, SS_DISABLE);
    CHECK_EQ_INT(now.ss_flags & SS_ONSTACK, 0);
}

static void exec_with_stack(void *arg)
{
    (void)arg;
    set_alternate();
    rig_exec_role_here("without_stack", NULL);
}

CASE(exec_drops_the_alternate_stack) { CHECK_EXITED(rig_spawn(exec_with_stack, NULL), 0); }
