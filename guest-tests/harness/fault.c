/* fault.c - see fault.h. */
#include "fault.h"

#include <setjmp.h>
#ifdef __APPLE__
#include <sys/ucontext.h> /* <ucontext.h> is for the calls of that name */
#else
#include <ucontext.h>
#endif

#ifndef __x86_64__
#error "the fault probes are written for x86_64"
#endif

static sigjmp_buf way_out;
static volatile struct fault seen;
static volatile sig_atomic_t seen_count;

struct fault fault_told(int sig, const siginfo_t *info, const void *context)
{
    const ucontext_t *at = context;
    struct fault fault = {.sig = sig, .code = info->si_code, .address = info->si_addr};
#ifdef __APPLE__
    fault.instruction = (void *)at->uc_mcontext->__ss.__rip;
    fault.trap = at->uc_mcontext->__es.__trapno;
    fault.error = at->uc_mcontext->__es.__err;
    fault.accessed = (uintptr_t)at->uc_mcontext->__es.__faultvaddr;
#else
    fault.instruction = (void *)at->uc_mcontext.gregs[REG_RIP];
    fault.trap = (unsigned)at->uc_mcontext.gregs[REG_TRAPNO];
    fault.error = (unsigned)at->uc_mcontext.gregs[REG_ERR];
    fault.accessed = (uintptr_t)at->uc_mcontext.gregs[REG_CR2];
#endif
    return fault;
}

static void note_and_leave(int sig, siginfo_t *info, void *context)
{
    seen = fault_told(sig, info, context);
    siglongjmp(way_out, 1);
}

static void note_first(int sig, siginfo_t *info, void *context)
{
    if (seen_count++ == 0)
        seen = fault_told(sig, info, context);
}

static const int signals[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGPIPE, SIGABRT,
#ifdef SIGEMT
                              SIGEMT
#endif
};
enum { FAULT_SIGNALS = 5 };

/* Runs provoke with that handler for the first `count` signals. */
static struct fault run(void (*handler)(int, siginfo_t *, void *), size_t count, void (*provoke)(void *), void *arg)
{
    struct sigaction action, before[RIG_COUNT(signals)];
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    seen = (struct fault){.sig = 0};
    seen_count = 0;
    for (size_t i = 0; i < count; i++)
        REQUIRE_OK(sigaction(signals[i], &action, &before[i]));
    if (sigsetjmp(way_out, 1) == 0)
        provoke(arg);
    for (size_t i = 0; i < count; i++)
        sigaction(signals[i], &before[i], NULL);
    return seen;
}

struct fault fault_of(void (*provoke)(void *arg), void *arg)
{
    return run(note_and_leave, FAULT_SIGNALS, provoke, arg);
}

struct fault fault_passed(void (*provoke)(void *arg), void *arg, int *count)
{
    struct fault fault = run(note_first, RIG_COUNT(signals), provoke, arg);
    if (count)
        *count = (int)seen_count;
    return fault;
}

void fault_write(void *address) { __asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory"); }

void fault_read(void *address)
{
    char byte;
    __asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(address) : "memory");
}
