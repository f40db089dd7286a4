/* pipe.h - mutants of the probe pipe. */
#include "mutant.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>

static inline bool is_nonblocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

static inline bool is_writer(int fd) { return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY; }

static inline int mutant_pipe(int fd[2])
{
    if (MUTANT(pipe_is_bidirectional, "pipe() gives two descriptors that both read and write")) {
        extern int socketpair(int, int, int, int *);
        return socketpair(1, 1, 0, fd);
    }
    int result = pipe(fd);
    if (MUTANT(pipe_ends_swapped, "pipe() gives the write end first") && result == 0) {
        int first = fd[0];
        fd[0] = fd[1], fd[1] = first;
    }
    if (MUTANT(pipe_leaks_a_descriptor, "pipe() keeps a third descriptor open") && result == 0)
        dup(fd[1]);
    if (MUTANT(pipe_is_close_on_exec, "a new pipe has FD_CLOEXEC set") && result == 0)
        fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    if (MUTANT(pipe_wrong_errno, "pipe() out of descriptors fails with ENFILE") && result < 0)
        return mutant_fails(ENFILE);
    return result;
}
#define pipe(...) mutant_pipe(__VA_ARGS__)

static inline ssize_t mutant_write(int fd, const void *bytes, size_t n)
{
    if (MUTANT(write_loses_a_byte, "a write of several bytes loses the last one, and says that it took all") && n > 1)
        return write(fd, bytes, n - 1) < 0 ? -1 : (ssize_t)n;
    if (MUTANT(write_is_short, "a write of several bytes takes half of them") && n > 1)
        return write(fd, bytes, n / 2);
    if (MUTANT(write_goes_nowhere, "a write says that it took all and takes nothing") && is_writer(fd))
        return (ssize_t)n;
    if (MUTANT(write_never_waits, "a write to a full pipe fails with EAGAIN though it may block") && is_writer(fd)) {
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (poll(&room, 1, 0) == 0)
            return mutant_fails(EAGAIN);
    }
    if (MUTANT(write_without_reader_is_silent, "a write without a reader raises no SIGPIPE")) {
        void (*old)(int) = signal(SIGPIPE, SIG_IGN);
        ssize_t result = write(fd, bytes, n);
        int saved = errno;
        signal(SIGPIPE, old);
        errno = saved;
        return result;
    }
    ssize_t result = write(fd, bytes, n);
    if (MUTANT(write_epipe_is_eio, "a write without a reader fails with EIO") && result < 0 && errno == EPIPE)
        errno = EIO;
    if (MUTANT(write_eagain_is_zero, "a non-blocking write to a full pipe returns 0") && result < 0 && errno == EAGAIN)
        return 0;
    if (MUTANT(write_forgets_its_part, "an interrupted write that wrote a part fails with EINTR") && n > 65536 &&
        result > 0 && (size_t)result < n && !is_nonblocking(fd))
        return mutant_fails(EINTR);
    return result;
}

static inline ssize_t mutant_read(int fd, void *bytes, size_t n)
{
    if (MUTANT(read_waits_for_all, "a read waits until it can fill its buffer") && n > 1 && !is_nonblocking(fd)) {
        size_t have = 0;
        for (ssize_t got; have < n && (got = read(fd, (char *)bytes + have, n - have)) > 0;)
            have += (size_t)got;
        return (ssize_t)have;
    }
    ssize_t result = read(fd, bytes, n);
    if (MUTANT(read_swaps_bytes, "the first two bytes of a read come in the wrong order") && result > 1) {
        char *text = bytes, first = text[0];
        text[0] = text[1], text[1] = first;
    }
    if (MUTANT(read_end_is_eagain, "the end of file of a non-blocking read is EAGAIN") && result == 0 && n > 0 && is_nonblocking(fd))
        return mutant_fails(EAGAIN);
    if (MUTANT(read_empty_is_the_end, "an empty pipe with a writer reads as its end") && result < 0 && errno == EAGAIN)
        return 0;
    if (MUTANT(read_restarts_always, "a read goes on after every signal, SA_RESTART or not"))
        while (result < 0 && errno == EINTR)
            result = read(fd, bytes, n);
    if (MUTANT(read_wrong_end_is_einval, "a read from the write end fails with EINVAL") && result < 0 && errno == EBADF)
        errno = EINVAL;
    return result;
}
#define write(...) mutant_write(__VA_ARGS__)
#define read(...) mutant_read(__VA_ARGS__)

static inline ssize_t mutant_writev(int fd, const struct iovec *parts, int count)
{
    if (MUTANT(writev_drops_the_last_part, "writev leaves its last part out and counts it") && count > 1)
        return writev(fd, parts, count - 1) < 0 ? -1 : (ssize_t)(parts[0].iov_len + parts[1].iov_len + (count > 2 ? parts[2].iov_len : 0));
    return writev(fd, parts, count);
}
#define writev(...) mutant_writev(__VA_ARGS__)

static inline int mutant_poll(struct pollfd *watched, nfds_t count, int ms)
{
    int result = poll(watched, count, ms);
    if (MUTANT(poll_hides_the_hang_up, "poll does not tell that the other end is gone"))
        watched->revents &= (short)~(POLLHUP | POLLERR);
    if (MUTANT(poll_always_writable, "poll tells room in a full pipe") && (watched->events & POLLOUT))
        watched->revents |= POLLOUT;
    return result;
}
#define poll(...) mutant_poll(__VA_ARGS__)

static inline int mutant_close(int fd)
{
    if (MUTANT(close_keeps_the_pipe, "close() of a write end leaves the pipe open") && is_writer(fd))
        dup(fd);
    return close(fd);
}
#define close(...) mutant_close(__VA_ARGS__)

static inline int mutant_fstat(int fd, struct stat *info)
{
    int result = fstat(fd, info);
    if (MUTANT(fstat_calls_it_a_socket, "fstat tells a socket"))
        info->st_mode = (info->st_mode & (mode_t)~S_IFMT) | S_IFSOCK;
    if (MUTANT(fstat_one_inode_for_all, "fstat tells the same inode for every pipe"))
        info->st_ino = 1, info->st_dev = 1;
    return result;
}
#define fstat(...) mutant_fstat(__VA_ARGS__)
