/* exc_signal_stack.c - stacks: the alternate one, and the stack overflow that is an exception from the rule.
 * Source: xnu-4570 bsd/uxkern/ux_exception.c catch_mach_exception_raise (in 7195 handle_ux_exception). */
#include "mach_memory.h"
#include "row.h"
#include "sys_compat.h"

#include <setjmp.h>
#include <sys/mman.h>

enum { ALTERNATE = 1 << 17, MIB = 1 << 20 };

static char *alternate;
static volatile struct fault seen;
static volatile int runs, on_alternate;
static sigjmp_buf way_out;

static void set_alternate(void)
{
    stack_t stack;
    alternate = mmap(NULL, ALTERNATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(alternate);
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = alternate;
    stack.ss_size = ALTERNATE;
    REQUIRE_OK(rig_sigaltstack(&stack, NULL));
}

static void leave(int sig, siginfo_t *info, void *context)
{
    char here;
    seen = fault_told(sig, info, context);
    runs++;
    on_alternate = &here >= alternate && &here < alternate + ALTERNATE;
    siglongjmp(way_out, 1);
}

CASE(fault_on_the_alternate_stack)
{
    set_alternate();
    row_handle(SIGSEGV, leave, SA_ONSTACK, 0);
    if (sigsetjmp(way_out, 1) == 0)
        fault_write((void *)64);
    CHECK_ROW(seen, SIGSEGV, SEGV_MAPERR, 64);
    CHECK_EQ_INT(on_alternate, 1);
}

/* Below the main stack is memory without rights: a page where the program says how large its stack is, else all from
 * RLIMIT_STACK down to 64 MiB (bsd/kern/kern_exec.c create_unix_stack). This is its highest word. */
static char *in_the_guard(void)
{
    char here;
    mach_vm_address_t at = (mach_vm_address_t)&here;
    for (int i = 0; i < 16; i++) {
        struct rig_region region;
        REQUIRE_KERN(rig_vm_region(rig_task(), at, &region));
        if (region.address > at)
            break;
        if (region.rights == VM_PROT_NONE)
            return (char *)(region.address + region.size - 8);
        at = region.address - 1;
    }
    SKIP("no memory without rights below the stack");
}

static volatile char sink;

__attribute__((noinline)) static int deeper(int depth)
{
    volatile char frame[2048]; /* less than a page, which the guard may be */
    frame[0] = (char)depth;
    sink = frame[0];
    int below = depth > 64 * 1024 ? 0 : deeper(depth + 1); /* 128 MiB: no stack here has as much */
    __asm__ volatile("" : : "r"(frame) : "memory");        /* the frame is needed till here: no loop in its place */
    return below + frame[0];
}

/* A protection failure, but SIGSEGV: with the code of one. */
CASE(stack_overflow_is_sigsegv)
{
    char here;
    set_alternate();
    row_handle(SIGSEGV, leave, SA_ONSTACK, 0);
    row_handle(SIGBUS, leave, SA_ONSTACK, 0);
    if (sigsetjmp(way_out, 1) == 0)
        CHECK_EQ_INT(deeper(0), -1); /* never comes back */
    CHECK_ROW(seen, SIGSEGV, SEGV_ACCERR, seen.address);
    CHECK_EQ_INT(on_alternate, 1);
    CHECK_LT_INT((uintptr_t)seen.address, (uintptr_t)&here);
    CHECK_GT_INT((uintptr_t)seen.address, (uintptr_t)&here - 64 * MIB);
}

/* The rule looks at the address alone, not at the stack pointer. */
CASE(guard_of_the_stack_is_sigsegv)
{
    char *guard = in_the_guard();
    set_alternate();
    row_handle(SIGSEGV, leave, SA_ONSTACK, 0);
    if (sigsetjmp(way_out, 1) == 0)
        fault_write(guard);
    CHECK_ROW(seen, SIGSEGV, SEGV_ACCERR, guard);
    char *elsewhere = row_page(PROT_NONE);
    row_handle(SIGBUS, leave, SA_ONSTACK, 0);
    if (sigsetjmp(way_out, 1) == 0)
        fault_write(elsewhere);
    CHECK_ROW(seen, SIGBUS, BUS_ADRERR, elsewhere);
    CHECK_EQ_INT(runs, 2);
}

enum how { BY_DEFAULT, PLAIN_HANDLER, IGNORED, BLOCKED, ONSTACK_BUT_BLOCKED };

struct overflow {
    char *guard;
    enum how how;
};

static void write_to_guard(void *arg)
{
    const struct overflow *o = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    if (o->how == ONSTACK_BUT_BLOCKED)
        set_alternate();
    if (o->how == PLAIN_HANDLER || o->how == BLOCKED || o->how == ONSTACK_BUT_BLOCKED)
        row_handle(SIGSEGV, leave, o->how == ONSTACK_BUT_BLOCKED ? SA_ONSTACK : 0, 0);
    if (o->how == IGNORED)
        signal(SIGSEGV, SIG_IGN);
    if (o->how == BLOCKED || o->how == ONSTACK_BUT_BLOCKED)
        sigprocmask(SIG_BLOCK, &set, NULL);
    if (sigsetjmp(way_out, 0) == 0)
        fault_write(o->guard);
    _exit(1); /* the handler ran after all */
}

/* Whoever cannot take SIGSEGV on another stack gets the default action, whatever was set: here a blocked or ignored
 * signal does kill. */
CASE(stack_overflow_kills_who_is_not_ready)
{
    struct overflow o = {.guard = in_the_guard()};
    for (o.how = BY_DEFAULT; o.how <= ONSTACK_BUT_BLOCKED; o.how++) {
        pid_t child = rig_spawn(write_to_guard, &o);
        if (!CHECK_KILLED_BY(child, SIGSEGV))
            NOTE("way %d", o.how);
    }
}

static void trap_without_stack(void *arg)
{
    (void)arg;
    row_handle(SIGILL, leave, 0, 0);
    row_handle(SIGSEGV, leave, 0, 0);
    row_handle(SIGTRAP, leave, 0, 0);
    if (sigsetjmp(way_out, 1) == 0)
        __asm__ volatile("movl $4096, %%esp\n\tint3" : : : "memory");
    _exit(1);
}

/* No room for the handler's frame: the default action of SIGILL, whatever its handler (bsd/dev/i386/unix_signal.c sendsig,
 * "bad"). */
CASE(no_stack_for_the_handler_is_sigill)
{
    CHECK_KILLED_BY(rig_spawn(trap_without_stack, NULL), SIGILL);
}
