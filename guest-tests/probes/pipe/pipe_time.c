/* pipe_time.c - what pipes cost. */
#include "bytes.h"

struct partner {
    int there[2], back[2];
};

static void echo(void *arg)
{
    struct partner *p = arg;
    close(p->there[1]);
    close(p->back[0]);
    rig_echo(p->there[0], p->back[1]);
}

static void time_round_trips(const size_t *sizes, size_t count)
{
    struct partner p;
    REQUIRE_OK(pipe(p.there));
    REQUIRE_OK(pipe(p.back));
    pid_t child = rig_spawn(echo, &p);
    rig_time_round_trips(p.there[1], p.back[0], sizes, count);
    CHECK_OK(close(p.there[1])); /* the echo ends at the end of file */
    CHECK_EXITED(child, 0);
}

CASE(time_round_trip, .deadline = 60)
{
    static const size_t sizes[] = {1};
    time_round_trips(sizes, RIG_COUNT(sizes));
}

CASE(time_round_trip_by_size, .deadline = 120)
{
    static const size_t sizes[] = {64, 512, 4096, 16384};
    time_round_trips(sizes, RIG_COUNT(sizes));
}

static void open_pipe(int fd[2]) { REQUIRE_OK(pipe(fd)); }

CASE(time_throughput, .deadline = 120)
{
    static const size_t sizes[] = {512, 4096, 65536};
    rig_time_streams(open_pipe, sizes, RIG_COUNT(sizes));
}

static void write_and_read(void *context, unsigned long n)
{
    const int *fd = context;
    char byte = 'x';
    while (n-- > 0)
        REQUIRE_QUIET(write(fd[1], &byte, 1) == 1 && read(fd[0], &byte, 1) == 1);
}

/* One process, no switch: the cost of the calls alone. */
CASE(time_write_and_read, .deadline = 60)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    rig_time("write_and_read", 1, write_and_read, fd);
    CHECK_EQ_INT(rig_drain(fd[0]), 0);
}

static void create_and_close(void *context, unsigned long n)
{
    (void)context;
    while (n-- > 0) {
        int fd[2];
        REQUIRE_QUIET(pipe(fd) == 0 && close(fd[0]) == 0 && close(fd[1]) == 0);
    }
}

CASE(time_create_and_close, .deadline = 60)
{
    rig_time("create_and_close", 0, create_and_close, NULL);
    CHECK_EQ_INT(dup(0), 3); /* none was left open */
}
