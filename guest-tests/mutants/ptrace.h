/* ptrace.h - mutants of the probe ptrace. */
#include "mutant.h"

#include "tracee.h"

#include <sys/wait.h>

static inline int mutant_trace_me(void)
{
    if (MUTANT(trace_me_traces_nobody, "PT_TRACE_ME succeeds and changes nothing"))
        return 0;
    int result = rig_trace_me();
    if (MUTANT(trace_me_second_answer, "a second PT_TRACE_ME answers as the other system's"))
        return result == 0 ? rig_trace_me() == 0 ? mutant_fails(EPERM) : 0 : 0;
    return result;
}

static inline int mutant_continue(pid_t pid, int sig)
{
    if (MUTANT(continue_drops_the_signal, "a signal given to PT_CONTINUE is not delivered"))
        sig = 0;
    if (MUTANT(continue_takes_the_first_signal, "PT_CONTINUE delivers SIGUSR1 where SIGUSR2 is asked for") && sig == SIGUSR2)
        sig = SIGUSR1;
    if (MUTANT(continue_invents_a_signal, "PT_CONTINUE without a signal delivers SIGUSR1") && sig == 0)
        sig = SIGUSR1;
    int result = rig_trace_continue(pid, sig);
    if (MUTANT(continue_of_nobody_is_eperm, "PT_CONTINUE of a process that is gone fails with another errno") && result == -1 &&
        kill(pid, 0) == -1)
        return mutant_fails(EINVAL);
    if (MUTANT(continue_of_a_runner_is_fine, "PT_CONTINUE of a tracee that runs succeeds") && result == -1 && kill(pid, 0) == 0)
        return 0;
    return result;
}

static inline int mutant_step(pid_t pid, int sig)
{
    if (MUTANT(step_is_two, "a single step is two instructions")) {
        int status;
        if (rig_trace_step(pid, sig) == 0)
            waitpid(pid, &status, WUNTRACED);
    }
    if (MUTANT(step_is_none, "a single step stops before its instruction") && rig_trace_step(pid, 0) == 0) {
        kill(pid, SIGTRAP);
        return 0;
    }
    int result = rig_trace_step(pid, sig);
    if (MUTANT(step_of_a_stranger_is_fine, "PT_STEP of a process not traced succeeds") && result == -1 && kill(pid, 0) == 0)
        return 0;
    return result;
}

static inline int mutant_kill_request(pid_t pid)
{
    if (MUTANT(kill_request_continues, "PT_KILL only continues"))
        return rig_trace_continue(pid, 0);
    if (MUTANT(kill_request_terminates, "PT_KILL sends SIGTERM"))
        return rig_trace_continue(pid, SIGTERM);
    int result = rig_trace_kill(pid);
    if (MUTANT(kill_request_takes_a_stranger, "PT_KILL of a process not traced succeeds") && result == -1)
        return 0;
    return result;
}

static inline int mutant_attach(pid_t pid)
{
    int result = rig_trace_attach(pid);
    if (MUTANT(attach_twice_is_fine, "attaching to a tracee succeeds") && result == -1 && errno != ESRCH && pid != getpid())
        return 0;
    if (MUTANT(attach_to_oneself_is_fine, "attaching to oneself succeeds") && result == -1 && pid == getpid())
        return 0;
    if (MUTANT(attach_to_nobody_is_eperm, "attaching to a process that is gone fails with EPERM") && result == -1 && errno == ESRCH)
        return mutant_fails(EPERM);
    if (MUTANT(attach_leaves_it_running, "an attached process is not stopped") && result == 0) {
        int status;
        waitpid(pid, &status, WUNTRACED);
        return rig_trace_continue(pid, 0);
    }
    if (MUTANT(attach_is_not_traced, "an attached process is stopped, but not traced") && result == 0) {
        int status;
        waitpid(pid, &status, WUNTRACED);
        rig_trace_detach(pid);
        return kill(pid, SIGSTOP);
    }
    return result;
}

static inline int mutant_detach(pid_t pid)
{
    if (MUTANT(detach_keeps_it, "PT_DETACH continues, but the process stays traced"))
        return rig_trace_continue(pid, 0);
    int result = rig_trace_detach(pid);
    if (MUTANT(detach_leaves_it_stopped, "a detached process stays stopped") && result == 0)
        return kill(pid, SIGSTOP);
    if (MUTANT(detach_of_a_runner_is_fine, "PT_DETACH of a tracee that runs succeeds") && result == -1 && kill(pid, 0) == 0)
        return 0;
    return result;
}

static inline pid_t mutant_waitpid(pid_t pid, int *status, int options)
{
    pid_t got = waitpid(pid, status, options);
    if (MUTANT(stop_is_told_for_ever, "wait tells a stop as often as it is asked") && got == 0 && options & WUNTRACED) {
        *status = 0x7f | SIGUSR1 << 8;
        return pid;
    }
    if (MUTANT(stop_needs_wuntraced, "wait without WUNTRACED does not tell of a trace stop") && got > 0 && WIFSTOPPED(*status) &&
        !(options & WUNTRACED))
        return 0;
    return got;
}

static inline pid_t mutant_getppid(void)
{
    static pid_t first;
    pid_t now = getppid();
    if (!first)
        first = now;
    if (DARWIN_MUTANT(parent_stays, "a traced process keeps its parent"))
        return getpgrp(); /* the case's own process leads its group */
    if (LINUX_MUTANT(parent_is_the_tracer, "a traced process has another parent"))
        return 1;
    return now;
}

static inline int mutant_rig_tracee_stop(struct rig_at at, pid_t pid, int sig)
{
    if (MUTANT(stop_tells_another_signal, "a stop is told with the next signal's number"))
        return rig_trace_check_stopped(at, pid, sig - 1);
    return rig_trace_check_stopped(at, pid, sig);
}

static inline int mutant_caught(int sig)
{
    int count = rig_caught(sig);
    if (MUTANT(handler_runs_twice, "a signal that was passed on runs its handler twice") && count == 1)
        return 2;
    return count;
}

#define rig_trace_me() mutant_trace_me()
#define rig_trace_continue(...) mutant_continue(__VA_ARGS__)
#define rig_trace_step(...) mutant_step(__VA_ARGS__)
#define rig_trace_kill(...) mutant_kill_request(__VA_ARGS__)
#define rig_trace_attach(...) mutant_attach(__VA_ARGS__)
#define rig_trace_detach(...) mutant_detach(__VA_ARGS__)
#define rig_trace_check_stopped(...) mutant_rig_tracee_stop(__VA_ARGS__)
#define rig_caught(...) mutant_caught(__VA_ARGS__)
#define waitpid(...) mutant_waitpid(__VA_ARGS__)
#define getppid() mutant_getppid()
