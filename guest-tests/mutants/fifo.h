/* fifo.h - mutants of the probe fifo. */
#include "mutant.h"

#include "sys_compat.h"

#include <poll.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static inline int mutant_mkfifo(const char *path, mode_t mode)
{
    if (MUTANT(mkfifo_makes_a_file, "mkfifo makes a plain file")) {
        int fd = open(path, O_CREAT | O_EXCL | O_RDWR, mode);
        return fd < 0 ? -1 : close(fd);
    }
    if (MUTANT(mkfifo_ignores_the_umask, "the umask does not cut a fifo's mode")) {
        mode_t mask = umask(0);
        int made = rig_mkfifo(path, mode);
        umask(mask);
        return made;
    }
    int result = rig_mkfifo(path, mode);
    if (MUTANT(mkfifo_exists_is_fine, "mkfifo of a name that exists succeeds") && result == -1 && errno == EEXIST)
        return 0;
    if (MUTANT(mkfifo_enotdir_is_enoent, "a path through what is no directory fails with ENOENT") && result == -1 && errno == ENOTDIR)
        return mutant_fails(ENOENT);
    return result;
}
#define rig_mkfifo(...) mutant_mkfifo(__VA_ARGS__)

static inline int mutant_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list given;
        va_start(given, flags);
        mode = (mode_t)va_arg(given, int);
        va_end(given);
    }
    int way = flags & O_ACCMODE;
    struct stat info;
    bool fifo = stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
    if (MUTANT(open_never_waits, "opening a fifo does not wait for the other end") && fifo && !(flags & O_NONBLOCK)) {
        int fd = open(path, way == O_WRONLY ? O_RDWR : flags | O_NONBLOCK);
        if (fd >= 0)
            fcntl(fd, F_SETFL, 0);
        return fd;
    }
    if (MUTANT(open_is_both_ways, "a fifo opened for reading can be written") && fifo && way == O_RDONLY && (flags & O_NONBLOCK))
        flags |= O_RDWR;
    if (MUTANT(open_of_writer_waits, "a non-blocking writer without a reader waits") && fifo && way == O_WRONLY)
        flags &= ~O_NONBLOCK;
    int fd = open(path, flags, mode);
    if (MUTANT(open_enxio_is_eagain, "a non-blocking writer without a reader fails with EAGAIN") && fd == -1 && errno == ENXIO)
        return mutant_fails(EAGAIN);
    if (MUTANT(open_restarts, "a signal does not end a waiting open"))
        while (fd == -1 && errno == EINTR)
            fd = open(path, flags, mode);
    return fd;
}

static inline ssize_t mutant_read(int fd, void *bytes, size_t n)
{
    ssize_t got = read(fd, bytes, n);
    if (MUTANT(read_end_is_eagain, "the end of a fifo reads as EAGAIN") && got == 0 && n > 0)
        return mutant_fails(EAGAIN);
    if (MUTANT(read_empty_is_the_end, "a fifo with writers and no bytes reads as its end") && got == -1 && errno == EAGAIN)
        return 0;
    if (MUTANT(read_swaps_bytes, "the first two bytes of a read come in the wrong order") && got > 1) {
        char *text = bytes, first = text[0];
        text[0] = text[1], text[1] = first;
    }
    return got;
}

static inline ssize_t mutant_write(int fd, const void *bytes, size_t n)
{
    ssize_t put = write(fd, bytes, n);
    if (MUTANT(write_epipe_is_eio, "a write without a reader fails with EIO") && put == -1 && errno == EPIPE)
        return mutant_fails(EIO);
    if (MUTANT(write_eagain_is_short, "a write to a full fifo returns 0") && put == -1 && errno == EAGAIN)
        return 0;
    return put;
}

static inline int mutant_close(int fd)
{
    if (MUTANT(close_keeps_the_fifo, "close() of an end leaves it open"))
        dup(fd);
    return close(fd);
}

static inline int mutant_poll(struct pollfd *watched, nfds_t count, int ms)
{
    int result = poll(watched, count, ms);
    if (MUTANT(poll_hides_the_hang_up, "poll does not tell that the last writer is gone"))
        watched->revents &= (short)~POLLHUP;
    return result;
}
#define open(...) mutant_open(__VA_ARGS__)
#define read(...) mutant_read(__VA_ARGS__)
#define write(...) mutant_write(__VA_ARGS__)
#define close(...) mutant_close(__VA_ARGS__)
#define poll(...) mutant_poll(__VA_ARGS__)

static inline int mutant_lstat(const char *path, struct stat *info)
{
    int result = lstat(path, info);
    if (MUTANT(lstat_two_links, "a new fifo has two links") && result == 0)
        info->st_nlink++;
    return result;
}
#define lstat(...) mutant_lstat(__VA_ARGS__)

static inline int mutant_unlink(const char *path)
{
    if (MUTANT(unlink_keeps_the_name, "an unlinked fifo can still be opened"))
        return 0;
    return unlink(path);
}
#define unlink(...) mutant_unlink(__VA_ARGS__)

static inline int mutant_ioctl(int fd, unsigned long request, int *count)
{
    int result = ioctl(fd, (int)request, count);
    if (MUTANT(fionread_is_one_less, "FIONREAD tells one byte too few") && request == FIONREAD && *count > 0)
        --*count;
    return result;
}
#define ioctl(...) mutant_ioctl(__VA_ARGS__)
