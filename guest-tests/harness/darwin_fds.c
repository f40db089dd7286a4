/* darwin_fds.c - see darwin_fds.h. */
#include "darwin_fds.h"

#ifdef __APPLE__

#define L(x) ((long)(x))

/* callnum, pid, flavor, arg, buffer, size (bsd/kern/proc_info.c proc_info) */
enum { PROC_INFO = 336, CALL_PIDFDINFO = 3, CALL_PIDFILEPORTINFO = 6 };

static int by_hand(int call, pid_t pid, int flavor, uint64_t which, void *info, int size)
{
    rig_via("syscall");
    return (int)rig_syscall(PROC_INFO, call, pid, flavor, L(which), L(info), size);
}

/* libproc makes 0 of an error (libsyscall/wrappers/libproc/libproc.c); no structure has 0 bytes. */
static int or_error(int bytes)
{
    rig_via("libsystem");
    return bytes > 0 ? bytes : -1;
}

int rig_fd_info(pid_t pid, int fd, int flavor, void *info, int size)
{
    if (RIG_HAVE(proc_pidfdinfo))
        return or_error(proc_pidfdinfo(pid, fd, flavor, info, size));
    return by_hand(CALL_PIDFDINFO, pid, flavor, (uint64_t)fd, info, size);
}

int rig_fileport_info(pid_t pid, mach_port_t port, int flavor, void *info, int size)
{
    if (RIG_HAVE(proc_pidfileportinfo))
        return or_error(proc_pidfileportinfo(pid, port, flavor, info, size));
    return by_hand(CALL_PIDFILEPORTINFO, pid, flavor, port, info, size);
}

/* No entry and an error are both 0: errno tells them apart. */
static int list(pid_t pid, int flavor, void *entries, int room, int size)
{
    errno = 0;
    int bytes = proc_pidinfo(pid, flavor, 0, entries, room * size);
    return bytes <= 0 && errno != 0 ? -1 : bytes / size;
}

int rig_fd_list(pid_t pid, struct proc_fdinfo *entries, int room)
{
    return list(pid, PROC_PIDLISTFDS, entries, room, (int)sizeof *entries);
}

int rig_fileport_list(pid_t pid, struct proc_fileportinfo *entries, int room)
{
    return list(pid, PROC_PIDLISTFILEPORTS, entries, room, (int)sizeof *entries);
}

int rig_fd_kind(pid_t pid, int fd)
{
    struct proc_fdinfo entries[256];
    int count = rig_fd_list(pid, entries, (int)RIG_COUNT(entries));
    for (int i = 0; i < count; i++)
        if (entries[i].proc_fd == fd)
            return (int)entries[i].proc_fdtype;
    return -1;
}

/* The library's function if it is there, else the system call. */
#define CALL(function, arguments, number, ...)                                 \
    return RIG_HAVE(function) ? (rig_via("libsystem"), function arguments)     \
                              : (rig_via("syscall"), (int)rig_syscall(number, __VA_ARGS__))

int rig_fileport_makeport(int fd, mach_port_t *port)
{
    CALL(fileport_makeport, (fd, port), 430, L(fd), L(port));
}

int rig_fileport_makefd(mach_port_t port) { CALL(fileport_makefd, (port), 431, L(port)); }

int rig_guarded_open(const char *path, const guardid_t *guard, unsigned guard_flags, int flags, int mode)
{
    CALL(guarded_open_np, (path, guard, guard_flags, flags, mode), 441, L(path), L(guard), L(guard_flags), L(flags),
         L(mode));
}

int rig_guarded_close(int fd, const guardid_t *guard) { CALL(guarded_close_np, (fd, guard), 442, L(fd), L(guard)); }

int rig_guarded_kqueue(const guardid_t *guard, unsigned guard_flags)
{
    CALL(guarded_kqueue_np, (guard, guard_flags), 443, L(guard), L(guard_flags));
}

int rig_change_fdguard(int fd, const guardid_t *guard, unsigned guard_flags, const guardid_t *new_guard,
                       unsigned new_guard_flags, int *fd_flags)
{
    CALL(change_fdguard_np, (fd, guard, guard_flags, new_guard, new_guard_flags, fd_flags), 444, L(fd), L(guard),
         L(guard_flags), L(new_guard), L(new_guard_flags), L(fd_flags));
}

#endif
