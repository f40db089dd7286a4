/* pipe.c - unnamed pipes: their two ends, their end of file, what fork and dup make of them.
 * Darwin's contracts: xnu-4570 bsd/kern/sys_pipe.c unless another source is named. */
#include "bytes.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

PROBE("pipe", "1");

CASE(wrong_end_is_refused)
{
    int fd[2];
    char byte;
    REQUIRE_OK(pipe(fd));
    /* half-duplex on both systems: pipe() gives rf FREAD and wf FWRITE only */
    CHECK_ERRNO(write(fd[0], "x", 1), EBADF);
    CHECK_ERRNO(read(fd[1], &byte, 1), EBADF);
    CHECK_EQ_INT(fcntl(fd[0], F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK_EQ_INT(fcntl(fd[1], F_GETFL) & O_ACCMODE, O_WRONLY);
}

CASE(takes_the_lowest_free_descriptors)
{
    int fd[2];
    CHECK_OK(pipe(fd));
    CHECK_EQ_INT(fd[0], 3);
    CHECK_EQ_INT(fd[1], 4);
    CHECK_EQ_INT(fcntl(fd[0], F_GETFD) & FD_CLOEXEC, 0);
    CHECK_EQ_INT(fcntl(fd[1], F_GETFD) & FD_CLOEXEC, 0);
    CHECK_EQ_INT(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
}

CASE(bytes_come_out_in_order)
{
    int fd[2];
    char bytes[8];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "ab", 2), 2);
    CHECK_EQ_INT(write(fd[1], "cde", 3), 3);
    CHECK_EQ_INT(read(fd[0], bytes, 3), 3); /* no message boundaries */
    CHECK_EQ_BYTES(bytes, "abc", 3);
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 2); /* what there is, at once */
    CHECK_EQ_BYTES(bytes, "de", 2);
}

CASE(eof_after_last_writer)
{
    int fd[2];
    char bytes[8];
    REQUIRE_OK(pipe(fd));
    REQUIRE_EQ_INT(write(fd[1], "abc", 3), 3);
    CHECK_OK(close(fd[1]));
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 3); /* first what is queued */
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 0);
    CHECK_EQ_INT(read(fd[0], bytes, sizeof bytes), 0); /* and it stays at the end */
}

CASE(no_eof_while_a_copy_of_the_writer_lives)
{
    int fd[2], copy;
    char byte;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(copy = dup(fd[1]));
    rig_nonblock(fd[0], true);
    CHECK_OK(close(fd[1]));
    CHECK_ERRNO(read(fd[0], &byte, 1), EAGAIN);
    CHECK_OK(close(copy));
    CHECK_EQ_INT(read(fd[0], &byte, 1), 0);
}

static void write_hello(void *arg)
{
    int *fd = arg;
    CHECK_OK(close(fd[0]));
    CHECK_EQ_INT(write(fd[1], "hello", 5), 5);
}

CASE(inherited_across_fork)
{
    int fd[2];
    char bytes[8];
    REQUIRE_OK(pipe(fd));
    pid_t child = rig_spawn(write_hello, fd);
    CHECK_OK(close(fd[1])); /* the child still has its own */
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 5), 5);
    CHECK_EQ_BYTES(bytes, "hello", 5);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(read(fd[0], bytes, 1), 0);
}

ROLE(writer)
{
    int fd = argc > 0 ? atoi(argv[0]) : -1;
    CHECK_EQ_INT(write(fd, "exec", 4), 4);
}

CASE(inherited_across_exec)
{
    int fd[2];
    char bytes[8], number[8];
    REQUIRE_OK(pipe(fd));
    snprintf(number, sizeof number, "%d", fd[1]);
    const char *const args[] = {number, NULL};
    pid_t child = rig_exec_role("writer", args, fd[1]);
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 4), 4);
    CHECK_EQ_BYTES(bytes, "exec", 4);
    CHECK_EXITED(child, 0);
}

CASE(close_on_exec_is_obeyed)
{
    int fd[2];
    char byte, number[8];
    REQUIRE_OK(pipe(fd));
    snprintf(number, sizeof number, "%d", fd[0]);
    CHECK_OK(fcntl(fd[1], F_SETFD, FD_CLOEXEC));
    const char *const args[] = {number, NULL};
    pid_t child = rig_exec_role("sees_the_end", args, fd[0]);
    CHECK_OK(close(fd[1]));
    CHECK_EXITED(child, 0);
    CHECK_ERRNO(read(fd[1], &byte, 1), EBADF);
}

ROLE(sees_the_end)
{
    char byte;
    CHECK_EQ_INT(rig_read_all(argc > 0 ? atoi(argv[0]) : -1, &byte, 1), 0);
}

static void write_unguarded(void *arg)
{
    write(*(int *)arg, "x", 1) == 1 ? exit(1) : exit(2); /* SIGPIPE comes first */
}

CASE(write_without_reader_kills)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_OK(close(fd[0]));
    CHECK_KILLED_BY(rig_spawn(write_unguarded, &fd[1]), SIGPIPE);
}

CASE(write_without_reader_is_epipe)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_OK(close(fd[0]));
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_ERRNO(write(fd[1], "x", 1), EPIPE);
    rig_catch(SIGPIPE, 0);
    CHECK_ERRNO(write(fd[1], "x", 1), EPIPE);
    CHECK_EQ_INT(rig_caught(SIGPIPE), 1); /* one signal for one call */
}

CASE(reader_may_close_one_of_two)
{
    int fd[2], other;
    char byte;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(other = dup(fd[0]));
    CHECK_OK(close(fd[0]));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(other, &byte, 1), 1);
}

CASE(queued_bytes_are_gone_with_the_last_reader)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "lost", 4), 4);
    CHECK_OK(close(fd[0]));
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_ERRNO(write(fd[1], "x", 1), EPIPE);
}

CASE(descriptor_limit_is_emfile)
{
    int fd[2];
    struct rlimit limit;
    REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
    rlim_t usual = limit.rlim_cur;
    limit.rlim_cur = 4; /* 0-2 are open: there is room for one, and a pipe needs two */
    REQUIRE_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_ERRNO(pipe(fd), EMFILE);
    /* the one that did fit was given back */
    CHECK_EQ_INT(dup(0), 3);
    CHECK_OK(close(3));
    limit.rlim_cur = 5;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    CHECK_OK(pipe(fd));
    limit.rlim_cur = usual;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

CASE(many_pipes_all_work)
{
    enum { MOST = 100 };
    int fd[MOST][2], made = 0, good = 0;
    while (made < MOST && pipe(fd[made]) == 0)
        made++;
    CHECK_EQ_INT(made, MOST);
    for (int i = 0; i < made; i++)
        REQUIRE_QUIET(write(fd[i][1], &i, sizeof i) == (ssize_t)sizeof i);
    for (int i = 0; i < made; i++) {
        int got = -1;
        if (read(fd[i][0], &got, sizeof got) == (ssize_t)sizeof got && got == i)
            good++;
    }
    CHECK_EQ_INT(good, made);
}

CASE(status_of_a_pipe)
{
    int fd[2], other[2];
    struct stat reader, writer, stranger;
    REQUIRE_OK(pipe(fd));
    REQUIRE_OK(pipe(other));
    CHECK_EQ_INT(write(fd[1], "12345", 5), 5);
    CHECK_OK(fstat(fd[0], &reader));
    CHECK_OK(fstat(fd[1], &writer));
    CHECK_OK(fstat(other[0], &stranger));
    CHECK(S_ISFIFO(reader.st_mode));
    CHECK(S_ISFIFO(writer.st_mode));
    CHECK_EQ_INT(reader.st_uid, geteuid());
    CHECK(reader.st_ino != stranger.st_ino || reader.st_dev != stranger.st_dev);
#ifdef __APPLE__
    CHECK_EQ_INT(reader.st_size, 5); /* pipe_stat: bytes waiting */
    CHECK_EQ_INT(reader.st_mode & 07777, 0660);
    CHECK_EQ_INT(reader.st_nlink, 0);
#else
    CHECK_EQ_INT(reader.st_size, 0);
    CHECK_EQ_INT(reader.st_mode & 07777, 0600);
    CHECK_EQ_INT(reader.st_nlink, 1);
    CHECK_EQ_INT(reader.st_ino, writer.st_ino);
#endif
    FACT("ends_share_an_inode", reader.st_ino == writer.st_ino);
}

CASE(fionread_counts_waiting_bytes)
{
    int fd[2], waiting = -1;
    char bytes[4];
    REQUIRE_OK(pipe(fd));
    CHECK_OK(ioctl(fd[0], FIONREAD, &waiting));
    CHECK_EQ_INT(waiting, 0);
    CHECK_EQ_INT(write(fd[1], "12345", 5), 5);
    CHECK_OK(ioctl(fd[0], FIONREAD, &waiting));
    CHECK_EQ_INT(waiting, 5);
    CHECK_EQ_INT(read(fd[0], bytes, 2), 2);
    CHECK_OK(ioctl(fd[0], FIONREAD, &waiting));
    CHECK_EQ_INT(waiting, 3);
}

CASE(cannot_seek)
{
    int fd[2];
    char byte;
    REQUIRE_OK(pipe(fd));
    CHECK_ERRNO(lseek(fd[0], 0, SEEK_CUR), ESPIPE);
    CHECK_ERRNO(lseek(fd[1], 0, SEEK_END), ESPIPE);
    CHECK_ERRNO(pread(fd[0], &byte, 1, 0), ESPIPE);
    CHECK_ERRNO(pwrite(fd[1], &byte, 1, 0), ESPIPE);
}

CASE(pipe2_sets_flags, .linux_only = true, .why = "Darwin has no pipe2")
{
#ifdef __linux__
    int fd[2];
    CHECK_OK(pipe2(fd, O_CLOEXEC | O_NONBLOCK));
    CHECK_EQ_INT(fcntl(fd[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ_INT(fcntl(fd[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_ERRNO(pipe2(fd, O_TRUNC), EINVAL);
#endif
}
