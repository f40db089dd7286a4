/* signals.c - masks, pending signals, handlers and their flags, waiting for signals. */
#include "act.h"

PROBE("signals", "1");

CASE(wrappers_present)
{
    const struct ipc_wrapper all[] = {
        IPC_WRAPPER(sigaction),  IPC_WRAPPER(sigprocmask), IPC_WRAPPER(sigsuspend),   IPC_WRAPPER(sigpending),
        IPC_WRAPPER(sigwait),    IPC_WRAPPER(sigaltstack), IPC_WRAPPER(kill),         IPC_WRAPPER(killpg),
        IPC_WRAPPER(raise),      IPC_WRAPPER(setitimer),   IPC_WRAPPER(pthread_kill), IPC_WRAPPER(pthread_sigmask),
    };
    ipc_check_wrappers(all, RIG_COUNT(all));
}

CASE(blocked_signal_waits)
{
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    CHECK(!act_is_pending(SIGUSR1));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK(act_is_pending(SIGUSR1));
    CHECK(!act_is_pending(SIGUSR2));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0);
    act_unblock(SIGUSR1); /* delivered before this returns */
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK(!act_is_pending(SIGUSR1));
}

CASE(unblocked_signal_comes_before_kill_returns)
{
    rig_catch(SIGUSR1, 0);
    for (int i = 1; i <= 100; i++) {
        CHECK_OK(kill(getpid(), SIGUSR1));
        REQUIRE_EQ_INT(rig_caught(SIGUSR1), i);
    }
}

CASE(raise_is_a_signal_to_oneself)
{
    rig_catch(SIGUSR1, 0);
    CHECK_OK(raise(SIGUSR1));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(standard_signals_are_not_queued)
{
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    for (int i = 0; i < 5; i++)
        CHECK_OK(kill(getpid(), SIGUSR1));
    act_unblock(SIGUSR1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(mask_calls)
{
    sigset_t set = act_set(SIGUSR1), old;
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, &old));
    CHECK_EQ_INT(sigismember(&old, SIGUSR1), 0);
    CHECK(act_is_blocked(SIGUSR1));
    set = act_set(SIGUSR2);
    CHECK_OK(sigprocmask(SIG_SETMASK, &set, &old));
    CHECK_EQ_INT(sigismember(&old, SIGUSR1), 1);
    CHECK(!act_is_blocked(SIGUSR1));
    CHECK(act_is_blocked(SIGUSR2));
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK(!act_is_blocked(SIGUSR2));
    CHECK_ERRNO(sigprocmask(12345, &set, NULL), EINVAL);
}

static volatile int depth, deepest, runs, seen_blocked;

/* Sends its own signal twice more. */
static void send_again(int sig)
{
    if (++depth > deepest)
        deepest = depth;
    if (++runs < 3)
        kill(getpid(), sig);
    depth--;
}

CASE(own_signal_is_blocked_in_its_handler)
{
    act_set_handler(SIGUSR1, send_again);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(runs, 3);
    CHECK_EQ_INT(deepest, 1); /* one after the other */
}

CASE(nodefer_lets_it_in)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = send_again;
    action.sa_flags = SA_NODEFER;
    sigemptyset(&action.sa_mask);
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(runs, 3);
    CHECK_EQ_INT(deepest, 3); /* one inside the other */
}

static void look_at_mask(int sig)
{
    (void)sig;
    seen_blocked = (act_is_blocked(SIGUSR1) ? 1 : 0) | (act_is_blocked(SIGUSR2) ? 2 : 0) | (act_is_blocked(SIGHUP) ? 4 : 0);
}

CASE(handler_mask)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = look_at_mask;
    action.sa_mask = act_set(SIGUSR2);
    CHECK_OK(sigaction(SIGUSR1, &action, NULL));
    act_block(SIGHUP); /* what was blocked stays so */
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(seen_blocked, 1 | 2 | 4);
    CHECK(!act_is_blocked(SIGUSR1)); /* and all is as before */
    CHECK(!act_is_blocked(SIGUSR2));
    CHECK(act_is_blocked(SIGHUP));
}

CASE(resethand_serves_once)
{
    struct sigaction now;
    rig_catch(SIGUSR1, SA_RESETHAND);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_OK(sigaction(SIGUSR1, NULL, &now));
    CHECK(now.sa_handler == SIG_DFL);
}

CASE(action_is_told_back)
{
    struct sigaction now, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = look_at_mask;
    action.sa_flags = SA_RESTART | SA_NODEFER;
    action.sa_mask = act_set(SIGHUP);
    CHECK_OK(sigaction(SIGUSR2, &action, NULL));
    CHECK_OK(sigaction(SIGUSR2, NULL, &now));
    CHECK(now.sa_handler == look_at_mask);
    CHECK_EQ_INT(now.sa_flags & (SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_SIGINFO | SA_ONSTACK), SA_RESTART | SA_NODEFER);
    CHECK_EQ_INT(sigismember(&now.sa_mask, SIGHUP), 1);
    CHECK_EQ_INT(sigismember(&now.sa_mask, SIGTERM), 0);
}

CASE(kill_and_stop_cannot_be_caught)
{
    static const int fixed[] = {SIGKILL, SIGSTOP};
    for (size_t i = 0; i < RIG_COUNT(fixed); i++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        sigemptyset(&action.sa_mask);
        action.sa_handler = look_at_mask;
        CHECK_ERRNO(sigaction(fixed[i], &action, NULL), EINVAL);
        action.sa_handler = SIG_IGN;
        CHECK_ERRNO(sigaction(fixed[i], &action, NULL), EINVAL);
        act_block(fixed[i]); /* no error, and no effect */
        CHECK(!act_is_blocked(fixed[i]));
    }
}

static void block_everything(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    rig_gate_pass(arg);
    act_idle(NULL);
}

CASE(kill_ends_one_who_blocks_everything)
{
    struct rig_gate ready;
    rig_gate_init(&ready);
    pid_t child = rig_spawn(block_everything, &ready);
    rig_gate_wait(&ready);
    CHECK_OK(kill(child, SIGTERM));
    rig_sleep_ms(10);
    CHECK_EQ_INT(waitpid(child, NULL, WNOHANG), 0);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
}

CASE(ignored_signal_is_dropped)
{
    act_set_handler(SIGUSR1, SIG_IGN);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK(!act_is_pending(SIGUSR1));
    rig_catch(SIGUSR1, 0);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0);
}

CASE(ignoring_drops_what_is_pending)
{
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    CHECK_OK(kill(getpid(), SIGUSR1));
    act_set_handler(SIGUSR1, SIG_IGN);
    CHECK(!act_is_pending(SIGUSR1));
    rig_catch(SIGUSR1, 0);
    act_unblock(SIGUSR1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0);
}

CASE(numbers_out_of_range)
{
    struct sigaction now;
    CHECK_ERRNO(sigaction(0, NULL, &now), EINVAL);
    CHECK_ERRNO(sigaction(1000, NULL, &now), EINVAL);
    CHECK_ERRNO(kill(getpid(), 1000), EINVAL);
    CHECK_ERRNO(kill(getpid(), -1), EINVAL);
}

static void signal_parent(void *arg)
{
    rig_gate_wait(arg);
    CHECK_OK(kill(getppid(), SIGUSR1));
}

CASE(sigsuspend_waits_and_restores_the_mask)
{
    struct rig_gate start;
    rig_gate_init(&start);
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    act_block(SIGUSR2);
    pid_t child = rig_spawn(signal_parent, &start);
    sigset_t open = act_set(SIGHUP);
    rig_gate_pass(&start);
    CHECK_ERRNO(sigsuspend(&open), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK(act_is_blocked(SIGUSR1));
    CHECK(act_is_blocked(SIGUSR2));
    CHECK(!act_is_blocked(SIGHUP));
    CHECK_EXITED(child, 0);
}

CASE(sigwait_takes_a_pending_signal)
{
    int got = 0;
    sigset_t set = act_set(SIGUSR1);
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_ERROR_IS(rig_sigwait(&set, &got), 0);
    CHECK_EQ_INT(got, SIGUSR1);
    CHECK(!act_is_pending(SIGUSR1));
    act_unblock(SIGUSR1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 0); /* taken, not handled */
}

static void wait_for_usr2(void *arg)
{
    int got = 0;
    sigset_t set = act_set(SIGUSR2);
    (void)arg;
    act_block(SIGUSR2);
    CHECK_ERROR_IS(rig_sigwait(&set, &got), 0);
    CHECK_EQ_INT(got, SIGUSR2);
}

CASE(sigwait_waits)
{
    pid_t child = rig_spawn(wait_for_usr2, NULL);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(kill(child, SIGUSR2));
    CHECK_EXITED(child, 0);
}
