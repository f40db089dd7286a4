/* fdpass_gone.c - descriptors that never arrive: each must be closed, and none may be left open unseen.
 * A pipe tells: its reader sees the end once no write end is left, in flight or not. */
#include "passing.h"

#include <sys/mman.h>
#include <sys/resource.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

/* A message with the only write end of a pipe; returns the read end. */
static int writer_in_flight(int to)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    send_fd(to, fd[1]);
    REQUIRE_OK(close(fd[1]));
    return fd[0];
}

/* F send_and_cancel */
CASE(closing_both_sockets_closes_it)
{
    int pair[2];
    socket_pair(pair);
    int reader = writer_in_flight(pair[0]);
    CHECK_OK(close(pair[0]));
    CHECK_OK(close(pair[1]));
    CHECK(pipe_at_end(reader));
}

/* F send_and_shutdown */
CASE(shutdown_of_the_receiving_side)
{
    int pair[2];
    socket_pair(pair);
    int reader = writer_in_flight(pair[0]);
    CHECK_OK(shutdown(pair[1], SHUT_RD));
#ifdef __APPLE__
    CHECK(pipe_at_end(reader)); /* sorflush disposes of the rights in the buffer */
#else
    /* Linux keeps what came before: it can still be read, and is closed with the socket */
    struct taken taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.count, 1);
    CHECK_OK(close(taken.fds[0]));
    CHECK(pipe_at_end(reader));
#endif
}

/* F bundle_cancel; X uipc_uaf: no one can ever receive these any more, so the kernel's collector must find them */
CASE(socket_in_flight_over_itself_is_collected)
{
    int pair[2], fd[2];
    socket_pair(pair);
    REQUIRE_OK(pipe(fd));
    int all[] = {pair[0], pair[1], fd[1]};
    CHECK_EQ_INT(send_fds(pair[0], 'f', all, 3), 1);
    CHECK_OK(close(fd[1]));
    CHECK_OK(close(pair[0]));
    CHECK_OK(close(pair[1]));
    /* Linux collects when a later socket is closed or used; give it one */
    int other[2];
    socket_pair(other);
    CHECK_OK(close(other[0]));
    CHECK_OK(close(other[1]));
    CHECK(pipe_at_end(fd[0]));
}

/* F bundle */
CASE(socket_received_over_itself_works)
{
    int pair[2];
    char byte;
    socket_pair(pair);
    send_fd(pair[0], pair[1]);
    int got = take_fd(pair[1]);
    CHECK(same_file(got, pair[1]));
    CHECK_EQ_INT(write(pair[0], "x", 1), 1);
    CHECK_EQ_INT(read(got, &byte, 1), 1);
}

CASE(two_sockets_in_each_other_are_collected)
{
    int a[2], b[2], fd[2];
    socket_pair(a);
    socket_pair(b);
    REQUIRE_OK(pipe(fd));
    int in_a[] = {b[0], b[1], fd[1]}, in_b[] = {a[0], a[1]};
    CHECK_EQ_INT(send_fds(a[0], 'f', in_a, 3), 1);
    CHECK_EQ_INT(send_fds(b[0], 'f', in_b, 2), 1);
    CHECK_OK(close(fd[1]));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(close(a[i]));
        CHECK_OK(close(b[i]));
    }
    socket_pair(a);
    CHECK_OK(close(a[0]));
    CHECK_OK(close(a[1]));
    CHECK(pipe_at_end(fd[0]));
}

/* F truncated_rights. Room for one of two: the other must not stay open without a name. */
CASE(short_control_buffer)
{
    int pair[2], first[2], second[2];
    socket_pair(pair);
    REQUIRE_OK(pipe(first));
    REQUIRE_OK(pipe(second));
    int writers[] = {first[1], second[1]};
    CHECK_EQ_INT(send_fds(pair[0], 'f', writers, 2), 1);
    CHECK_OK(close(first[1]));
    CHECK_OK(close(second[1]));
    int before = open_fds();
    struct taken taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.n, 1); /* the data arrives */
    CHECK_EQ_INT(taken.flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ_INT(taken.count, 1);
    int opened = open_fds() - before;
    FACT("opened", opened);
#ifdef __APPLE__
    /* unp_externalize opens all, then copyout_control cuts the list: the second is open, its number untold */
    CHECK_EQ_INT(opened, 2);
#else
    CHECK_EQ_INT(opened, 1);
    CHECK(pipe_at_end(second[0]));
#endif
    CHECK_OK(close(taken.fds[0]));
    CHECK(pipe_at_end(first[0]));
}

CASE(no_control_buffer)
{
    int pair[2];
    socket_pair(pair);
    int reader = writer_in_flight(pair[0]);
    int before = open_fds();
    struct taken taken = take_fds(pair[1], 0, 0);
    CHECK_EQ_INT(taken.n, 1);
    int opened = open_fds() - before;
    FACT("opened", opened);
    FACT("truncation_told", (taken.flags & MSG_CTRUNC) != 0);
#ifndef __APPLE__
    CHECK_EQ_INT(taken.flags & MSG_CTRUNC, MSG_CTRUNC);
    CHECK_EQ_INT(opened, 0);
    CHECK(pipe_at_end(reader));
#endif
    CHECK_OK(close(reader));
}

CASE(plain_read_of_a_message_with_rights)
{
    int pair[2];
    char bytes[4];
    socket_pair(pair);
    int reader = writer_in_flight(pair[0]);
    int before = open_fds();
    CHECK_EQ_INT(read(pair[1], bytes, sizeof bytes), 1);
    int opened = open_fds() - before;
    FACT("opened", opened);
#ifndef __APPLE__
    CHECK_EQ_INT(opened, 0);
    CHECK(pipe_at_end(reader));
#endif
    CHECK_OK(close(reader));
}

static void *no_memory(void)
{
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE(page != MAP_FAILED);
    return page;
}

/* F copyout_rights_error */
CASE(bad_control_pointer_on_receive)
{
    int pair[2];
    char byte;
    socket_pair(pair);
    int reader = writer_in_flight(pair[0]);
    int before = open_fds();
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = no_memory(), .msg_controllen = 64};
#ifdef __APPLE__
    CHECK_ERRNO(recvmsg(pair[1], &message, 0), EFAULT);
    FACT("opened", open_fds() - before);
#else
    CHECK_EQ_INT(recvmsg(pair[1], &message, 0), 1); /* the data arrives; put_cmsg could not write and gave up */
    CHECK_EQ_INT(open_fds(), before);
    CHECK(pipe_at_end(reader));
#endif
    CHECK_OK(close(reader));
}

/* The system call itself: musl's sendmsg() copies the control message, and would fault in its place. */
static long raw_sendmsg(int to, const struct msghdr *message)
{
#ifdef __linux__
    return rig_syscall(SYS_sendmsg, to, (long)message, 0);
#else
    return sendmsg(to, message, 0);
#endif
}

CASE(bad_control_pointer_on_send)
{
    int pair[2];
    char byte = 'f';
    socket_pair(pair);
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = no_memory(), .msg_controllen = 20};
    CHECK_ERRNO(raw_sendmsg(pair[0], &message), EFAULT);
    rig_nonblock(pair[1], true);
    CHECK_ERRNO(read(pair[1], &byte, 1), EAGAIN); /* nothing was sent */
}

static void limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = most;
    REQUIRE_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

enum { SENT = 8 };

/* Three messages: one that carries the only write end of a pipe, one with SENT rights, one without; returns the
 * pipe's read end. */
static int send_three(int to)
{
    int fds[SENT] = {0};
    int reader = writer_in_flight(to);
    CHECK_EQ_INT(send_fds(to, '2', fds, SENT), 1);
    CHECK_EQ_INT(write(to, "3", 1), 1);
    return reader;
}

/* With no descriptor free, the first message's rights are dropped; then there is room again. */
static void take_three(int from, int reader, rlim_t room_again)
{
    CHECK_ERRNO(dup(0), EMFILE);
    int before = open_fds();
    struct taken taken = take_fds(from, SENT, 0);
    int why = errno;
    CHECK_EQ_INT(taken.count, 0);
    CHECK_EQ_INT(open_fds(), before);
#ifdef __APPLE__
    /* unp_externalize: EMSGSIZE, all rights discarded; the data comes with the next read */
    CHECK_EQ_INT(taken.n, -1);
    CHECK_EQ_STR(rig_errno_name(why), "EMSGSIZE");
    taken = take_fds(from, SENT, 0);
#else
    (void)why;
    CHECK_EQ_INT(taken.flags & MSG_CTRUNC, MSG_CTRUNC);
#endif
    CHECK_EQ_INT(taken.n, 1);
    CHECK_EQ_INT(taken.bytes[0], 'f');
    CHECK_EQ_INT(taken.count, 0);
    CHECK(pipe_at_end(reader));
    limit_descriptors(room_again);
    taken = take_fds(from, SENT, 0);
    CHECK_EQ_INT(taken.bytes[0], '2');
    CHECK_EQ_INT(taken.count, SENT); /* what came after was not harmed */
    for (size_t i = 0; i < taken.count; i++)
        CHECK_OK(close(taken.fds[i]));
}

/* F send_a_lot: every descriptor that the limit allows is in use */
CASE(receiver_at_its_descriptor_limit)
{
    enum { LIMIT = 64 };
    int pair[2];
    socket_pair(pair);
    limit_descriptors(LIMIT);
    int reader = send_three(pair[0]);
    while (dup(0) != -1) {
    }
    CHECK_EQ_INT(open_fds(), LIMIT);
    take_three(pair[1], reader, LIMIT + 2 * SENT);
}

/* The limit is lowered to what is open now, so that the process's table is larger than the limit. xnu's fdavail()
 * then counts the table's free places beyond the limit, fdalloc() refuses them, and unp_externalize() panics:
 * "unp_externalize:fdalloc" (seen on 20.5). */
CASE(limit_below_the_descriptor_table)
{
#ifdef __APPLE__
    DANGEROUS("panics this kernel: fdavail() overlooks the limit, bsd/kern/kern_descrip.c");
#endif
    int pair[2];
    socket_pair(pair);
    int reader = send_three(pair[0]);
    limit_descriptors((rlim_t)open_fds());
    take_three(pair[1], reader, 64);
}
