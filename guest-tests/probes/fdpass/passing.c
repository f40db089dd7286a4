/* passing.c - see passing.h */
#include "passing.h"

#include <sys/resource.h>
#include <sys/stat.h>

/* Aligned as CMSG_FIRSTHDR needs it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
};

void socket_pair_of(int type, int pair[2]) { REQUIRE_OK(socketpair(AF_UNIX, type, 0, pair)); }

void socket_pair(int pair[2]) { socket_pair_of(SOCK_STREAM, pair); }

ssize_t send_fds(int to, char byte, const int *fds, size_t n)
{
    union control control;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes};
    REQUIRE_QUIET(n <= FDS_ROOM);
    memset(&control, 0, sizeof control);
    /* Darwin takes cmsg_len equal to msg_controllen only (unp_internalize), and n of 4 bytes need no padding there;
     * Linux takes that, too. */
    message.msg_controllen = (unsigned)CMSG_LEN(n * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = (unsigned)CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
    return sendmsg(to, &message, 0);
}

struct taken take_fds(int from, size_t room, int flags)
{
    union control control;
    struct taken taken;
    struct iovec data = {.iov_base = taken.bytes, .iov_len = sizeof taken.bytes};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    memset(&taken, 0, sizeof taken);
    memset(&control, 0, sizeof control);
    REQUIRE_QUIET(room <= FDS_ROOM);
    if (room > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = (unsigned)CMSG_LEN(room * sizeof(int));
    }
    taken.n = recvmsg(from, &message, flags);
    if (taken.n < 0)
        return taken;
    taken.flags = message.msg_flags;
    if (message.msg_controllen < sizeof(struct cmsghdr) || control.header.cmsg_type != SCM_RIGHTS ||
        control.header.cmsg_level != SOL_SOCKET)
        return taken;
    taken.control = true;
    /* a cut message may still tell its full length (Darwin copies the header as it was) */
    size_t length = message.msg_controllen < control.header.cmsg_len ? message.msg_controllen : control.header.cmsg_len;
    taken.count = length > CMSG_LEN(0) ? (length - CMSG_LEN(0)) / sizeof(int) : 0;
    memcpy(taken.fds, CMSG_DATA(&control.header), taken.count * sizeof(int));
    return taken;
}

void send_fd(int to, int fd) { REQUIRE_QUIET(send_fds(to, 'f', &fd, 1) == 1); }

int take_fd(int from)
{
    REQUIRE_QUIET(rig_wait_readable(from));
    struct taken taken = take_fds(from, 1, 0);
    REQUIRE_QUIET(taken.n == 1 && taken.count == 1 && taken.flags == 0);
    return taken.fds[0];
}

int open_fds(void)
{
    enum { HIGHEST = 2048 };
    int count = 0;
    for (int fd = 0; fd < HIGHEST; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

bool same_file(int a, int b)
{
    struct stat x, y;
    /* Twice: xnu numbers a socket when it is first asked, and the very first gets 0, which counts as no number yet
     * (uipc_usrreq.c uipc_sense). */
    for (int i = 0; i < 2; i++)
        REQUIRE_QUIET(fstat(a, &x) == 0 && fstat(b, &y) == 0);
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int new_file(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    REQUIRE_QUIET(fd >= 0 && rig_write_all(fd, text, strlen(text)) && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

bool pipe_at_end(int reader)
{
    char byte;
    return rig_wait_readable(reader) && read(reader, &byte, 1) == 0;
}
