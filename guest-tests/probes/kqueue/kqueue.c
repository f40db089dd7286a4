/* kqueue.c - the queue itself: changes, flags, errors, waiting, its life. xnu-4570.41.2 bsd/kern/kern_event.c.
 * The same filters on pipes and fifos beside other ways to wait: probes pipe and fifo; EVFILT_SIGNAL's count: signals. */
#include "watch.h"

#include <sys/socket.h>

PROBE("kqueue", "1");

CASE(nothing_watched_is_nothing)
{
    int queue = new_queue();
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_EQ_INT(fcntl(queue, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_OK(close(queue));
    CHECK_ERRNO(kevent(queue, NULL, 0, NULL, 0, NULL), EBADF);
}

CASE(bad_changes_are_refused)
{
    int queue = new_queue(), fd[2];
    struct timespec at_once = {0, 0};
    REQUIRE_OK(pipe(fd));
    CHECK_ERRNO(change(queue, 60, EVFILT_READ, EV_ADD, 0, 0), EBADF);
    CHECK_ERRNO(change(queue, (uintptr_t)fd[0], 33, EV_ADD, 0, 0), EINVAL);
    CHECK_ERRNO(change(queue, (uintptr_t)fd[0], -99, EV_ADD, 0, 0), EINVAL);
    CHECK_ERRNO(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0), ENOENT);
    CHECK_ERRNO(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ENABLE, 0, 0), ENOENT);
    CHECK_ERRNO(change(fd[0], (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0), EBADF); /* no kqueue */
    /* with room for events the error is one of them, and the other changes are made */
    struct kevent changes[2], events[3];
    EV_SET(&changes[0], 60, EVFILT_READ, EV_ADD, 0, 0, NULL);
    EV_SET(&changes[1], fd[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    CHECK_EQ_INT(kevent(queue, changes, 2, events, 3, &at_once), 1);
    CHECK_EQ_INT(events[0].ident, 60);
    CHECK(events[0].flags & EV_ERROR);
    CHECK_EQ_INT(events[0].data, EBADF);
    CHECK_EQ_INT(now(queue).ident, fd[1]);
}

CASE(receipts)
{
    int queue = new_queue(), fd[2];
    struct kevent entry, answer;
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    EV_SET(&entry, fd[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, NULL);
    /* one answer for each change, and no event, though there is one */
    CHECK_EQ_INT(kevent(queue, &entry, 1, &answer, 1, NULL), 1);
    CHECK(answer.flags & EV_ERROR);
    CHECK_EQ_INT(answer.data, 0);
    CHECK_EQ_INT(now(queue).data, 1);
}

CASE(level_clear_and_oneshot)
{
    int queue = new_queue(), fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "abc", 3), 3);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(now(queue).data, 3);
    CHECK_EQ_INT(now(queue).data, 3); /* it is still so */
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0));
    CHECK_EQ_INT(now(queue).data, 3);
    CHECK_EQ_INT(waiting(queue), 0); /* told once */
    CHECK_EQ_INT(write(fd[1], "d", 1), 1);
    CHECK_EQ_INT(now(queue).data, 4);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0));
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0));
    CHECK_EQ_INT(now(queue).data, 4);
    CHECK_EQ_INT(write(fd[1], "e", 1), 1);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_ERRNO(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0), ENOENT); /* it deleted itself */
}

CASE(disable_enable_and_dispatch)
{
    int queue = new_queue(), fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD | EV_DISABLE, 0, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ENABLE, 0, 0));
    CHECK_EQ_INT(waiting(queue), 1);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DISABLE, 0, 0));
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_DELETE, 0, 0));
    /* dispatch: told, and disabled by that */
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0));
    CHECK_EQ_INT(waiting(queue), 1);
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ENABLE | EV_DISPATCH, 0, 0));
    CHECK_EQ_INT(waiting(queue), 1);
}

CASE(own_value_comes_back)
{
    int queue = new_queue(), fd[2], here, there;
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_OK(change_with(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, &here));
    CHECK(now(queue).udata == &here);
    CHECK_OK(change_with(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, &there)); /* the same one, changed */
    CHECK(now(queue).udata == &there);
    CHECK_EQ_INT(waiting(queue), 1);
}

CASE(events_come_in_portions)
{
    int queue = new_queue(), fd[6][2];
    struct kevent events[6];
    struct timespec at_once = {0, 0};
    unsigned seen = 0;
    for (int i = 0; i < 6; i++) {
        REQUIRE_OK(pipe(fd[i]));
        CHECK_EQ_INT(write(fd[i][1], "x", 1), 1);
        CHECK_OK(change_with(queue, (uintptr_t)fd[i][0], EVFILT_READ, EV_ADD | EV_CLEAR, (void *)(intptr_t)i));
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ_INT(kevent(queue, NULL, 0, events, 2, &at_once), 2);
        seen |= 1u << (intptr_t)events[0].udata | 1u << (intptr_t)events[1].udata;
    }
    CHECK_EQ_INT(seen, 63);
    CHECK_EQ_INT(waiting(queue), 0);
}

CASE(closing_removes)
{
    int queue = new_queue(), fd[2], copy;
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(waiting(queue), 1);
    REQUIRE_OK(copy = dup(fd[0]));
    CHECK_OK(close(fd[0])); /* what was watched was that descriptor */
    CHECK_EQ_INT(waiting(queue), 0);
    CHECK_OK(close(copy));
}

CASE(queue_in_a_queue)
{
    int outer = new_queue(), inner = new_queue(), fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_OK(change(inner, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0));
    CHECK_OK(change(outer, (uintptr_t)inner, EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(waiting(outer), 0);
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    struct kevent event = next(outer);
    CHECK_EQ_INT(event.ident, inner);
    CHECK_EQ_INT(event.data, 1); /* events in there */
    CHECK_EQ_INT(now(inner).ident, fd[0]);
    CHECK_ERRNO(change(outer, (uintptr_t)inner, EVFILT_WRITE, EV_ADD, 0, 0), EINVAL);
    CHECK_ERRNO(change(inner, (uintptr_t)inner, EVFILT_READ, EV_ADD, 0, 0), EINVAL); /* itself */
}

static void child_looks(void *arg)
{
    struct timespec at_once = {0, 0};
    int queue = *(int *)arg, own;
    struct kevent event;
    CHECK_ERRNO(fcntl(queue, F_GETFD), EBADF);
    CHECK_ERRNO(kevent(queue, NULL, 0, &event, 1, &at_once), EBADF);
    REQUIRE_OK(own = kqueue());
    CHECK_EQ_INT(own, queue); /* its place is free */
}

CASE(not_inherited_by_fork)
{
    int queue = new_queue();
    CHECK_EXITED(rig_spawn(child_looks, &queue), 0);
    CHECK_EQ_INT(waiting(queue), 0);
}

static void wait_and_read(void *arg)
{
    int *fd = arg, queue = new_queue();
    char byte;
    CHECK_OK(change(queue, (uintptr_t)fd[0], EVFILT_READ, EV_ADD, 0, 0));
    CHECK_EQ_INT(next(queue).data, 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
}

CASE(sleeper_is_woken)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    pid_t child = rig_spawn(wait_and_read, fd);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EXITED(child, 0);
}

static void wait_interrupted(void *arg)
{
    struct kevent event;
    int queue = new_queue();
    (void)arg;
    rig_catch(SIGUSR1, SA_RESTART); /* kevent is never restarted */
    CHECK_ERRNO(kevent(queue, NULL, 0, &event, 1, NULL), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(signal_interrupts_the_wait)
{
    pid_t child = rig_spawn(wait_interrupted, NULL);
    rig_interrupt(child, SIGUSR1);
    CHECK_EXITED(child, 0);
}

CASE(timeout_is_kept)
{
    int queue = new_queue();
    struct kevent event;
    struct timespec time = {0, 50000000};
    uint64_t before = rig_now_ns();
    CHECK_EQ_INT(kevent(queue, NULL, 0, &event, 1, &time), 0);
    CHECK_GE_INT(rig_now_ns() - before, 49000000);
    time = (struct timespec){0, -1};
    CHECK_ERRNO(kevent(queue, NULL, 0, &event, 1, &time), EINVAL);
}

/* ---- Timings -------------------------------------------------------------------------------------------------- */

struct loop {
    int queue, fd[2];
};

static void trigger(void *context, unsigned long n)
{
    struct loop *loop = context;
    struct kevent entry, event;
    EV_SET(&entry, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    while (n--)
        REQUIRE_QUIET(kevent(loop->queue, &entry, 1, &event, 1, NULL) == 1);
}

CASE(time_of_a_user_event, .deadline = 30)
{
    struct loop loop = {.queue = new_queue()};
    CHECK_OK(change(loop.queue, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0));
    rig_time("trigger_and_collect", 0, trigger, &loop);
}

static void write_and_collect(void *context, unsigned long n)
{
    struct loop *loop = context;
    struct kevent event;
    char byte;
    while (n--) {
        REQUIRE_QUIET(write(loop->fd[1], "x", 1) == 1);
        REQUIRE_QUIET(kevent(loop->queue, NULL, 0, &event, 1, NULL) == 1);
        REQUIRE_QUIET(read(loop->fd[0], &byte, 1) == 1);
    }
}

CASE(time_of_a_pipe_event, .deadline = 30)
{
    struct loop loop = {.queue = new_queue()};
    REQUIRE_OK(pipe(loop.fd));
    CHECK_OK(change(loop.queue, (uintptr_t)loop.fd[0], EVFILT_READ, EV_ADD, 0, 0));
    rig_time("write_collect_read", 1, write_and_collect, &loop);
}
