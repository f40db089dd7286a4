/* row.h - one row of the table: an exception, and the signal, si_code and si_addr that it must come as. */
#ifndef EXC_SIGNAL_ROW_H
#define EXC_SIGNAL_ROW_H

#include "fault.h"
#include "mach_support.h"

/* The fault came as this signal, si_code and si_addr. Gives both in one line: "SIGBUS code 2 at 0x1000". */
#define CHECK_ROW(fault, sig, code, address) row_check(RIG_AT(#fault), (fault), (sig), (code), (const void *)(address))
bool row_check(struct rig_at at, struct fault fault, int sig, int code, const void *address);

/* No signal came. */
#define CHECK_NO_SIGNAL(fault) row_check(RIG_AT(#fault), (fault), 0, 0, NULL)

/* A function of one instruction, for fault_of: `row_at` is where it stands, its argument is in rdi. */
extern void *volatile row_at;
#define ROW_INSTRUCTION(name, text)                                                    \
    static void name(void *arg)                                                        \
    {                                                                                  \
        void *at;                                                                      \
        __asm__ volatile("leaq 1f(%%rip), %0" : "=r"(at));                             \
        row_at = at;                                                                   \
        __asm__ volatile("1:\n\t" text : "+D"(arg) : : "rax", "rcx", "rdx", "memory", "cc"); \
    }

/* Fresh memory of one page with these rights. */
char *row_page(int rights);
size_t row_page_size(void);

/* What came after the point where it should have: `handler` with these flags, and a mask of one signal (0: none). */
void row_handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags, int masked);

#endif
