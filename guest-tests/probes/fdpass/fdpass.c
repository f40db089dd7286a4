/* fdpass.c - descriptors passed over local sockets: what arrives, and what it shares with what was sent.
 * Darwin's contracts: xnu-4570 bsd/kern/uipc_usrreq.c unless another source is named. F: FreeBSD unix_passfd_test,
 * X: xnu tests/. */
#include "passing.h"

#include <sys/stat.h>

PROBE("fdpass", "1");

/* F simple_send_fd */
CASE(same_file_arrives)
{
    int pair[2], got;
    socket_pair(pair);
    int fd = new_file("file", "text");
    send_fd(pair[0], fd);
    got = take_fd(pair[1]);
    CHECK_NE_INT(got, fd);
    CHECK(same_file(got, fd));
    CHECK_EQ_INT(got, fd + 1); /* the lowest free number */
}

/* F send_and_close, X fd_send */
CASE(sender_may_close_before_it_arrives)
{
    int pair[2];
    char bytes[4];
    socket_pair(pair);
    int fd = new_file("file", "text");
    CHECK_OK(unlink("file")); /* the message alone keeps it now */
    send_fd(pair[0], fd);
    CHECK_OK(close(fd));
    CHECK_OK(close(pair[0]));
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(read(got, bytes, 4), 4);
    CHECK_EQ_BYTES(bytes, "text", 4);
}

CASE(offset_is_shared)
{
    int pair[2];
    char bytes[4];
    socket_pair(pair);
    int fd = new_file("file", "0123456789");
    send_fd(pair[0], fd);
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(read(fd, bytes, 3), 3);
    CHECK_EQ_INT(lseek(got, 0, SEEK_CUR), 3); /* as with dup(): one open file, two descriptors */
    CHECK_EQ_INT(read(got, bytes, 2), 2);
    CHECK_EQ_BYTES(bytes, "34", 2);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_CUR), 5);
}

CASE(status_flags_are_shared)
{
    int pair[2], fd[2];
    char byte;
    socket_pair(pair);
    REQUIRE_OK(pipe(fd));
    send_fd(pair[0], fd[0]);
    int got = take_fd(pair[1]);
    rig_nonblock(fd[0], true);
    CHECK_EQ_INT(fcntl(got, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_ERRNO(read(got, &byte, 1), EAGAIN);
}

CASE(close_on_exec_is_not_inherited)
{
    int pair[2];
    socket_pair(pair);
    int fd = new_file("file", "");
    REQUIRE_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    send_fd(pair[0], fd);
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(fcntl(got, F_GETFD) & FD_CLOEXEC, 0); /* a flag of the descriptor, not of the file */
}

CASE(access_mode_is_kept)
{
    int pair[2];
    char byte;
    socket_pair(pair);
    close(new_file("file", "x"));
    int fd = open("file", O_RDONLY);
    REQUIRE_OK(fd);
    CHECK_OK(chmod("file", 0)); /* the right was given at open() */
    send_fd(pair[0], fd);
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(read(got, &byte, 1), 1);
    CHECK_ERRNO(write(got, "x", 1), EBADF);
}

/* F two_files */
CASE(two_messages_keep_their_order)
{
    int pair[2];
    socket_pair(pair);
    int a = new_file("a", ""), b = new_file("b", "");
    send_fd(pair[0], a);
    send_fd(pair[0], b);
    CHECK(same_file(take_fd(pair[1]), a));
    CHECK(same_file(take_fd(pair[1]), b));
}

/* A stream has no boundaries, but rights make one: one read never takes those of two messages. */
CASE(read_stops_at_rights)
{
    int pair[2];
    socket_pair(pair);
    int a = new_file("a", ""), b = new_file("b", "");
    CHECK_EQ_INT(send_fds(pair[0], '1', &a, 1), 1);
    CHECK_EQ_INT(send_fds(pair[0], '2', &b, 1), 1);
    struct taken taken = take_fds(pair[1], 4, 0);
    CHECK_EQ_INT(taken.n, 1);
    CHECK_EQ_INT(taken.bytes[0], '1');
    CHECK_EQ_INT(taken.count, 1);
    taken = take_fds(pair[1], 4, 0);
    CHECK_EQ_INT(taken.n, 1);
    CHECK_EQ_INT(taken.bytes[0], '2');
    CHECK(taken.count == 1 && same_file(taken.fds[0], b));
}

CASE(datagrams_carry_rights)
{
    int pair[2];
    socket_pair_of(SOCK_DGRAM, pair);
    int a = new_file("a", "");
    CHECK_EQ_INT(send(pair[0], "plain", 5, 0), 5);
    CHECK_EQ_INT(send_fds(pair[0], 'f', &a, 1), 1);
    struct taken taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.n, 5);
    CHECK(!taken.control);
    taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.n, 1);
    CHECK(taken.count == 1 && same_file(taken.fds[0], a));
}

CASE(pipe_end_works_after_passing)
{
    int pair[2], fd[2];
    char bytes[4];
    socket_pair(pair);
    REQUIRE_OK(pipe(fd));
    send_fd(pair[0], fd[1]);
    CHECK_OK(close(fd[1]));
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(write(got, "pipe", 4), 4);
    CHECK_EQ_INT(rig_read_all(fd[0], bytes, 4), 4);
    CHECK_EQ_BYTES(bytes, "pipe", 4);
    CHECK_OK(close(got)); /* the last writer */
    CHECK(pipe_at_end(fd[0]));
}

/* X send_sock */
CASE(socket_works_after_passing)
{
    int pair[2], inner[2];
    char bytes[4];
    socket_pair(pair);
    socket_pair(inner);
    send_fd(pair[0], inner[1]);
    CHECK_OK(close(inner[1]));
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(write(inner[0], "in", 2), 2);
    CHECK_EQ_INT(rig_read_all(got, bytes, 2), 2);
    CHECK_EQ_INT(write(got, "out", 3), 3);
    CHECK_EQ_INT(rig_read_all(inner[0], bytes, 3), 3);
    CHECK_EQ_BYTES(bytes, "out", 3);
}

/* F devfs_orphan */
CASE(device_works_after_passing)
{
    int pair[2], fd;
    char bytes[4] = "xxx";
    socket_pair(pair);
    REQUIRE_OK(fd = open("/dev/zero", O_RDONLY));
    send_fd(pair[0], fd);
    CHECK_OK(close(fd));
    int got = take_fd(pair[1]);
    CHECK_EQ_INT(read(got, bytes, 4), 4);
    CHECK_EQ_BYTES(bytes, "\0\0\0\0", 4);
}

CASE(directory_works_after_passing)
{
    int pair[2], directory;
    socket_pair(pair);
    REQUIRE_OK(mkdir("below", 0700));
    close(new_file("below/mark", ""));
    REQUIRE_OK(directory = open("below", O_RDONLY));
    send_fd(pair[0], directory);
    CHECK_OK(close(directory));
    CHECK_OK(fchdir(take_fd(pair[1])));
    CHECK_OK(access("mark", F_OK));
}

/* X scm_rights_leak: peeking must not use up, or leak, what is looked at */
CASE(peek_leaves_the_rights)
{
    int pair[2], fd[2];
    socket_pair(pair);
    REQUIRE_OK(pipe(fd));
    send_fd(pair[0], fd[1]);
    CHECK_OK(close(fd[1]));
    int before = open_fds();
    struct taken taken = take_fds(pair[1], 1, MSG_PEEK);
    CHECK_EQ_INT(taken.n, 1);
    FACT("descriptors_peeked", open_fds() - before);
#ifdef __APPLE__
    CHECK_EQ_INT(open_fds(), before); /* soreceive externalizes on a real read only */
#else
    CHECK_EQ_INT(taken.count, 1); /* Linux gives a copy, unix(7) */
    for (size_t i = 0; i < taken.count; i++)
        CHECK_OK(close(taken.fds[i]));
#endif
    taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.count, 1);
    CHECK_EQ_INT(open_fds(), before + 1);
    CHECK_OK(close(taken.fds[0]));
    CHECK(pipe_at_end(fd[0]));
}

CASE(received_with_close_on_exec, .linux_only = true, .why = "Darwin has no MSG_CMSG_CLOEXEC")
{
#ifdef __linux__
    int pair[2];
    socket_pair(pair);
    send_fd(pair[0], 0);
    struct taken taken = take_fds(pair[1], 1, MSG_CMSG_CLOEXEC);
    CHECK_EQ_INT(taken.count, 1);
    CHECK_EQ_INT(fcntl(taken.fds[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
#endif
}
