/* fdpass_refused.c - what may not be passed, and how much may. */
#include "events.h"
#include "passing.h"

#include <sys/resource.h>

/* A control message of these fields, n bytes of descriptors that are all standard input. */
static ssize_t send_control(int to, int level, int type, size_t cmsg_len, size_t controllen)
{
    union {
        struct cmsghdr header;
        char bytes[256];
    } control;
    char byte = 'f';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes};
    REQUIRE_QUIET(controllen <= sizeof control);
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = level;
    control.header.cmsg_type = type;
    control.header.cmsg_len = (unsigned)cmsg_len;
    message.msg_controllen = (unsigned)controllen;
    return sendmsg(to, &message, 0);
}

static void nothing_arrived(int from)
{
    char byte;
    rig_nonblock(from, true);
    CHECK_ERRNO(read(from, &byte, 1), EAGAIN);
}

CASE(bad_descriptor_is_ebadf)
{
    int pair[2];
    socket_pair(pair);
    int bad[] = {0, 99}, negative[] = {-1};
    CHECK_ERRNO(send_fds(pair[0], 'f', bad, 2), EBADF);
    CHECK_ERRNO(send_fds(pair[0], 'f', negative, 1), EBADF);
    nothing_arrived(pair[1]);
}

CASE(wrong_type_is_einval)
{
    int pair[2];
    socket_pair(pair);
    CHECK_ERRNO(send_control(pair[0], SOL_SOCKET, 0x7abc, CMSG_LEN(4), CMSG_LEN(4)), EINVAL);
    nothing_arrived(pair[1]);
}

CASE(wrong_level)
{
    int pair[2];
    socket_pair(pair);
#ifdef __APPLE__
    CHECK_ERRNO(send_control(pair[0], 0x7abc, SCM_RIGHTS, CMSG_LEN(4), CMSG_LEN(4)), EINVAL);
    nothing_arrived(pair[1]);
#else
    /* Linux skips control messages of other levels (net/core/scm.c __scm_send): the data goes alone */
    CHECK_EQ_INT(send_control(pair[0], 0x7abc, SCM_RIGHTS, CMSG_LEN(4), CMSG_LEN(4)), 1);
    struct taken taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.n, 1);
    CHECK(!taken.control);
#endif
}

CASE(wrong_length_is_einval)
{
    int pair[2];
    socket_pair(pair);
    /* longer than the buffer; too short for a header */
    CHECK_ERRNO(send_control(pair[0], SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(8), CMSG_LEN(4)), EINVAL);
    CHECK_ERRNO(send_control(pair[0], SOL_SOCKET, SCM_RIGHTS, sizeof(struct cmsghdr) - 1, CMSG_LEN(4)), EINVAL);
    nothing_arrived(pair[1]);
}

CASE(two_control_messages)
{
    int pair[2];
    enum { ONE = CMSG_SPACE(sizeof(int)) };
    union {
        struct cmsghdr header;
        char bytes[2 * ONE];
    } control;
    char byte = 'f';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    socket_pair(pair);
    memset(&control, 0, sizeof control);
    for (int i = 0; i < 2; i++) {
        struct cmsghdr *header = (struct cmsghdr *)(void *)(control.bytes + i * ONE);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = (unsigned)CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &i, sizeof i);
    }
#ifdef __APPLE__
    /* unp_internalize: cmsg_len must be all of the control buffer, so there can be one only */
    CHECK_ERRNO(sendmsg(pair[0], &message, 0), EINVAL);
    nothing_arrived(pair[1]);
#else
    CHECK_EQ_INT(sendmsg(pair[0], &message, 0), 1);
    CHECK_EQ_INT(take_fds(pair[1], 4, 0).count, 2); /* they arrive as one */
#endif
}

/* F empty_rights_message */
CASE(message_of_no_rights)
{
    int pair[2], none[1] = {0};
    socket_pair(pair);
    ssize_t sent = send_fds(pair[0], 'f', none, 0);
    FACT_STR("send", sent == 1 ? "success" : rig_errno_name(errno));
#ifdef __APPLE__
    if (sent == 1) {
        rig_nonblock(pair[1], true);
        struct taken taken = take_fds(pair[1], 1, 0);
        FACT_STR("receive", taken.n >= 0 ? "success" : rig_errno_name(errno));
        CHECK_EQ_INT(taken.count, 0);
    }
#else
    CHECK_EQ_INT(sent, 1);
    struct taken taken = take_fds(pair[1], 1, 0);
    CHECK_EQ_INT(taken.n, 1);
    CHECK(!taken.control);
    CHECK_EQ_INT(taken.flags, 0);
#endif
    /* the sockets still work */
    CHECK_EQ_INT(send_fds(pair[0], 'g', none, 1), 1);
    int got = take_fds(pair[1], 1, 0).fds[0];
    CHECK(same_file(got, 0));
}

CASE(many_in_one_message)
{
    enum { MANY = 64 };
    int pair[2], fds[MANY], good = 0;
    socket_pair(pair);
    int a = new_file("a", ""), b = new_file("b", "");
    for (int i = 0; i < MANY; i++)
        fds[i] = i % 3 ? a : b;
    CHECK_EQ_INT(send_fds(pair[0], 'f', fds, MANY), 1);
    struct taken taken = take_fds(pair[1], MANY, 0);
    CHECK_EQ_INT(taken.count, MANY);
    CHECK_EQ_INT(taken.flags & MSG_CTRUNC, 0);
    for (size_t i = 0; i < taken.count; i++)
        good += same_file(taken.fds[i], fds[i]);
    CHECK_EQ_INT(good, MANY);
}

/* How many go at most, and that all of those arrive. */
CASE(most_in_one_message)
{
    int pair[2], fds[FDS_ROOM] = {0};
    size_t most = 0;
    int refused = 0;
    struct rlimit limit;
    socket_pair(pair);
    REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = 2 * FDS_ROOM; /* Darwin starts with 256 */
    REQUIRE_OK(setrlimit(RLIMIT_NOFILE, &limit));
    for (size_t n = 1; n <= FDS_ROOM; n++) {
        if (send_fds(pair[0], 'f', fds, n) != 1) {
            refused = errno;
            break;
        }
        most = n;
        struct taken taken = take_fds(pair[1], FDS_ROOM, 0);
        REQUIRE_QUIET(taken.n == 1 && taken.count == n);
        for (size_t i = 0; i < n; i++)
            REQUIRE_QUIET(close(taken.fds[i]) == 0);
    }
    FACT("most_descriptors", most);
    CHECK_EQ_STR(rig_errno_name(refused), "EINVAL");
#ifdef __APPLE__
    CHECK_EQ_INT(most, 254); /* sockargs: 12 bytes of header and 8 for each descriptor in a cluster of 2048 */
#else
    CHECK_EQ_INT(most, 253); /* SCM_MAX_FD, include/net/scm.h */
#endif
}

/* file_issendable: a kqueue belongs to its process */
CASE(kqueue_is_refused, .darwin_only = true, .why = "Linux has no kqueue, and passes an epoll")
{
    int pair[2], queue;
    socket_pair(pair);
    REQUIRE_OK(queue = rig_events_open());
    CHECK_ERRNO(send_fds(pair[0], 'f', &queue, 1), EINVAL);
    nothing_arrived(pair[1]);
}

#ifdef __APPLE__
/* bsd/sys/guarded.h; the call is number 441 in bsd/kern/syscalls.master */
enum { SYSCALL_GUARDED_OPEN = 441, GUARD_BY_DUP = 1 << 1, GUARD_BY_SOCKET = 1 << 2 };

static void send_guarded(void *arg)
{
    const int *pair = arg;
    uint64_t guard = 0x7269672d67756172;
    int fd = (int)rig_syscall(SYSCALL_GUARDED_OPEN, (long)"file", (long)&guard, GUARD_BY_DUP | GUARD_BY_SOCKET,
                              O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE_OK(fd);
    send_fds(pair[0], 'f', &fd, 1);
    rig_sleep_ms(1000); /* the exception comes on the way back to user mode, at the latest */
}
#endif

CASE(guarded_descriptor_kills_its_sender, .darwin_only = true, .why = "Linux has no guarded descriptors")
{
#ifdef __APPLE__
    int pair[2];
    socket_pair(pair);
    rig_via("syscall");
    CHECK_KILLED_BY(rig_spawn(send_guarded, pair), SIGKILL); /* EXC_GUARD, kGUARD_EXC_SOCKET_IPC */
    nothing_arrived(pair[1]);
#endif
}
