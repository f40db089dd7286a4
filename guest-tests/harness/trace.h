/* trace.h - ptrace, as far as Linux and Darwin both have it; the rest of Darwin's requests by number.
 *
 * Each call returns -1 and sets errno as ptrace does. A stopped process is waited for with rig_trace_wait. */
#ifndef RIG_TRACE_H
#define RIG_TRACE_H

#include "rig.h"

int rig_trace_me(void);                    /* the caller is traced by its parent from now on */
int rig_trace_attach(pid_t pid);           /* a process of its own; it is sent SIGSTOP */
int rig_trace_detach(pid_t pid);           /* it runs on, untraced */
int rig_trace_continue(pid_t pid, int sig); /* it runs on, and gets this signal; 0: none */
int rig_trace_step(pid_t pid, int sig);    /* the same for one instruction; then it stops with SIGTRAP */
int rig_trace_kill(pid_t pid);

/* Waits 5 s (scaled) for the next change of a traced process and returns its wait status; without one, a failed check
 * and the end of the case. */
#define rig_trace_wait(pid) rig_trace_wait_at(RIG_AT("stop of " #pid), (pid))
int rig_trace_wait_at(struct rig_at at, pid_t pid);
/* Waits, and checks that it stopped with this signal. */
#define CHECK_STOPPED(pid, sig) rig_trace_check_stopped(RIG_AT("stop of " #pid), (pid), (sig))
bool rig_trace_check_stopped(struct rig_at at, pid_t pid, int sig);

/* The errno of an attach that Darwin refuses for the reason `err` stands for: until 7195.81 (Darwin 20.3) that, since
 * 7195.121 (20.4) EPERM for every reason (bsd/kern/mach_process.c ptrace: err is overwritten by the authorization's
 * own answer). `linux_err` on Linux. */
int rig_trace_refusal(int err, int linux_err);

#ifdef __APPLE__
/* xnu bsd/sys/ptrace.h, which not every SDK has. */
enum {
    PT_TRACE_ME = 0,
    PT_READ_I = 1,
    PT_READ_D = 2,
    PT_READ_U = 3,
    PT_WRITE_I = 4,
    PT_WRITE_D = 5,
    PT_WRITE_U = 6,
    PT_CONTINUE = 7,
    PT_KILL = 8,
    PT_STEP = 9,
    PT_ATTACH = 10,
    PT_DETACH = 11,
    PT_SIGEXC = 12,
    PT_THUPDATE = 13,
    PT_ATTACHEXC = 14,
    PT_DENY_ATTACH = 31,
    PT_FIRSTMACH = 32,
};
extern int ptrace(int request, pid_t pid, char *address, int data) RIG_WEAK;
int rig_ptrace(int request, pid_t pid, uintptr_t address, int data);
#endif

#endif
