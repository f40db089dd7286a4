/* kqueue_filters.c - the filters: what each tells. */
#include "watch.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

CASE(pipe_end_tells_the_rest)
{
    int queue = new_queue(), fd[2];
    char byte;
    REQUIRE_OK(pipe(fd));
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(write(fd[1], "ab", 2), 2);
    CHECK_EQ_INT(now(queue).flags & EV_EOF, 0);
    CHECK_OK(close(fd[1]));
    struct kevent event = next(queue);
    CHECK(event.flags & EV_EOF);
    CHECK_EQ_INT(event.data, 2); /* the end, with bytes before it */
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_EQ_INT(now(queue).data, 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    event = now(queue);
    CHECK(event.flags & EV_EOF);
    CHECK_EQ_INT(event.data, 0);
}

CASE(pipe_room_is_told)
{
    static char bytes[16384];
    int queue = new_queue(), fd[2];
    REQUIRE_OK(pipe(fd));
    rig_nonblock(fd[1], true);
    CHECK_OK(change(queue, (uintptr_t)fd[1], EVFILT_WRITE, EV_ADD, 0, 0));
    CHECK_GT_INT(now(queue).data, 0);
    size_t capacity = rig_fill(fd[1], 512);
    CHECK_EQ_INT(waiting(queue), 0);
    /* it is silent until PIPE_BUF bytes would fit: a write of that many never waits then */
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 511), 511);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 1), 1);
    CHECK_EQ_INT(next(queue).data, 512);
    /* a higher mark */
    CHECK_OK(change(queue, (uintptr_t)fd[1], EVFILT_WRITE, EV_ADD, NOTE_LOWAT, 2000));
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 1488), 1488);
    CHECK_EQ_INT(next(queue).data, 2000);
    FACT("capacity", capacity);
    CHECK_OK(close(fd[0]));
    struct kevent event = next(queue);
    CHECK(event.flags & EV_EOF);
    CHECK_EQ_INT(event.data, 0);
}

CASE(socket_bytes_and_end)
{
    int queue = new_queue(), pair[2];
    char bytes[8];
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_OK(change(queue, (uintptr_t)pair[0], EVFILT_READ, EV_ADD, NOTE_LOWAT, 4));
    CHECK_EQ_INT(write(pair[1], "abc", 3), 3);
    CHECK_EQ_INT(waiting(queue), 0); /* below the mark */
    CHECK_EQ_INT(write(pair[1], "d", 1), 1);
    struct kevent event = next(queue);
    CHECK_EQ_INT(event.data, 4);
    CHECK_EQ_INT(event.flags & EV_EOF, 0);
    CHECK_EQ_INT(read(pair[0], bytes, 3), 3);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(shutdown(pair[1], SHUT_WR));
    event = next(queue); /* the end counts, whatever the mark */
    CHECK(event.flags & EV_EOF);
    CHECK_EQ_INT(event.data, 1);
    CHECK_EQ_INT(event.fflags, 0); /* no error */
}

CASE(socket_room_and_loss)
{
    int queue = new_queue(), pair[2];
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_OK(change(queue, (uintptr_t)pair[0], EVFILT_WRITE, EV_ADD, 0, 0));
    CHECK_GT_INT(next(queue).data, 0);
    size_t filled = rig_fill(pair[0], 1024);
    CHECK_GT_INT(filled, 0);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_EQ_INT(rig_drain(pair[1]), filled);
    CHECK_GT_INT(next(queue).data, 0);
    CHECK_OK(close(pair[1]));
    CHECK(next(queue).flags & EV_EOF);
}

CASE(listener_tells_connections)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int queue = new_queue(), listener = socket(AF_UNIX, SOCK_STREAM, 0), client[2];
    REQUIRE_OK(listener);
    REQUIRE_OK(bind(listener, (struct sockaddr *)&name, sizeof name));
    REQUIRE_OK(listen(listener, 5));
    CHECK_OK(change(queue, (uintptr_t)listener, EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(client[i] = socket(AF_UNIX, SOCK_STREAM, 0));
        REQUIRE_OK(connect(client[i], (struct sockaddr *)&name, sizeof name));
        CHECK_EQ_INT(next(queue).data, i + 1); /* connections to accept */
    }
    CHECK_OK(accept(listener, NULL, NULL));
    CHECK_EQ_INT(now(queue).data, 1);
    CHECK_OK(accept(listener, NULL, NULL));
    CHECK_EQ_INT(waiting(queue), 0);
}

CASE(user_events)
{
    int queue = new_queue();
    struct kevent event;
    CHECK_ERRNO(change(queue, 7, EVFILT_USER, 0, NOTE_TRIGGER, 0), ENOENT);
    CHECK_OK(change(queue, 7, EVFILT_USER, EV_ADD, NOTE_FFCOPY | 0xf0, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, 7, EVFILT_USER, 0, NOTE_FFOR | 0x0f, 0));
    CHECK_EQ_INT(waiting(queue), 0); /* flags alone are no trigger */
    CHECK_OK(change(queue, 7, EVFILT_USER, 0, NOTE_FFAND | NOTE_TRIGGER | 0x3c, 11));
    event = now(queue);
    CHECK_EQ_INT(event.ident, 7);
    CHECK_EQ_INT(event.fflags, 0x3c);
    CHECK_EQ_INT(event.data, 11);
    CHECK_EQ_INT(waiting(queue), 1); /* stays triggered without EV_CLEAR */
    CHECK_OK(change(queue, 7, EVFILT_USER, EV_DELETE, 0, 0));
    CHECK_OK(change(queue, 8, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0));
    CHECK_OK(change(queue, 8, EVFILT_USER, 0, NOTE_TRIGGER, 0));
    CHECK_OK(change(queue, 8, EVFILT_USER, 0, NOTE_TRIGGER, 0));
    CHECK_EQ_INT(waiting(queue), 1); /* two triggers, one event */
    CHECK_EQ_INT(waiting(queue), 0);
}

CASE(timer_counts_its_turns)
{
    int queue = new_queue();
    uint64_t before = rig_now_ns();
    CHECK_OK(change(queue, 1, EVFILT_TIMER, EV_ADD, 0, 20)); /* milliseconds */
    struct kevent event = next(queue);
    CHECK_EQ_INT(event.filter, EVFILT_TIMER);
    CHECK_GE_INT(event.data, 1);
    CHECK_GE_INT(rig_now_ns() - before, 20000000);
    rig_sleep_ms(100);
    event = next(queue);
    CHECK_GE_INT(event.data, 3); /* turns since it was asked */
    CHECK_LE_INT(event.data, (rig_now_ns() - before) / 20000000);
    CHECK_OK(change(queue, 1, EVFILT_TIMER, EV_DELETE, 0, 0));
    rig_sleep_ms(50);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_ERRNO(change(queue, 1, EVFILT_TIMER, EV_DELETE, 0, 0), ENOENT);
}

CASE(timer_once_and_its_units)
{
    int queue = new_queue();
    uint64_t before = rig_now_ns();
    CHECK_OK(change(queue, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, 30000));
    CHECK_OK(change(queue, 2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, 10000000));
    unsigned seen = 0;
    for (int i = 0; i < 2; i++) { /* in any order: a busy system may see both at once */
        uintptr_t which = next(queue).ident;
        CHECK_GE_INT(rig_now_ns() - before, which == 1 ? 30000000 : 10000000);
        seen |= 1u << which;
    }
    CHECK_EQ_INT(seen, 6);
    rig_sleep_ms(50);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_ERRNO(change(queue, 3, EVFILT_TIMER, EV_ADD, NOTE_USECONDS | NOTE_NSECONDS, 10), EINVAL);
}

static void wait_for_gate(void *arg)
{
    rig_gate_wait(arg);
    exit(3);
}

CASE(process_exit_is_told)
{
    struct rig_gate gate;
    int queue = new_queue();
    rig_gate_init(&gate);
    pid_t child = rig_spawn(wait_for_gate, &gate);
    CHECK_OK(change(queue, (uintptr_t)child, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_EXITSTATUS, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    rig_gate_pass(&gate);
    struct kevent event = next(queue);
    CHECK_EQ_INT(event.ident, child);
    CHECK(event.fflags & NOTE_EXIT);
    CHECK(event.flags & EV_EOF);
    int status = (int)event.data;
    CHECK_EQ_STR(rig_status_name(status), "exit 3");
    CHECK_EXITED(child, 3);
    CHECK_EQ_INT(waiting(queue), 0); /* once */
    CHECK_ERRNO(change(queue, (uintptr_t)child, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), ESRCH);
}

ROLE(finished) { CHECK_EQ_INT(argc, 0); }

static void fork_and_exec(void *arg)
{
    rig_gate_wait(arg);
    pid_t child = rig_exec_role("finished", NULL, -1); /* forks, and the child of the child execs */
    CHECK_EXITED(child, 0);
    rig_gate_wait(arg);
    rig_exec_role_here("finished", NULL);
}

CASE(process_fork_and_exec_are_told)
{
    struct rig_gate gate;
    int queue = new_queue();
    rig_gate_init(&gate);
    pid_t child = rig_spawn(fork_and_exec, &gate);
    CHECK_OK(change(queue, (uintptr_t)child, EVFILT_PROC, EV_ADD | EV_CLEAR, NOTE_FORK | NOTE_EXEC | NOTE_EXIT, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    rig_gate_pass(&gate);
    struct kevent event = next(queue);
    CHECK_EQ_INT(event.fflags, NOTE_FORK);
    rig_gate_pass(&gate);
    event = next(queue);
    CHECK_EQ_INT(event.fflags & NOTE_FORK, 0);
    unsigned seen = event.fflags;
    if (!(seen & NOTE_EXIT))
        seen |= next(queue).fflags;
    CHECK_EQ_INT(seen & (NOTE_EXEC | NOTE_EXIT), NOTE_EXEC | NOTE_EXIT);
    CHECK_EXITED(child, 0);
}

CASE(following_children_is_refused)
{
    int queue = new_queue();
    CHECK_ERRNO(change(queue, (uintptr_t)getpid(), EVFILT_PROC, EV_ADD, NOTE_TRACK, 0), ENOTSUP);
    CHECK_OK(change(queue, (uintptr_t)getpid(), EVFILT_PROC, EV_ADD, NOTE_FORK, 0));
}

/* EVFILT_SIGNAL needs no handler and takes no signal away; the count is in the probe signals. */
CASE(signal_is_told_and_still_delivered)
{
    int queue = new_queue();
    rig_catch(SIGUSR1, 0);
    CHECK_OK(change(queue, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0));
    CHECK_OK(kill(getpid(), SIGUSR1));
    struct kevent event = next(queue);
    CHECK_EQ_INT(event.ident, SIGUSR1);
    CHECK_EQ_INT(event.data, 1);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_EQ_INT(waiting(queue), 0); /* EV_CLEAR is always on */
}
