/* row.c - see row.h. */
#include "row.h"

#include <stdio.h>
#include <sys/mman.h>

void *volatile row_at;

static void tell(char text[80], int sig, int code, const void *address)
{
    if (sig)
        snprintf(text, 80, "%s code %d at %p", rig_signal_name(sig), code, address);
    else
        snprintf(text, 80, "no signal");
}

bool row_check(struct rig_at at, struct fault fault, int sig, int code, const void *address)
{
    char got[80], want[80];
    tell(got, fault.sig, fault.code, fault.address);
    tell(want, sig, code, address);
    return rig_check_got(at, rig_streq(got, want), got, want);
}

size_t row_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

char *row_page(int rights)
{
    char *page = mmap(NULL, row_page_size(), rights, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(page);
    return page;
}

void row_handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags, int masked)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    if (masked)
        sigaddset(&action.sa_mask, masked);
    REQUIRE_OK(sigaction(sig, &action, NULL));
}
