/* fifo_room.c - bytes in a fifo: how many it holds, atomic writes, waiting; and what it costs. */
#include "events.h"
#include "place.h"

#include <poll.h>
#include <sys/ioctl.h>

static size_t pipe_buf(int fd)
{
    long n = fpathconf(fd, _PC_PIPE_BUF);
    REQUIRE_QUIET(n > 0);
    return (size_t)n;
}

CASE(capacity)
{
    int fd[2], waiting = -1;
    fifo_make();
    fifo_open_both(fd);
#ifdef __APPLE__
    CHECK_EQ_INT(pipe_buf(fd[1]), 512); /* fifo_pathconf */
#else
    CHECK_EQ_INT(pipe_buf(fd[1]), 4096);
#endif
    size_t held = rig_fill(fd[1], pipe_buf(fd[1]));
    CHECK_EQ_INT(errno, EAGAIN);
    CHECK_GE_INT(held, pipe_buf(fd[1]));
    FACT("capacity_in_small_writes", held);
    CHECK_OK(ioctl(fd[0], FIONREAD, &waiting));
    CHECK_EQ_INT(waiting, held);
    CHECK_ERRNO(write(fd[1], "x", 1), EAGAIN);
    CHECK_EQ_INT(rig_drain(fd[0]), held);
    FACT("capacity_in_one_write", rig_fill(fd[1], 1 << 20));
}

struct writer {
    size_t size;
    int records;
    char mark;
};

static void write_records(void *arg)
{
    const struct writer *w = arg;
    int fd = open("fifo", O_WRONLY);
    char *record = malloc(w->size);
    REQUIRE_QUIET(fd >= 0 && record != NULL);
    memset(record, w->mark, w->size);
    for (int i = 0; i < w->records; i++)
        REQUIRE_QUIET(rig_write_all(fd, record, w->size));
    free(record);
}

CASE(writes_of_pipe_buf_are_atomic, .deadline = 20)
{
    enum { WRITERS = 8, RECORDS = 60 };
    pid_t child[WRITERS];
    char record[4096];
    int mixed = 0, seen = 0;
    fifo_make();
    int fd;
    REQUIRE_OK(fd = open("fifo", O_RDONLY | O_NONBLOCK));
    /* held open here too, so that no end comes before the last writer came */
    int keep;
    REQUIRE_OK(keep = open("fifo", O_WRONLY));
    struct writer w = {.size = pipe_buf(fd), .records = RECORDS};
    REQUIRE(w.size <= sizeof record);
    for (int i = 0; i < WRITERS; i++) {
        w.mark = (char)('a' + i);
        child[i] = rig_spawn(write_records, &w);
    }
    while (seen < WRITERS * RECORDS && rig_read_all(fd, record, w.size) == w.size) {
        seen++;
        for (size_t i = 1; i < w.size; i++) {
            if (record[i] != record[0]) {
                mixed++;
                break;
            }
        }
    }
    CHECK_EQ_INT(seen, WRITERS * RECORDS);
    CHECK_EQ_INT(mixed, 0);
    for (int i = 0; i < WRITERS; i++)
        CHECK_EXITED(child[i], 0);
}

static short polled(int fd, short events)
{
    struct pollfd watched = {.fd = fd, .events = events};
    REQUIRE_QUIET(poll(&watched, 1, 0) >= 0);
    return watched.revents;
}

CASE(poll_tells_readable_and_hang_up)
{
    int fd[2];
    fifo_make();
    REQUIRE_OK(fd[0] = open("fifo", O_RDONLY | O_NONBLOCK));
    FACT("poll_before_any_writer", polled(fd[0], POLLIN));
    REQUIRE_OK(fd[1] = open("fifo", O_WRONLY | O_NONBLOCK));
    CHECK_EQ_INT(polled(fd[0], POLLIN), 0);
    CHECK_EQ_INT(polled(fd[1], POLLOUT), POLLOUT);
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(polled(fd[0], POLLIN), POLLIN);
    rig_drain(fd[0]);
    CHECK_OK(close(fd[1]));
    short gone = polled(fd[0], POLLIN);
    FACT("poll_after_last_writer", gone);
    CHECK_EQ_INT(gone & POLLHUP, POLLHUP);
    REQUIRE_OK(fd[1] = open("fifo", O_WRONLY | O_NONBLOCK));
    FACT("poll_with_a_new_writer", polled(fd[0], POLLIN));
}

CASE(event_queue_tells_readable)
{
    int fd[2], queue;
    fifo_make();
    fifo_open_both(fd);
    REQUIRE_OK(queue = rig_events_open());
    REQUIRE(rig_events_watch(queue, fd[0], false, 0));
    CHECK_EQ_INT(rig_events_next(queue, 0).fd, -1);
    CHECK_EQ_INT(write(fd[1], "12345", 5), 5);
    struct rig_event event = rig_events_next(queue, 1000);
    CHECK(event.fd == fd[0] && event.readable);
#ifdef __APPLE__
    CHECK_EQ_INT(event.data, 5);
#endif
    rig_drain(fd[0]);
    CHECK_EQ_INT(rig_events_next(queue, 20).fd, -1);
}

/* xnu tests kqueue_fifo_18776047 */
CASE(event_queue_low_water, .darwin_only = true, .why = "epoll has no NOTE_LOWAT")
{
    int fd[2], queue;
    fifo_make();
    fifo_open_both(fd);
    REQUIRE_OK(queue = rig_events_open());
    REQUIRE(rig_events_watch(queue, fd[0], false, 3));
    CHECK_EQ_INT(write(fd[1], "12", 2), 2);
    CHECK_EQ_INT(rig_events_next(queue, 50).fd, -1);
    CHECK_EQ_INT(write(fd[1], "3", 1), 1);
    CHECK_EQ_INT(rig_events_next(queue, 1000).fd, fd[0]);
}

static void echo(void *arg)
{
    (void)arg;
    int from = open("there", O_RDONLY), to = open("back", O_WRONLY);
    REQUIRE_QUIET(from >= 0 && to >= 0);
    rig_echo(from, to);
}

CASE(time_round_trip, .deadline = 60)
{
    int to, from;
    fifo_place();
    REQUIRE_OK(rig_mkfifo("there", 0600));
    REQUIRE_OK(rig_mkfifo("back", 0600));
    pid_t child = rig_spawn(echo, NULL);
    REQUIRE_OK(to = open("there", O_WRONLY));
    REQUIRE_OK(from = open("back", O_RDONLY));
    static const size_t sizes[] = {1, 512, 4096};
    rig_time_round_trips(to, from, sizes, RIG_COUNT(sizes));
    CHECK_OK(close(to));
    CHECK_EXITED(child, 0);
}

static void open_blocking(int fd[2])
{
    fifo_open_both(fd);
    rig_nonblock(fd[0], false);
    rig_nonblock(fd[1], false);
}

CASE(time_throughput, .deadline = 60)
{
    static const size_t sizes[] = {512, 4096, 65536};
    fifo_make();
    rig_time_streams(open_blocking, sizes, RIG_COUNT(sizes));
}

static void open_and_close(void *context, unsigned long n)
{
    (void)context;
    while (n-- > 0) {
        int fd = open("fifo", O_WRONLY | O_NONBLOCK);
        REQUIRE_QUIET(fd >= 0 && close(fd) == 0);
    }
}

CASE(time_open_and_close, .deadline = 60)
{
    int reader;
    fifo_make();
    REQUIRE_OK(reader = open("fifo", O_RDONLY | O_NONBLOCK));
    rig_time("open_and_close", 0, open_and_close, NULL);
    CHECK_OK(close(reader));
}
