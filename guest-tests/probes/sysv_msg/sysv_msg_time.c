/* sysv_msg_time.c - what System V messages cost. */
#include "queue.h"

/* Of the largest size timed: the longest message of Darwin. Small, so that its clearing does not show in the times. */
enum { LARGEST = 2048 };
struct short_message {
    long type;
    char text[LARGEST];
};

struct link_ends {
    int there, back;
    size_t bytes;
    struct short_message message;
};

static void echo(void *arg)
{
    struct link_ends *ends = arg;
    for (;;) {
        ssize_t n = rig_msgrcv(ends->there, &ends->message, LARGEST, 0, 0);
        if (n < 0 || rig_msgsnd(ends->back, &ends->message, (size_t)n, 0) != 0)
            return;
    }
}

static void round_trips(void *context, unsigned long n)
{
    struct link_ends *ends = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_msgsnd(ends->there, &ends->message, ends->bytes, 0) == 0 &&
                      rig_msgrcv(ends->back, &ends->message, LARGEST, 0, 0) == (ssize_t)ends->bytes);
}

static void time_round_trips(const size_t *sizes, size_t count)
{
    struct link_ends ends = {.there = queue_make(), .back = queue_make(), .bytes = 1, .message = {.type = 1}};
    pid_t child = rig_spawn(echo, &ends);
    round_trips(&ends, 16); /* the child is up and running: its start is not to be measured */
    for (size_t i = 0; i < count; i++) {
        ends.bytes = sizes[i];
        rig_time("round_trip", ends.bytes, round_trips, &ends);
    }
    queue_remove(ends.there); /* ends the child, too */
    queue_remove(ends.back);
    CHECK_EXITED(child, 0);
}

CASE(time_round_trip, .deadline = 30)
{
    static const size_t sizes[] = {1};
    time_round_trips(sizes, RIG_COUNT(sizes));
}

CASE(time_round_trip_by_size, .deadline = 60)
{
    static const size_t sizes[] = {64, 512, LARGEST};
    time_round_trips(sizes, RIG_COUNT(sizes));
}

static void swallow(void *arg)
{
    struct link_ends *ends = arg;
    while (rig_msgrcv(ends->there, &ends->message, LARGEST, 0, 0) >= 0) {
    }
}

static void pour(void *context, unsigned long n)
{
    struct link_ends *ends = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_msgsnd(ends->there, &ends->message, ends->bytes, 0) == 0);
}

CASE(time_throughput, .deadline = 60)
{
    static const size_t sizes[] = {512, LARGEST};
    struct link_ends ends = {.there = queue_make(), .message = {.type = 1}};
    size_t held = queue_stat(ends.there).msg_qbytes;
    pid_t child = rig_spawn(swallow, &ends);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        ends.bytes = sizes[i];
        rig_time_rate_held("throughput", ends.bytes, held, pour, &ends);
    }
    queue_remove(ends.there);
    CHECK_EXITED(child, 0);
}

static void send_and_receive(void *context, unsigned long n)
{
    struct link_ends *ends = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_msgsnd(ends->there, &ends->message, 1, IPC_NOWAIT) == 0 &&
                      rig_msgrcv(ends->there, &ends->message, LARGEST, 0, IPC_NOWAIT) == 1);
}

CASE(time_send_and_receive, .deadline = 30)
{
    struct link_ends ends = {.there = queue_make(), .message = {.type = 1}};
    rig_time("send_and_receive", 1, send_and_receive, &ends);
    queue_remove(ends.there);
}
