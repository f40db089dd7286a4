/* fault.h - provoke a fault in this process, live on, and tell what signal it came as. */
#ifndef RIG_FAULT_H
#define RIG_FAULT_H

#include "rig.h"

struct fault {
    int sig; /* 0: none came */
    int code;
    void *address;
};

/* Runs provoke(arg) and stops at its first fault: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP. */
struct fault fault_of(void (*provoke)(void *arg), void *arg);

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
