/* fault.c - see fault.h. */
#include "fault.h"

#include <setjmp.h>

static sigjmp_buf way_out;
static volatile struct fault seen;

static void note_and_leave(int sig, siginfo_t *info, void *context)
{
    (void)context;
    seen.sig = sig;
    seen.code = info->si_code;
    seen.address = info->si_addr;
    siglongjmp(way_out, 1);
}

struct fault fault_of(void (*provoke)(void *arg), void *arg)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    struct sigaction action, before[RIG_COUNT(signals)];
    memset(&action, 0, sizeof action);
    action.sa_sigaction = note_and_leave;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    seen.sig = seen.code = 0;
    seen.address = NULL;
    for (size_t i = 0; i < RIG_COUNT(signals); i++)
        REQUIRE_OK(sigaction(signals[i], &action, &before[i]));
    if (sigsetjmp(way_out, 1) == 0)
        provoke(arg);
    for (size_t i = 0; i < RIG_COUNT(signals); i++)
        sigaction(signals[i], &before[i], NULL);
    return (struct fault){seen.sig, seen.code, seen.address};
}

#ifdef __x86_64__
void fault_write(void *address) { __asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory"); }

void fault_read(void *address)
{
    char byte;
    __asm__ volatile("movb (%1), %0" : "=q"(byte) : "r"(address) : "memory");
}
#else
#error "the fault probes are written for x86_64"
#endif
