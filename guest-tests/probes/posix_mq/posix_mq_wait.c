/* posix_mq_wait.c - POSIX message queues between processes: waiting, notification, rights, and times. */
#include "queue.h"

#include <poll.h>
#include <sys/resource.h>

static void receive_one(void *arg) { CHECK_EQ_INT(queue_receive(*(mqd_t *)arg, NULL), 'w'); }

static void send_one(void *arg) { CHECK_OK(queue_send(*(mqd_t *)arg, 'w', 5)); }

static void fill(mqd_t queue)
{
    for (int i = 0; i < QUEUE_MESSAGES; i++)
        CHECK_OK(queue_send(queue, 'f', 0));
}

CASE(receive_waits_for_a_message, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    pid_t child = rig_spawn(receive_one, &queue);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(queue_send(queue, 'w', 0));
    CHECK_EXITED(child, 0);
    queue_unlink(name);
}

CASE(send_waits_for_room, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    fill(queue);
    pid_t child = rig_spawn(send_one, &queue);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(queue_receive(queue, NULL), 'f');
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(queue_receive(queue, NULL), 'w');
    queue_unlink(name);
}

static int receive_blocking(void *context) { return queue_receive(*(mqd_t *)context, NULL); }

static void receive_through_a_signal(void *arg)
{
    rig_catch(SIGUSR1, SA_RESTART);
    CHECK_EQ_INT(queue_receive(*(mqd_t *)arg, NULL), 's');
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(signal_ends_or_restarts_a_wait, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    ipc_check_interrupted(receive_blocking, &queue, 0);
    pid_t child = rig_spawn(receive_through_a_signal, &queue);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(kill(child, SIGUSR1));
    CHECK(rig_wait_blocked(child));
    CHECK_OK(queue_send(queue, 's', 0));
    CHECK_EXITED(child, 0);
    queue_unlink(name);
}

static struct timespec soon(void)
{
    struct timespec until = {0, 0};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

CASE(timed_waits, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE], text[QUEUE_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    uint64_t start = rig_now_ns();
    struct timespec until = soon();
    CHECK_ERRNO(mq_timedreceive(queue, text, sizeof text, NULL, &until), ETIMEDOUT);
    CHECK_GE_INT(rig_now_ns() - start, 15000000);
    fill(queue);
    until = soon();
    CHECK_ERRNO(mq_timedsend(queue, "t", 1, 0, &until), ETIMEDOUT);
    CHECK_EQ_INT(mq_timedreceive(queue, text, sizeof text, NULL, &until), 1); /* no wait needed, so the past will do */
    queue_unlink(name);
}

static volatile int notified_code, notified_value, notified_pid;

static void on_notice(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    notified_code = info->si_code;
    notified_value = info->si_value.sival_int;
    notified_pid = (int)info->si_pid;
}

static void ask_for_notice(mqd_t queue)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_notice;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    REQUIRE_OK(sigaction(SIGUSR1, &action, NULL));
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    event.sigev_value.sival_int = 4711;
    CHECK_OK(mq_notify(queue, &event));
}

CASE(notice_by_signal, NO_QUEUES_ON_DARWIN)
{
#ifndef __APPLE__
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    ask_for_notice(queue);
    pid_t child = rig_spawn(send_one, &queue);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(notified_code, SI_MESGQ);
    CHECK_EQ_INT(notified_value, 4711);
    CHECK_EQ_INT(notified_pid, child);
    CHECK_EQ_INT(queue_receive(queue, NULL), 'w');
    notified_code = 0;
    CHECK_OK(queue_send(queue, 'x', 0)); /* one notice for one request */
    CHECK_EQ_INT(notified_code, 0);
    queue_unlink(name);
#endif
}

static void ask_too(void *arg)
{
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR2;
    CHECK_ERRNO(mq_notify(*(mqd_t *)arg, &event), EBUSY);
}

CASE(notice_for_one_process_only, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    ask_for_notice(queue);
    CHECK_EXITED(rig_spawn(ask_too, &queue), 0);
    CHECK_OK(mq_notify(queue, NULL)); /* taken back */
    CHECK_OK(queue_send(queue, 'x', 0));
    CHECK_EQ_INT(notified_code, 0);
    queue_unlink(name);
}

CASE(queue_can_be_polled, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    struct pollfd watched = {.fd = (int)queue, .events = POLLIN | POLLOUT};
    CHECK_EQ_INT(poll(&watched, 1, 0), 1);
    CHECK_EQ_INT(watched.revents, POLLOUT);
    fill(queue);
    CHECK_EQ_INT(poll(&watched, 1, 0), 1);
    CHECK_EQ_INT(watched.revents, POLLIN);
    queue_unlink(name);
}

ROLE(answerer)
{
    REQUIRE_EQ_INT(argc, 2);
    mqd_t there = mq_open(argv[0], O_RDONLY), back = mq_open(argv[1], O_WRONLY);
    REQUIRE_OK(there);
    REQUIRE_OK(back);
    CHECK_EQ_INT(queue_receive(there, NULL), 'q');
    CHECK_OK(queue_send(back, 'a', 0));
}

CASE(unrelated_process_finds_it_by_name, NO_QUEUES_ON_DARWIN)
{
    char there_name[RIG_NAME_SIZE], back_name[RIG_NAME_SIZE];
    mqd_t there = queue_make(there_name, O_RDWR), back = queue_make(back_name, O_RDWR | O_NONBLOCK);
    const char *const args[] = {there_name, back_name, NULL};
    pid_t other = rig_exec_role("answerer", args, -1);
    CHECK_OK(queue_send(there, 'q', 0));
    CHECK_EXITED(other, 0);
    CHECK_EQ_INT(queue_receive(back, NULL), 'a');
    queue_unlink(there_name);
    queue_unlink(back_name);
}

static void as_stranger(void *arg)
{
    ipc_become_other_user();
    CHECK_ERRNO(mq_open(arg, O_RDONLY), EACCES);
    CHECK_ERRNO(mq_open(arg, O_WRONLY), EACCES);
    CHECK_ERRNO(mq_unlink(arg), EACCES);
}

CASE(other_users_need_rights, NO_QUEUES_ON_DARWIN)
{
    ipc_need_other_user();
    char name[RIG_NAME_SIZE];
    queue_make(name, O_RDWR);
    CHECK_EXITED(rig_spawn(as_stranger, name), 0);
    queue_unlink(name);
}

/* mq_overview(7): RLIMIT_MSGQUEUE counts the bytes of a user's queues. */
CASE(bytes_of_a_user_are_limited, NO_QUEUES_ON_DARWIN)
{
#ifndef __APPLE__
    char name[RIG_NAME_SIZE], second[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    struct rlimit limit = {1, 1};
    REQUIRE_OK(setrlimit(RLIMIT_MSGQUEUE, &limit));
    rig_own_posix(RIG_POSIX_MQ, rig_unique_name(second));
    CHECK_ERRNO(mq_open(second, O_RDWR | O_CREAT, 0600, NULL), EMFILE);
    CHECK_OK(mq_close(queue));
    queue_unlink(name);
#endif
}

struct pair {
    mqd_t there, back;
};

static void answer(void *arg)
{
    const struct pair *pair = arg;
    for (;;) {
        int byte = queue_receive(pair->there, NULL);
        if (byte < 0 || queue_send(pair->back, (char)byte, 0) != 0)
            return;
    }
}

static void round_trips(void *context, unsigned long n)
{
    const struct pair *pair = context;
    for (unsigned long i = 0; i < n; i++)
        if (queue_send(pair->there, 'r', 0) != 0 || queue_receive(pair->back, NULL) != 'r') {
            FAIL("a round trip");
            return;
        }
}

CASE(time_round_trip, NO_QUEUES_ON_DARWIN, .deadline = 30)
{
    char there_name[RIG_NAME_SIZE], back_name[RIG_NAME_SIZE];
    struct pair pair = {queue_make(there_name, O_RDWR), queue_make(back_name, O_RDWR)};
    pid_t child = rig_spawn(answer, &pair);
    round_trips(&pair, 16); /* the child is up and running: its start is not to be measured */
    rig_time("round_trip", 1, round_trips, &pair);
    rig_kill(child);
    queue_unlink(there_name);
    queue_unlink(back_name);
}
