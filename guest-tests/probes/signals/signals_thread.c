/* signals_thread.c - signals and threads. */
#include "act.h"

#include <pthread.h>

static _Atomic int handled_by; /* 1 main, 2 worker */
static pthread_t main_thread;

static void note_thread(int sig)
{
    (void)sig;
    handled_by = pthread_equal(pthread_self(), main_thread) ? 1 : 2;
}

struct worker {
    struct rig_gate ready, go_on;
    int block; /* a signal the worker blocks; 0: none */
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    sigset_t set = act_set(worker->block);
    if (worker->block)
        CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    rig_gate_pass(&worker->ready);
    rig_gate_wait(&worker->go_on);
    return NULL;
}

static void start_worker(struct worker *worker)
{
    main_thread = pthread_self();
    rig_gate_init(&worker->ready);
    rig_gate_init(&worker->go_on);
    REQUIRE(pthread_create(&worker->thread, NULL, work, worker) == 0);
    rig_gate_wait(&worker->ready);
}

static void end_worker(struct worker *worker)
{
    rig_gate_pass(&worker->go_on);
    CHECK_ERROR_IS(pthread_join(worker->thread, NULL), 0);
}

static void wait_until_handled(void)
{
    for (int i = 0; i < 2000 && handled_by == 0; i++)
        rig_sleep_ms(rig_patience(0.001) * 1000);
}

CASE(pthread_kill_reaches_that_thread)
{
    struct worker worker = {.block = 0};
    act_set_handler(SIGUSR1, note_thread);
    start_worker(&worker);
    CHECK_ERROR_IS(pthread_kill(worker.thread, SIGUSR1), 0);
    wait_until_handled();
    CHECK_EQ_INT(handled_by, 2);
    CHECK_ERROR_IS(pthread_kill(worker.thread, 0), 0);
    CHECK_ERROR_IS(pthread_kill(worker.thread, 1000), EINVAL);
    end_worker(&worker);
}

CASE(pthread_kill_reaches_oneself)
{
    main_thread = pthread_self();
    act_set_handler(SIGUSR1, note_thread);
    CHECK_ERROR_IS(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ_INT(handled_by, 1);
}

CASE(process_signal_goes_to_a_thread_that_takes_it)
{
    struct worker worker = {.block = SIGUSR1};
    act_set_handler(SIGUSR1, note_thread);
    start_worker(&worker);
    CHECK_OK(kill(getpid(), SIGUSR1));
    wait_until_handled();
    CHECK_EQ_INT(handled_by, 1);
    end_worker(&worker);
}

CASE(masks_are_each_threads_own)
{
    struct worker worker = {.block = SIGUSR2};
    sigset_t set = act_set(SIGUSR1), now = act_set(0);
    act_set_handler(SIGUSR1, note_thread);
    start_worker(&worker);
    CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    CHECK_EQ_INT(sigismember(&now, SIGUSR1), 1);
    CHECK_EQ_INT(sigismember(&now, SIGUSR2), 0); /* the worker's affair */
    CHECK_OK(kill(getpid(), SIGUSR1));
    wait_until_handled();
    CHECK_EQ_INT(handled_by, 2);
    end_worker(&worker);
}

static void *look_at_inherited_mask(void *arg)
{
    sigset_t now = act_set(0);
    (void)arg;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    return sigismember(&now, SIGUSR1) == 1 ? arg : NULL;
}

CASE(thread_inherits_the_mask)
{
    pthread_t thread;
    void *result = NULL;
    int mark;
    sigset_t set = act_set(SIGUSR1);
    CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    REQUIRE(pthread_create(&thread, NULL, look_at_inherited_mask, &mark) == 0);
    CHECK_ERROR_IS(pthread_join(thread, &result), 0);
    CHECK(result == &mark);
}

static void *wait_for_hup(void *arg)
{
    int got = 0;
    sigset_t set = act_set(SIGHUP);
    rig_gate_pass(arg);
    return rig_sigwait(&set, &got) == 0 && got == SIGHUP ? arg : NULL;
}

CASE(sigwait_in_a_thread)
{
    pthread_t thread;
    void *result = NULL;
    struct rig_gate ready;
    sigset_t set = act_set(SIGHUP);
    rig_gate_init(&ready);
    CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    REQUIRE(pthread_create(&thread, NULL, wait_for_hup, &ready) == 0);
    rig_gate_wait(&ready);
    rig_sleep_ms(5);
    CHECK_OK(kill(getpid(), SIGHUP));
    CHECK_ERROR_IS(pthread_join(thread, &result), 0);
    CHECK(result == &ready);
}

static void *return_mark(void *arg) { return arg; }

static void use_a_thread(void *arg)
{
    pthread_t thread;
    void *result = NULL;
    REQUIRE(pthread_create(&thread, NULL, return_mark, arg) == 0);
    CHECK_ERROR_IS(pthread_join(thread, &result), 0);
    CHECK(result == arg);
}

CASE(thread_in_a_forked_child)
{
    int mark;
    CHECK_EXITED(rig_spawn(use_a_thread, &mark), 0);
}

/* The process is one of its own making, not a forked copy: says it is ready by a byte, then waits in two threads. */
ROLE(two_threads)
{
    REQUIRE_EQ_INT(argc, 1);
    struct worker worker = {.block = 0};
    start_worker(&worker);
    CHECK_EQ_INT(write((int)strtol(argv[0], NULL, 10), "r", 1), 1);
    pthread_join(worker.thread, NULL); /* till killed, or till nobody passes the worker's gate */
}

CASE(deadly_signal_ends_all_threads)
{
    int fd[2];
    char number[16];
    REQUIRE_OK(pipe(fd));
    snprintf(number, sizeof number, "%d", fd[1]);
    const char *const args[] = {number, NULL};
    pid_t other = rig_exec_role("two_threads", args, fd[1]);
    close(fd[1]);
    REQUIRE(rig_wait_readable(fd[0]));
    CHECK_OK(kill(other, SIGTERM));
    CHECK_KILLED_BY(other, SIGTERM);
}
