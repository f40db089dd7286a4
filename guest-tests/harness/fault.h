/* fault.h - provoke a fault in this process, live on, and tell what signal it came as. */
#ifndef RIG_FAULT_H
#define RIG_FAULT_H

#include "rig.h"

struct fault {
    int sig; /* 0: none came */
    int code;
    void *address;
    /* from the handler's context: */
    void *instruction;  /* where the thread goes on when the handler returns */
    unsigned trap;      /* the processor's number for it: 14 is a page fault */
    unsigned error;     /* the processor's error code for it */
    uintptr_t accessed; /* the address a page fault was about; of no meaning for other traps */
};

/* Runs provoke(arg) and stops at its first fault: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP. */
struct fault fault_of(void (*provoke)(void *arg), void *arg);

/* As fault_of, but the handler returns, so that provoke(arg) runs to its end: for signals that come with something
 * that goes on (a system call, a message, a trap behind its instruction). Also SIGSYS, SIGPIPE, SIGABRT and, where there
 * is one, SIGEMT. Tells of the first signal; *count, unless NULL, gets how many came. */
struct fault fault_passed(void (*provoke)(void *arg), void *arg, int *count);

/* The same details of a signal that came to a handler of the probe's own. */
struct fault fault_told(int sig, const siginfo_t *info, const void *context);

/* One byte at an address, written or read by an instruction that no compiler and no sanitizer sees through. */
void fault_write(void *address);
void fault_read(void *address);

/* What a store to memory without that right brings: SIGSEGV on Linux, SIGBUS on Darwin, where only an unmapped address
 * is a SIGSEGV (xnu bsd/uxkern/ux_exception.c ux_exception; measured on 20.5). */
#ifdef __APPLE__
#define FAULT_NO_RIGHT SIGBUS
#else
#define FAULT_NO_RIGHT SIGSEGV
#endif

#endif
