/* fifo_open.c - opening a fifo: who waits for whom, and what the ends see of each other's coming and going. */
#include "place.h"

struct opener {
    struct rig_gate ready, done;
    int flags;    /* for open() */
    int handler;  /* for sigaction() */
};

CASE(nonblocking_reader_opens_at_once)
{
    int fd;
    char byte;
    fifo_make();
    CHECK_OK(fd = open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_EQ_INT(read(fd, &byte, 1), 0); /* nobody writes: the end, not EAGAIN */
}

CASE(nonblocking_writer_alone_is_enxio)
{
    int reader, writer;
    fifo_make();
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO); /* fifo_open */
    CHECK_OK(reader = open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_OK(writer = open("fifo", O_WRONLY | O_NONBLOCK));
    CHECK_OK(close(reader));
    CHECK_OK(close(writer));
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO); /* again, with the reader gone */
}

static void open_it(void *arg)
{
    struct opener *o = arg;
    rig_gate_pass(&o->ready);
    CHECK_OK(open("fifo", o->flags));
    rig_gate_pass(&o->done);
    rig_gate_wait(&o->ready);
}

/* A process opens one end and must wait until this one opens the other. */
static void wait_for_other_end(int its_flags, int our_flags)
{
    struct opener o = {.flags = its_flags};
    fifo_make();
    rig_gate_init(&o.ready);
    rig_gate_init(&o.done);
    pid_t child = rig_spawn(open_it, &o);
    rig_gate_wait(&o.ready);
    CHECK(rig_wait_blocked(child));
    CHECK(!rig_gate_was_passed(&o.done)); /* so it sleeps in open() */
    int fd;
    uint64_t start = rig_now_ns();
    CHECK_OK(fd = open("fifo", our_flags));
    rig_gate_wait(&o.done);
    FACT("ns_from_open_to_open", rig_now_ns() - start);
    rig_gate_pass(&o.ready);
    CHECK_EXITED(child, 0);
}

CASE(reader_waits_for_writer) { wait_for_other_end(O_RDONLY, O_WRONLY); }

CASE(writer_waits_for_reader) { wait_for_other_end(O_WRONLY, O_RDONLY); }

CASE(waiting_reader_takes_nonblocking_writer) { wait_for_other_end(O_RDONLY, O_WRONLY | O_NONBLOCK); }

static void open_interrupted(void *arg)
{
    struct opener *o = arg;
    rig_catch(SIGUSR1, o->handler);
    rig_gate_pass(&o->ready);
    CHECK_ERRNO(open("fifo", o->flags), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

static void interrupt_open(int flags)
{
    struct opener o = {.flags = flags, .handler = 0};
    fifo_make();
    rig_gate_init(&o.ready);
    pid_t child = rig_spawn(open_interrupted, &o);
    rig_gate_wait(&o.ready);
    rig_interrupt(child, SIGUSR1);
    CHECK_EXITED(child, 0);
    /* the one that gave up counts no longer */
    int fd;
    CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    CHECK_OK(fd = open("fifo", O_RDONLY | O_NONBLOCK));
    char byte;
    CHECK_EQ_INT(read(fd, &byte, 1), 0);
}

CASE(signal_interrupts_a_waiting_reader) { interrupt_open(O_RDONLY); }

CASE(signal_interrupts_a_waiting_writer) { interrupt_open(O_WRONLY); }

static void open_restarted(void *arg)
{
    struct opener *o = arg;
    rig_catch(SIGUSR1, SA_RESTART);
    rig_gate_pass(&o->ready);
#ifdef __APPLE__
    CHECK_ERRNO(open("fifo", O_RDONLY), EINTR); /* bsd/vfs/vfs_syscalls.c open1 makes EINTR of ERESTART */
#else
    CHECK_OK(open("fifo", O_RDONLY));
#endif
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

/* POSIX lets open() be restarted; Linux does, Darwin does not. */
CASE(sa_restart_and_a_waiting_open)
{
    struct opener o = {.flags = O_RDONLY};
    fifo_make();
    rig_gate_init(&o.ready);
    pid_t child = rig_spawn(open_restarted, &o);
    rig_gate_wait(&o.ready);
    rig_interrupt(child, SIGUSR1);
#ifndef __APPLE__
    CHECK(rig_wait_blocked(child)); /* back in open() */
    CHECK_OK(open("fifo", O_WRONLY));
#endif
    CHECK_EXITED(child, 0);
}

CASE(end_comes_with_the_last_writer)
{
    int fd[2], second;
    char bytes[4];
    fifo_make();
    fifo_open_both(fd);
    REQUIRE_OK(second = open("fifo", O_WRONLY));
    CHECK_ERRNO(read(fd[0], bytes, 1), EAGAIN); /* writers, but no bytes */
    CHECK_OK(close(fd[1]));
    CHECK_ERRNO(read(fd[0], bytes, 1), EAGAIN);
    CHECK_EQ_INT(write(second, "ab", 2), 2);
    CHECK_OK(close(second));
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 2);
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 0);
}

CASE(new_writer_revives_the_reader)
{
    int fd[2];
    char byte;
    fifo_make();
    fifo_open_both(fd);
    CHECK_OK(close(fd[1]));
    CHECK_EQ_INT(read(fd[0], &byte, 1), 0);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 0);
    REQUIRE_OK(fd[1] = open("fifo", O_WRONLY | O_NONBLOCK));
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN); /* no longer at the end */
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_EQ_INT(byte, 'x');
}

CASE(new_reader_revives_the_writer)
{
    int fd[2];
    char byte;
    fifo_make();
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    fifo_open_both(fd);
    CHECK_OK(close(fd[0]));
    CHECK_ERRNO(write(fd[1], "x", 1), EPIPE);
    REQUIRE_OK(fd[0] = open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_EQ_INT(write(fd[1], "y", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_EQ_INT(byte, 'y');
}

CASE(write_without_reader_is_epipe)
{
    int fd[2];
    fifo_make();
    fifo_open_both(fd);
    CHECK_OK(close(fd[0]));
    rig_catch(SIGPIPE, 0);
    CHECK_ERRNO(write(fd[1], "x", 1), EPIPE);
    CHECK_EQ_INT(rig_caught(SIGPIPE), 1);
}

static void write_unguarded(void *arg)
{
    exit(write(*(int *)arg, "x", 1) == 1 ? 1 : 2); /* SIGPIPE comes first */
}

CASE(write_without_reader_kills)
{
    int fd[2];
    fifo_make();
    fifo_open_both(fd);
    CHECK_OK(close(fd[0]));
    CHECK_KILLED_BY(rig_spawn(write_unguarded, &fd[1]), SIGPIPE);
}

CASE(bytes_are_gone_with_the_last_user)
{
    int fd[2];
    char byte;
    fifo_make();
    fifo_open_both(fd);
    CHECK_EQ_INT(write(fd[1], "lost", 4), 4);
    CHECK_OK(close(fd[1]));
    CHECK_OK(close(fd[0]));
    fifo_open_both(fd);
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN);
}
