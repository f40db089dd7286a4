/* signals_time.c - timers that send signals; queued and realtime signals; kqueue's count; what a delivery costs. */
#include "act.h"

#ifdef __APPLE__
#include <sys/event.h>
#endif

static struct itimerval timer_of(long first_us, long then_us)
{
    struct itimerval timer = {{then_us / 1000000, (int)(then_us % 1000000)}, {first_us / 1000000, (int)(first_us % 1000000)}};
    return timer;
}

CASE(timer_fires_once)
{
    struct itimerval timer = timer_of(20000, 0), left;
    rig_catch(SIGALRM, 0);
    act_block(SIGALRM);
    uint64_t start = rig_now_ns();
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
    act_wait_for(SIGALRM);
    CHECK_GE_INT(rig_now_ns() - start, 19000000);
    CHECK_EQ_INT(rig_caught(SIGALRM), 1);
    timer = timer_of(0, 0);
    CHECK_OK(setitimer(ITIMER_REAL, &timer, &left));
    CHECK_EQ_INT(left.it_value.tv_sec, 0); /* it had stopped itself */
    CHECK_EQ_INT(left.it_value.tv_usec, 0);
}

CASE(timer_repeats)
{
    enum { TIMES = 4 };
    struct itimerval timer = timer_of(5000, 5000), off = timer_of(0, 0), left;
    rig_catch(SIGALRM, 0);
    act_block(SIGALRM);
    uint64_t start = rig_now_ns();
    CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
    while (rig_caught(SIGALRM) < TIMES)
        act_wait_for(SIGALRM);
    CHECK_GE_INT(rig_now_ns() - start, 15000000); /* some may have run together, none came early */
    CHECK_OK(setitimer(ITIMER_REAL, &off, &left));
    CHECK_EQ_INT(left.it_interval.tv_usec, 5000);
}

/* Works until the signal comes; a deadline ends the case if it never does. */
static void work_until(int which, int sig)
{
    struct itimerval timer = timer_of(20000, 0);
    rig_catch(sig, 0);
    CHECK_OK(setitimer(which, &timer, NULL));
    while (rig_caught(sig) == 0)
        continue;
    CHECK_EQ_INT(rig_caught(sig), 1);
}

CASE(timer_of_processor_time)
{
    work_until(ITIMER_VIRTUAL, SIGVTALRM);
    work_until(ITIMER_PROF, SIGPROF);
}

CASE(timer_refusals)
{
    struct itimerval timer = timer_of(1000, 0);
    CHECK_ERRNO(setitimer(12345, &timer, NULL), EINVAL);
    timer.it_value.tv_usec = 1000000;
    CHECK_ERRNO(setitimer(ITIMER_REAL, &timer, NULL), EINVAL);
    timer.it_value.tv_usec = -1;
    CHECK_ERRNO(setitimer(ITIMER_REAL, &timer, NULL), EINVAL);
}

CASE(alarm_tells_what_was_left)
{
    CHECK_EQ_INT(alarm(100), 0);
    unsigned left = alarm(50);
    CHECK_GE_INT(left, 99);
    CHECK_LE_INT(left, 100);
    left = alarm(0);
    CHECK_GE_INT(left, 49);
    CHECK_LE_INT(left, 50);
    CHECK_EQ_INT(alarm(0), 0);
}

static void look_for_a_timer(void *arg)
{
    (void)arg;
    CHECK_EQ_INT(alarm(0), 0);
}

CASE(timer_is_not_inherited)
{
    CHECK_EQ_INT(alarm(100), 0);
    CHECK_EXITED(rig_spawn(look_for_a_timer, NULL), 0);
    CHECK_GE_INT(alarm(0), 1);
}

ROLE(with_timer)
{
    struct itimerval left, soon = {.it_value = {0, 10000}};
    rig_catch(SIGALRM, 0);
    CHECK_OK(setitimer(ITIMER_REAL, &soon, &left)); /* now it is this program's own */
    CHECK_GT_INT(left.it_value.tv_sec, 90);
    CHECK_LE_INT(left.it_value.tv_sec, 100);
    CHECK_EQ_INT(left.it_interval.tv_sec, 7);
    for (int i = 0; i < 400 && rig_caught(SIGALRM) == 0; i++)
        rig_sleep_ms(rig_patience(5));
    CHECK_EQ_INT(rig_caught(SIGALRM), 1);
}

static void exec_with_timer(void *arg)
{
    struct itimerval timer = {.it_value = {100, 0}, .it_interval = {7, 0}};
    (void)arg;
    REQUIRE_OK(setitimer(ITIMER_REAL, &timer, NULL));
    rig_exec_role_here("with_timer", NULL);
}

CASE(timer_goes_on_over_exec) { CHECK_EXITED(rig_spawn(exec_with_timer, NULL), 0); }

#define NO_REALTIME .linux_only = true, .why = "Darwin has no realtime signals, no sigqueue, no sigtimedwait"

CASE(sigqueue_carries_a_value, NO_REALTIME)
{
#ifndef __APPLE__
    siginfo_t info;
    sigset_t set = act_set(SIGUSR1);
    act_block(SIGUSR1);
    union sigval value = {.sival_int = 4711};
    CHECK_OK(sigqueue(getpid(), SIGUSR1, value));
    CHECK_EQ_INT(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ_INT(info.si_code, SI_QUEUE);
    CHECK_EQ_INT(info.si_value.sival_int, 4711);
    CHECK_EQ_INT(info.si_pid, getpid());
#endif
}

CASE(realtime_signals_are_queued, NO_REALTIME)
{
#ifndef __APPLE__
    siginfo_t info;
    int sig = SIGRTMIN + 2;
    sigset_t set = act_set(sig);
    act_block(sig);
    for (int i = 0; i < 5; i++) {
        union sigval value = {.sival_int = i};
        CHECK_OK(sigqueue(getpid(), sig, value));
    }
    for (int i = 0; i < 5; i++) {
        CHECK_EQ_INT(sigwaitinfo(&set, &info), sig);
        CHECK_EQ_INT(info.si_value.sival_int, i);
    }
    CHECK(!act_is_pending(sig));
#endif
}

CASE(lowest_realtime_signal_first, NO_REALTIME)
{
#ifndef __APPLE__
    siginfo_t info;
    sigset_t set = act_set(0);
    for (int i = 0; i < 3; i++) {
        sigaddset(&set, SIGRTMIN + i);
        act_block(SIGRTMIN + i);
    }
    for (int i = 2; i >= 0; i--)
        CHECK_OK(kill(getpid(), SIGRTMIN + i));
    for (int i = 0; i < 3; i++)
        CHECK_EQ_INT(sigwaitinfo(&set, &info), SIGRTMIN + i);
#endif
}

CASE(sigtimedwait_gives_up, NO_REALTIME)
{
#ifndef __APPLE__
    siginfo_t info;
    sigset_t set = act_set(SIGUSR1);
    struct timespec wait = {0, 20000000};
    act_block(SIGUSR1);
    uint64_t start = rig_now_ns();
    CHECK_ERRNO(sigtimedwait(&set, &info, &wait), EAGAIN);
    CHECK_GE_INT(rig_now_ns() - start, 19000000);
#endif
}

/* EVFILT_SIGNAL counts every sending, also of a signal that is ignored (kqueue(2)). */
CASE(kqueue_counts_signals, .darwin_only = true, .why = "kqueue is Darwin's")
{
#ifdef __APPLE__
    struct kevent change, event;
    struct timespec at_once = {0, 0};
    int queue = kqueue();
    REQUIRE_OK(queue);
    act_set_handler(SIGUSR1, SIG_IGN);
    EV_SET(&change, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
    CHECK_OK(kevent(queue, &change, 1, NULL, 0, NULL));
    CHECK_EQ_INT(kevent(queue, NULL, 0, &event, 1, &at_once), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(kevent(queue, NULL, 0, &event, 1, &at_once), 1);
    CHECK_EQ_INT(event.ident, SIGUSR1);
    CHECK_EQ_INT(event.filter, EVFILT_SIGNAL);
    CHECK_EQ_INT(event.data, 3);
    CHECK_EQ_INT(kevent(queue, NULL, 0, &event, 1, &at_once), 0);
#endif
}

static void send_to_self(void *context, unsigned long n)
{
    (void)context;
    for (unsigned long i = 0; i < n; i++)
        kill(getpid(), SIGUSR1);
}

CASE(time_kill_and_handler, .deadline = 30)
{
    rig_catch(SIGUSR1, 0);
    rig_time("kill_and_handler", 0, send_to_self, NULL);
    CHECK_GE_INT(rig_caught(SIGUSR1), rig_batches());
}

static void install(void *context, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        sigaction(SIGUSR2, context, NULL);
}

CASE(time_sigaction, .deadline = 30)
{
    struct sigaction action;
    rig_catch(SIGUSR2, 0);
    CHECK_OK(sigaction(SIGUSR2, NULL, &action));
    rig_time("sigaction", 0, install, &action);
}

static void block_and_unblock(void *context, unsigned long n)
{
    (void)context;
    sigset_t set = act_set(SIGUSR1);
    for (unsigned long i = 0; i < n; i++) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
}

CASE(time_block_and_unblock, .deadline = 30)
{
    rig_time("block_and_unblock", 0, block_and_unblock, NULL);
    CHECK(!act_is_blocked(SIGUSR1));
}

/* Two processes: each waits in sigsuspend for the other's signal. */
static void answer(void *arg)
{
    (void)arg;
    for (pid_t parent = getppid();;) {
        act_wait_for(SIGUSR1);
        if (kill(parent, SIGUSR1) != 0)
            return;
    }
}

static void ping_pong(void *context, unsigned long n)
{
    pid_t child = *(pid_t *)context;
    for (unsigned long i = 0; i < n; i++) {
        kill(child, SIGUSR1);
        act_wait_for(SIGUSR1);
    }
}

CASE(time_ping_pong, .deadline = 30)
{
    rig_catch(SIGUSR1, 0);
    act_block(SIGUSR1);
    pid_t child = rig_spawn(answer, NULL);
    ping_pong(&child, 16); /* the child is up and running: its start is not to be measured */
    rig_time("ping_pong", 0, ping_pong, &child);
    rig_kill(child);
    CHECK_GE_INT(rig_caught(SIGUSR1), rig_batches());
}
