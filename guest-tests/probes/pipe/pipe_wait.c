/* pipe_wait.c - waiting for a pipe: blocked calls, signals in them, poll, select, and the system's event queue. */
#include "bytes.h"
#include "events.h"

#include <poll.h>
#include <sys/select.h>

struct sleeper {
    int fd[2];
    struct rig_gate ready;
    int flags;        /* for the signal's handler */
    size_t room;      /* a pipe held before it was full */
};

static void read_until_end(void *arg)
{
    struct sleeper *s = arg;
    char byte;
    CHECK_OK(close(s->fd[1]));
    rig_gate_pass(&s->ready);
    CHECK_EQ_INT(read(s->fd[0], &byte, 1), 0);
}

CASE(blocked_reader_sees_the_end)
{
    struct sleeper s = {.flags = 0};
    REQUIRE_OK(pipe(s.fd));
    rig_gate_init(&s.ready);
    pid_t child = rig_spawn(read_until_end, &s);
    rig_gate_wait(&s.ready);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(close(s.fd[1]));
    CHECK_EXITED(child, 0);
}

static void read_one(void *arg)
{
    struct sleeper *s = arg;
    char byte = 0;
    rig_gate_pass(&s->ready);
    CHECK_EQ_INT(read(s->fd[0], &byte, 1), 1);
    CHECK_EQ_INT(byte, 'x');
}

CASE(blocked_reader_gets_the_byte)
{
    struct sleeper s = {.flags = 0};
    REQUIRE_OK(pipe(s.fd));
    rig_gate_init(&s.ready);
    pid_t child = rig_spawn(read_one, &s);
    rig_gate_wait(&s.ready);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(write(s.fd[1], "x", 1), 1);
    CHECK_EXITED(child, 0);
}

static void write_one(void *arg)
{
    struct sleeper *s = arg;
    close(s->fd[0]); /* so that the parent's is the last reader */
    rig_nonblock(s->fd[1], false);
    rig_gate_pass(&s->ready);
    CHECK_EQ_INT(write(s->fd[1], "x", 1), 1);
}

CASE(blocked_writer_goes_on_when_there_is_room)
{
    struct sleeper s = {.flags = 0};
    static char bytes[65536];
    REQUIRE_OK(pipe(s.fd));
    rig_gate_init(&s.ready);
    s.room = rig_fill(s.fd[1], 512);
    pid_t child = rig_spawn(write_one, &s);
    rig_gate_wait(&s.ready);
    CHECK(rig_wait_blocked(child));
    size_t taken = rig_read_all(s.fd[0], bytes, s.room < sizeof bytes ? s.room : sizeof bytes);
    CHECK_GT_INT(taken, 0);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(rig_drain(s.fd[0]), s.room - taken + 1);
}

CASE(blocked_writer_dies_with_the_last_reader)
{
    struct sleeper s = {.flags = 0};
    REQUIRE_OK(pipe(s.fd));
    rig_gate_init(&s.ready);
    rig_fill(s.fd[1], 512);
    pid_t child = rig_spawn(write_one, &s);
    rig_gate_wait(&s.ready);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(close(s.fd[0]));
    CHECK_KILLED_BY(child, SIGPIPE);
}

static void read_interrupted(void *arg)
{
    struct sleeper *s = arg;
    char byte = 0;
    rig_catch(SIGUSR1, s->flags);
    rig_gate_pass(&s->ready);
    if (s->flags & SA_RESTART)
        CHECK_EQ_INT(read(s->fd[0], &byte, 1), 1);
    else
        CHECK_ERRNO(read(s->fd[0], &byte, 1), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

static pid_t blocked_with_handler(struct sleeper *s, void (*fn)(void *), int flags)
{
    s->flags = flags;
    rig_gate_init(&s->ready);
    pid_t child = rig_spawn(fn, s);
    rig_gate_wait(&s->ready);
    rig_interrupt(child, SIGUSR1);
    return child;
}

CASE(signal_interrupts_a_blocked_read)
{
    struct sleeper s;
    REQUIRE_OK(pipe(s.fd));
    CHECK_EXITED(blocked_with_handler(&s, read_interrupted, 0), 0);
}

CASE(sa_restart_resumes_a_blocked_read)
{
    struct sleeper s;
    REQUIRE_OK(pipe(s.fd));
    pid_t child = blocked_with_handler(&s, read_interrupted, SA_RESTART);
    CHECK(rig_wait_blocked(child)); /* back in read() */
    CHECK_EQ_INT(write(s.fd[1], "x", 1), 1);
    CHECK_EXITED(child, 0);
}

static void write_interrupted(void *arg)
{
    struct sleeper *s = arg;
    rig_catch(SIGUSR1, s->flags);
    rig_nonblock(s->fd[1], false);
    rig_gate_pass(&s->ready);
    CHECK_ERRNO(write(s->fd[1], "x", 1), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(signal_interrupts_a_blocked_write)
{
    struct sleeper s;
    REQUIRE_OK(pipe(s.fd));
    rig_fill(s.fd[1], 512);
    CHECK_EXITED(blocked_with_handler(&s, write_interrupted, 0), 0);
}

static void write_too_much(void *arg)
{
    enum { SIZE = 1 << 20 };
    struct sleeper *s = arg;
    /* not from malloc(): in a forked child, one Darwin image's cannot map new memory */
    static char bytes[SIZE];
    rig_catch(SIGUSR1, s->flags);
    rig_gate_pass(&s->ready);
    ssize_t n = write(s->fd[1], bytes, SIZE);
    CHECK_GT_INT(n, 0); /* what went in is told, not EINTR */
    CHECK_LT_INT(n, SIZE);
}

CASE(interrupted_write_tells_what_it_wrote)
{
    struct sleeper s;
    REQUIRE_OK(pipe(s.fd));
    CHECK_EXITED(blocked_with_handler(&s, write_too_much, 0), 0);
}

static short polled(int fd, short events)
{
    struct pollfd watched = {.fd = fd, .events = events};
    REQUIRE_QUIET(poll(&watched, 1, 0) >= 0);
    return watched.revents;
}

CASE(poll_tells_readable_and_writable)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(polled(fd[0], POLLIN), 0);
    CHECK_EQ_INT(polled(fd[1], POLLOUT), POLLOUT);
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(polled(fd[0], POLLIN), POLLIN);
    rig_fill(fd[1], 512);
    CHECK_EQ_INT(polled(fd[1], POLLOUT), 0);
    rig_drain(fd[0]);
    CHECK_EQ_INT(polled(fd[1], POLLOUT), POLLOUT);
}

CASE(poll_tells_hang_up)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_OK(close(fd[1]));
    CHECK_EQ_INT(polled(fd[0], POLLIN) & POLLHUP, POLLHUP);
    CHECK_EQ_INT(polled(fd[0], POLLIN) & POLLIN, POLLIN); /* with a byte still to read */
    REQUIRE_OK(pipe(fd));
    CHECK_OK(close(fd[0]));
    short gone = polled(fd[1], POLLOUT);
    FACT("poll_of_writer_without_reader", gone);
#ifdef __APPLE__
    CHECK_EQ_INT(gone & POLLHUP, POLLHUP);
#else
    CHECK_EQ_INT(gone & POLLERR, POLLERR);
#endif
}

static bool selected(int fd, bool for_write)
{
    fd_set set;
    struct timeval now = {0, 0};
    FD_ZERO(&set);
    FD_SET(fd, &set);
    int n = for_write ? select(fd + 1, NULL, &set, NULL, &now) : select(fd + 1, &set, NULL, NULL, &now);
    REQUIRE_QUIET(n >= 0);
    return n == 1 && FD_ISSET(fd, &set);
}

CASE(select_tells_readable_and_writable)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK(!selected(fd[0], false));
    CHECK(selected(fd[1], true));
    rig_fill(fd[1], 512);
    CHECK(selected(fd[0], false));
    CHECK(!selected(fd[1], true));
    rig_drain(fd[0]);
    CHECK(!selected(fd[0], false));
    CHECK_OK(close(fd[1]));
    CHECK(selected(fd[0], false)); /* the end is something to read */
}

CASE(event_queue_tells_readable)
{
    int fd[2], queue;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(queue = rig_events_open());
    REQUIRE(rig_events_watch(queue, fd[0], false, 0));
    CHECK_EQ_INT(rig_events_next(queue, 0).fd, -1);
    CHECK_EQ_INT(write(fd[1], "12345", 5), 5);
    struct rig_event event = rig_events_next(queue, 1000);
    CHECK_EQ_INT(event.fd, fd[0]);
    CHECK(event.readable && !event.at_end);
#ifdef __APPLE__
    CHECK_EQ_INT(event.data, 5); /* filt_piperead: bytes waiting */
#endif
    CHECK_OK(close(fd[1]));
    event = rig_events_next(queue, 1000);
    CHECK(event.readable && event.at_end);
}

/* xnu tests pipe_noblock_kevent: the write event must not fire on a full pipe */
CASE(event_queue_tells_writable)
{
    int fd[2], queue;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(queue = rig_events_open());
    REQUIRE(rig_events_watch(queue, fd[1], true, 0));
    struct rig_event event = rig_events_next(queue, 1000);
    CHECK(event.fd == fd[1] && event.writable && !event.at_end);
    FACT("room_told", event.data);
    size_t held = rig_fill(fd[1], 512);
    CHECK_EQ_INT(rig_events_next(queue, 50).fd, -1);
    CHECK_EQ_INT(rig_drain(fd[0]), held);
    CHECK_EQ_INT(rig_events_next(queue, 1000).fd, fd[1]);
    CHECK_OK(close(fd[0]));
    event = rig_events_next(queue, 1000);
    CHECK(event.fd == fd[1] && event.at_end);
}

CASE(event_queue_low_water, .darwin_only = true, .why = "epoll has no NOTE_LOWAT")
{
    int fd[2], queue;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(queue = rig_events_open());
    REQUIRE(rig_events_watch(queue, fd[0], false, 10));
    CHECK_EQ_INT(write(fd[1], "123456789", 9), 9);
    CHECK_EQ_INT(rig_events_next(queue, 50).fd, -1);
    CHECK_EQ_INT(write(fd[1], "0", 1), 1);
    struct rig_event event = rig_events_next(queue, 1000);
    CHECK(event.fd == fd[0] && event.readable);
    CHECK_EQ_INT(event.data, 10);
}
