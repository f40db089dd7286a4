/* signals.h - mutants of the probe signals. */
#include "mutant.h"

#include "ipc_support.h"

#include <pthread.h>
#include <sys/time.h>

static inline int mutant_kill(pid_t pid, int sig)
{
    if (MUTANT(kill_sends_nothing, "a signal sent to oneself does not come") && pid == getpid() && sig != 0)
        return 0;
    if (MUTANT(kill_reaches_the_leader_only, "a signal to a group reaches its leader alone") && pid < -1)
        return kill(-pid, sig);
    if (MUTANT(kill_zero_is_oneself, "kill of group 0 reaches this process alone") && pid == 0 && sig != 0)
        return kill(getpid(), sig);
    if (MUTANT(kill_term_is_kill, "SIGTERM cannot be blocked") && sig == SIGTERM)
        sig = SIGKILL;
    int result = kill(pid, sig);
    if (MUTANT(kill_of_nobody_is_fine, "a signal to a process that is gone succeeds") && result == -1 && errno == ESRCH)
        return 0;
    if (MUTANT(kill_without_right_is_esrch, "a signal to another's process fails with ESRCH") && result == -1 && errno == EPERM)
        return mutant_fails(ESRCH);
    return result;
}
#define kill(...) mutant_kill(__VA_ARGS__)

static inline int mutant_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    if (MUTANT(mask_block_replaces, "SIG_BLOCK forgets what was blocked before") && set && how == SIG_BLOCK)
        how = SIG_SETMASK;
    if (MUTANT(mask_unblock_keeps, "SIG_UNBLOCK leaves the signal blocked") && set && how == SIG_UNBLOCK)
        return 0;
    if (MUTANT(mask_block_does_nothing, "SIG_BLOCK blocks nothing") && set && how == SIG_BLOCK)
        return 0;
    int result = sigprocmask(how, set, old);
    if (MUTANT(mask_old_is_empty, "the mask told back is empty") && old && result == 0)
        sigemptyset(old);
    return result;
}
#define sigprocmask(...) mutant_sigprocmask(__VA_ARGS__)

static inline int mutant_sigaction(int sig, const struct sigaction *given, struct sigaction *old)
{
    struct sigaction action;
    if (given)
        action = *given;
    if (MUTANT(action_forgets_nodefer, "SA_NODEFER changes nothing") && given)
        action.sa_flags &= ~SA_NODEFER;
    if (MUTANT(action_always_nodefer, "a signal is not blocked in its own handler") && given)
        action.sa_flags |= SA_NODEFER;
    if (MUTANT(action_forgets_its_mask, "sa_mask blocks nothing") && given)
        sigemptyset(&action.sa_mask);
    if (MUTANT(action_forgets_onstack, "SA_ONSTACK changes nothing") && given)
        action.sa_flags &= ~SA_ONSTACK;
    if (MUTANT(action_forgets_nocldstop, "SIGCHLD comes for stops in spite of SA_NOCLDSTOP") && given && sig == SIGCHLD)
        action.sa_flags &= ~SA_NOCLDSTOP;
    if (MUTANT(action_ignore_is_default, "SIG_IGN is taken for SIG_DFL") && given && action.sa_handler == SIG_IGN)
        action.sa_handler = SIG_DFL;
    int result = sigaction(sig, given ? &action : NULL, old);
    if (MUTANT(action_kill_may_be_caught, "sigaction takes a handler for SIGKILL and SIGSTOP") && result == -1 &&
        (sig == SIGKILL || sig == SIGSTOP))
        return 0;
    if (MUTANT(action_tells_no_flags, "sigaction tells back no flags") && result == 0 && old)
        old->sa_flags = 0;
    return result;
}
#define sigaction(...) mutant_sigaction(__VA_ARGS__)

static inline void mutant_rig_catch(int sig, int flags)
{
    if (MUTANT(catch_always_restarts, "every interrupted call is restarted"))
        flags |= SA_RESTART;
    if (MUTANT(catch_never_restarts, "SA_RESTART changes nothing"))
        flags &= ~SA_RESTART;
    if (MUTANT(catch_forgets_resethand, "SA_RESETHAND changes nothing"))
        flags &= ~SA_RESETHAND;
    if (MUTANT(catch_forgets_nocldwait, "SA_NOCLDWAIT leaves zombies"))
        flags &= ~SA_NOCLDWAIT;
    rig_catch(sig, flags);
}
#define rig_catch(...) mutant_rig_catch(__VA_ARGS__)

static inline int mutant_sigpending(sigset_t *set)
{
    int result = rig_sigpending(set);
    if (MUTANT(pending_is_empty, "sigpending tells of nothing") && result == 0)
        sigemptyset(set);
    if (MUTANT(pending_tells_all, "sigpending tells of every signal") && result == 0)
        sigfillset(set);
    return result;
}
#define rig_sigpending(...) mutant_sigpending(__VA_ARGS__)

static inline int mutant_sigwait(const sigset_t *set, int *sig)
{
    int result = rig_sigwait(set, sig);
    if (MUTANT(sigwait_leaves_it_pending, "sigwait leaves the signal pending") && result == 0)
        raise(*sig);
    if (MUTANT(sigwait_tells_another, "sigwait tells the wrong signal") && result == 0)
        *sig += 1;
    return result;
}
#define rig_sigwait(...) mutant_sigwait(__VA_ARGS__)

static inline int mutant_sigsuspend(const sigset_t *set)
{
    int result = sigsuspend(set), saved = errno;
    if (MUTANT(sigsuspend_keeps_its_mask, "sigsuspend leaves its mask behind"))
        (sigprocmask)(SIG_SETMASK, set, NULL);
    errno = saved;
    return result;
}
#define sigsuspend(...) mutant_sigsuspend(__VA_ARGS__)

static inline int mutant_sigaltstack(const stack_t *stack, stack_t *old)
{
    int result = rig_sigaltstack(stack, old);
    if (MUTANT(altstack_change_in_use, "the alternate stack may be changed while it is in use") && result == -1 && errno == EPERM)
        return 0;
    if (MUTANT(altstack_small_is_fine, "an alternate stack of a kilobyte is taken") && result == -1 && errno == ENOMEM)
        return 0;
    if (MUTANT(altstack_use_is_hidden, "SS_ONSTACK is never told") && result == 0 && old)
        old->ss_flags &= ~SS_ONSTACK;
    return result;
}
#define rig_sigaltstack(...) mutant_sigaltstack(__VA_ARGS__)

static inline pid_t mutant_waitpid(pid_t pid, int *status, int options)
{
    if (MUTANT(waitpid_hides_stops, "waitpid tells of no stopped child"))
        options &= ~WUNTRACED;
    pid_t result = waitpid(pid, status, options);
    if (MUTANT(waitpid_loses_the_code, "every exit code is 0") && result > 0 && status && WIFEXITED(*status))
        *status = 0;
    return result;
}
#define waitpid(...) mutant_waitpid(__VA_ARGS__)

static inline int mutant_waitid(idtype_t kind, id_t id, siginfo_t *info, int options)
{
    if (MUTANT(waitid_reaps, "WNOWAIT takes the child away"))
        options &= ~WNOWAIT;
    return ipc_waitid(kind, id, info, options);
}
#define ipc_waitid(...) mutant_waitid(__VA_ARGS__)

static inline int mutant_pthread_kill(pthread_t thread, int sig)
{
    if (MUTANT(pthread_kill_is_kill, "pthread_kill sends to the process") && sig == SIGUSR1)
        return (kill)(getpid(), sig);
    return pthread_kill(thread, sig);
}
#define pthread_kill(...) mutant_pthread_kill(__VA_ARGS__)

static inline int mutant_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    if (MUTANT(pthread_mask_does_nothing, "pthread_sigmask changes nothing") && set)
        set = NULL;
    return pthread_sigmask(how, set, old);
}
#define pthread_sigmask(...) mutant_pthread_sigmask(__VA_ARGS__)

static inline int mutant_setitimer(int which, const struct itimerval *given, struct itimerval *old)
{
    struct itimerval timer = *given;
    if (MUTANT(timer_is_early, "a timer fires after half its time") && timer.it_value.tv_usec < 1000000) {
        timer.it_value.tv_usec /= 2;
        timer.it_interval.tv_usec /= 2;
    }
    if (MUTANT(timer_fires_once_only, "a timer does not repeat"))
        timer.it_interval.tv_usec = 0;
    if (MUTANT(timer_always_repeats, "a timer without an interval repeats") && timer.it_value.tv_usec > 0 && timer.it_value.tv_usec < 1000000)
        timer.it_interval = timer.it_value;
    return setitimer(which, &timer, old);
}
#define setitimer(...) mutant_setitimer(__VA_ARGS__)

static inline int mutant_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    int result = nanosleep(wanted, left);
    if (MUTANT(nanosleep_tells_nothing, "an interrupted nanosleep tells that nothing is left") && result == -1 && left)
        memset(left, 0, sizeof *left);
    return result;
}
#define nanosleep(...) mutant_nanosleep(__VA_ARGS__)
