/* fdpass_time.c - what passing descriptors costs. */
#include "passing.h"

static void pass_and_close(void *context, unsigned long n)
{
    const int *pair = context;
    while (n-- > 0) {
        send_fd(pair[0], 0);
        REQUIRE_QUIET(close(take_fds(pair[1], 1, 0).fds[0]) == 0);
    }
}

/* In one process: the cost of the calls alone, without a switch. */
CASE(time_pass_one, .deadline = 60)
{
    int pair[2];
    socket_pair(pair);
    int before = open_fds();
    rig_time("pass_one", 0, pass_and_close, pair);
    CHECK_EQ_INT(open_fds(), before);
}

static void send_back(void *arg)
{
    int *pair = arg;
    close(pair[0]);
    for (;;) {
        struct taken taken = take_fds(pair[1], 1, 0);
        if (taken.n <= 0)
            return;
        REQUIRE_QUIET(taken.count == 1);
        send_fd(pair[1], taken.fds[0]);
        close(taken.fds[0]);
    }
}

static void there_and_back(void *context, unsigned long n)
{
    int to = *(const int *)context;
    while (n-- > 0) {
        send_fd(to, 0);
        REQUIRE_QUIET(close(take_fds(to, 1, 0).fds[0]) == 0);
    }
}

CASE(time_pass_there_and_back, .deadline = 60)
{
    int pair[2];
    socket_pair(pair);
    pid_t child = rig_spawn(send_back, pair);
    CHECK_OK(close(pair[1]));
    rig_time("pass_round_trip", 0, there_and_back, pair);
    CHECK_OK(close(pair[0]));
    CHECK_EXITED(child, 0);
}
