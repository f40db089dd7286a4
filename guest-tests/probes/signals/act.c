/* act.c - see act.h. */
#include "act.h"

struct act_info act_info;

sigset_t act_set(int sig)
{
    sigset_t set;
    sigemptyset(&set);
    if (sig > 0)
        sigaddset(&set, sig);
    return set;
}

void act_block(int sig)
{
    sigset_t set = act_set(sig);
    REQUIRE_OK(sigprocmask(SIG_BLOCK, &set, NULL));
}

void act_unblock(int sig)
{
    sigset_t set = act_set(sig);
    REQUIRE_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

bool act_is_pending(int sig)
{
    sigset_t set = act_set(0);
    REQUIRE_OK(rig_sigpending(&set));
    return sigismember(&set, sig) == 1;
}

bool act_is_blocked(int sig)
{
    sigset_t set = act_set(0);
    REQUIRE_OK(sigprocmask(SIG_BLOCK, NULL, &set));
    return sigismember(&set, sig) == 1;
}

static void keep(int sig, siginfo_t *info, void *context)
{
    (void)context;
    act_info.sig = sig;
    act_info.code = info->si_code;
    act_info.pid = (int)info->si_pid;
    act_info.uid = (long)info->si_uid;
    act_info.status = info->si_status;
    act_info.count = act_info.count + 1;
}

void act_keep_info(int sig, int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = keep;
    action.sa_flags = flags | SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    act_info.count = 0;
    REQUIRE_OK(sigaction(sig, &action, NULL));
}

void act_set_handler(int sig, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    REQUIRE_OK(sigaction(sig, &action, NULL));
}

void act_wait_for(int sig)
{
    int before = act_info.count + rig_caught(sig);
    sigset_t open;
    REQUIRE_OK(sigprocmask(SIG_BLOCK, NULL, &open));
    sigdelset(&open, sig);
    while (act_info.count + rig_caught(sig) == before)
        sigsuspend(&open);
}

/* Known before any fork: a child that looks for its parent first may find it gone already. */
static pid_t case_process;
__attribute__((constructor)) static void note_case_process(void) { case_process = getpid(); }

void act_idle(void *arg)
{
    (void)arg;
    while (getppid() == case_process)
        rig_sleep_ms(20);
}
