/* trace.c - see trace.h. */
#include "trace.h"

#include <stdio.h>
#include <sys/utsname.h>

#ifdef __APPLE__

/* System call 26 (xnu bsd/kern/syscalls.master). The library's wrapper clears errno first. */
int rig_ptrace(int request, pid_t pid, uintptr_t address, int data)
{
    if (RIG_HAVE(ptrace)) {
        rig_via("libsystem");
        return ptrace(request, pid, (char *)address, data);
    }
    rig_via("syscall");
    return (int)rig_syscall(26, (long)request, (long)pid, (long)address, (long)data);
}

/* Address 1: go on where it is. Darwin takes no other (bsd/kern/mach_process.c ptrace). */
int rig_trace_me(void) { return rig_ptrace(PT_TRACE_ME, 0, 0, 0); }
int rig_trace_attach(pid_t pid) { return rig_ptrace(PT_ATTACH, pid, 0, 0); }
int rig_trace_detach(pid_t pid) { return rig_ptrace(PT_DETACH, pid, 0, 0); }
int rig_trace_continue(pid_t pid, int sig) { return rig_ptrace(PT_CONTINUE, pid, 1, sig); }
int rig_trace_step(pid_t pid, int sig) { return rig_ptrace(PT_STEP, pid, 1, sig); }
int rig_trace_kill(pid_t pid) { return rig_ptrace(PT_KILL, pid, 0, 0); }

#else

#include <sys/ptrace.h>

int rig_trace_me(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
int rig_trace_attach(pid_t pid) { return (int)ptrace(PTRACE_ATTACH, pid, NULL, NULL); }
int rig_trace_detach(pid_t pid) { return (int)ptrace(PTRACE_DETACH, pid, NULL, NULL); }
int rig_trace_continue(pid_t pid, int sig) { return (int)ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig); }
int rig_trace_step(pid_t pid, int sig) { return (int)ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)sig); }
int rig_trace_kill(pid_t pid) { return (int)ptrace(PTRACE_KILL, pid, NULL, NULL); }

#endif

int rig_trace_refusal(int err, int linux_err)
{
#ifdef __APPLE__
    struct utsname system;
    int major = 0, minor = 0;
    (void)linux_err;
    if (uname(&system) == 0 && sscanf(system.release, "%d.%d", &major, &minor) == 2 && major * 100 + minor >= 2004)
        return EPERM;
    return err;
#else
    (void)err;
    return linux_err;
#endif
}

int rig_trace_wait_at(struct rig_at at, pid_t pid)
{
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    for (int round = 0;; round++) {
        int status = 0;
        pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED);
        if (got == pid)
            return status;
        if (got == -1 && errno != EINTR) {
            rig_check_ok(at, true, errno);
            rig_give_up();
        }
        if (rig_now_ns() > end) {
            rig_check_got(at, false, "still running", "a change in time");
            rig_give_up();
        }
        rig_sleep_ms(round < 20 ? 0.2 : 5);
    }
}

bool rig_trace_check_stopped(struct rig_at at, pid_t pid, int sig)
{
    char got[40], want[40];
    int status = rig_trace_wait_at(at, pid);
    bool stopped = WIFSTOPPED(status);
    snprintf(want, sizeof want, "stopped by %s", rig_signal_name(sig));
    snprintf(got, sizeof got, "%s%s", stopped ? "stopped by " : "",
             stopped ? rig_signal_name(WSTOPSIG(status)) : rig_status_name(status));
    return rig_check_got(at, stopped && WSTOPSIG(status) == sig, got, want);
}
