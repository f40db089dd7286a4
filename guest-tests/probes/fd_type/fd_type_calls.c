/* fd_type_calls.c - what the calls on descriptors answer for each kind: its struct fileops, and the calls that know only
 * some kinds. In each table 0 means that the call succeeds. */
#include "kinds.h"

#include "events.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>

#ifdef __APPLE__
#define TABLE(name, darwin, linux) static const int name[KINDS] = {darwin}
#else
#define TABLE(name, darwin, linux) static const int name[KINDS] = {linux}
#endif
#define ROW(...) __VA_ARGS__ /* file, directory, device, stream, datagram, TCP, UDP, reader, writer, shm, queue, sem, fsevents */

static int result(intptr_t answer) { return answer == -1 ? errno : 0; }

static int seek(int fd, enum kind kind)
{
    (void)kind;
    return result((intptr_t)lseek(fd, 0, SEEK_CUR));
}

CASE(lseek_by_kind)
{
    TABLE(want, ROW(0, 0, 0, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE),
          ROW(0, 0, 0, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, ESPIPE, 0, -1));
    kinds_check("lseek", seek, want);
}

/* A byte is there to be read where there can be: none of these reads blocks. */
static int read_one(int fd, enum kind kind)
{
    char byte;
    (void)kind;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return result((intptr_t)read(fd, &byte, 1));
}

CASE(read_by_kind)
{
#ifdef __APPLE__
    /* pshm_read, psem_read: ENOTSUP in 4570, ENXIO since they are fo_no_read */
    int want[KINDS] = {0, EISDIR, 0, EAGAIN, EAGAIN, ENOTCONN, EAGAIN, EAGAIN, EBADF, 0, ENXIO, 0, EINVAL};
    want[KIND_SHM] = want[KIND_SEM] = SINCE_20(ENOTSUP, ENXIO); /* fsevents: EINVAL below 2048 bytes (fmod_watch) */
#else
    static const int want[KINDS] = {0, EISDIR, 0, EAGAIN, EAGAIN, ENOTCONN, EAGAIN, EAGAIN, EBADF, 0, EINVAL};
#endif
    kinds_check("read", read_one, want);
}

static int write_one(int fd, enum kind kind)
{
    (void)kind;
    return result((intptr_t)write(fd, "x", 1));
}

CASE(write_by_kind)
{
    signal(SIGPIPE, SIG_IGN);
#ifdef __APPLE__
    /* a semaphore is open for reading only: sem_open takes no access mode */
    int want[KINDS] = {0, EBADF, 0, 0, 0, ENOTCONN, EDESTADDRREQ, EBADF, 0, 0, ENXIO, EBADF, 0};
    want[KIND_SHM] = SINCE_20(ENOTSUP, ENXIO);
    want[KIND_FSEVENTS] = SINCE_20(EIO, ENXIO);
#else
    static const int want[KINDS] = {0, EBADF, 0, 0, 0, EPIPE, EDESTADDRREQ, EBADF, 0, 0, EINVAL};
#endif
    kinds_check("write", write_one, want);
}

static int map(int fd, enum kind kind)
{
    if (kind == KIND_SHM)
        REQUIRE_OK(ftruncate(fd, 4096));
    void *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    int answer = at == MAP_FAILED ? errno : 0;
    if (at != MAP_FAILED)
        munmap(at, 4096);
    return answer;
}

CASE(mmap_by_kind)
{
    TABLE(want,
          ROW(0, EINVAL, ENODEV, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, EINVAL, EINVAL, EINVAL),
          ROW(0, ENODEV, ENODEV, ENODEV, ENODEV, -1, ENODEV, ENODEV, EACCES, 0, ENODEV));
    kinds_check("mmap", map, want);
}

static int status_of(int fd, enum kind kind)
{
    struct stat status;
    (void)kind;
    return result(fstat(fd, &status));
}

CASE(fstat_by_kind)
{
    TABLE(want, ROW(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, EBADF, EBADF), ROW(0));
    kinds_check("fstat", status_of, want);
}

static int truncate_it(int fd, enum kind kind)
{
    (void)kind;
    return result(ftruncate(fd, 4096));
}

CASE(ftruncate_by_kind)
{
    TABLE(want,
          ROW(0, EINVAL, -1, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, EINVAL, EINVAL, EINVAL),
          ROW(0, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, EINVAL));
    kinds_check("ftruncate", truncate_it, want);
}

static int bytes_waiting(int fd, enum kind kind)
{
    int waiting = 0;
    (void)kind;
    return result(ioctl(fd, FIONREAD, &waiting));
}

CASE(ioctl_by_kind)
{
#ifdef __APPLE__
    int want[KINDS] = {0, 0, -1, 0, 0, 0, 0, 0, 0, 0, ENOTTY, 0, EINVAL};
    want[KIND_SHM] = want[KIND_SEM] = SINCE_20(ENOTSUP, ENOTTY);
#else
    static const int want[KINDS] = {0, ENOTTY, ENOTTY, 0, 0, -1, 0, 0, 0, 0, -1};
#endif
    kinds_check("ioctl FIONREAD", bytes_waiting, want);
}

static int watch(int fd, enum kind kind)
{
    int queue = rig_events_open();
    (void)kind;
    REQUIRE_OK(queue);
    int answer = rig_events_watch(queue, fd, false, 0) ? 0 : errno;
    close(queue);
    return answer;
}

CASE(event_queue_by_kind)
{
    /* vn_kqfilt_add: EVFILT_READ is for regular files and fifos; pshm_kqfilter and psem_kqfilter: ENOTSUP */
    TABLE(want, ROW(0, EINVAL, -1, 0, 0, 0, 0, 0, -1, ENOTSUP, 0, ENOTSUP, 0),
          ROW(EPERM, EPERM, EPERM, 0, 0, 0, 0, 0, 0, EPERM, 0));
    kinds_check(RIG_EVENTS_NAME, watch, want);
}

static int sent(int fd, enum kind kind)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    int pair[2];
    char byte = 'x';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    (void)kind;
    memset(&control, 0, sizeof control);
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int answer = result((intptr_t)sendmsg(pair[0], &message, 0));
    close(pair[0]);
    close(pair[1]);
    return answer;
}

CASE(sendable_by_kind)
{
    TABLE(want, ROW(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, EINVAL, EINVAL, EINVAL), ROW(0));
    kinds_check("sendmsg SCM_RIGHTS", sent, want);
}

static int selected(int fd, enum kind kind)
{
    fd_set set;
    struct timeval at_once = {0, 0};
    (void)kind;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, NULL, &set, NULL, &at_once) == 1 ? 0 : EAGAIN;
}

/* What select says of an object that it knows nothing of is no contract: told, not judged. */
CASE(select_by_kind)
{
    TABLE(want, ROW(0, -1, 0, 0, 0, -1, 0, -1, 0, -1, -1, -1, -1), ROW(0, 0, 0, 0, 0, 0, 0, EAGAIN, 0, 0, EAGAIN));
    kinds_check("select for writing", selected, want);
}
