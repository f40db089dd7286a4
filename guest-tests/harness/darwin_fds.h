/* darwin_fds.h - Darwin's calls about descriptors that its libSystem may lack: what the kernel says of one (proc_info),
 * fileports, guards. For cases and probes of Darwin alone.
 *
 * The system call numbers are those of xnu bsd/kern/syscalls.master: proc_info 336, fileport_makeport 430,
 * fileport_makefd 431, guarded_open_np 441, guarded_close_np 442, guarded_kqueue_np 443, change_fdguard_np 444. */
#ifndef RIG_DARWIN_FDS_H
#define RIG_DARWIN_FDS_H

#include "rig.h"

#ifdef __APPLE__

#include <libproc.h>
#include <mach/mach_types.h>
#include <sys/proc_info.h>

/* bsd/sys/fileport.h and the private bsd/sys/guarded.h, in no SDK of ours */
typedef uint64_t guardid_t;
extern int fileport_makeport(int fd, mach_port_t *port);
extern int fileport_makefd(mach_port_t port);
extern int guarded_open_np(const char *path, const guardid_t *guard, unsigned guard_flags, int flags, ...);
extern int guarded_close_np(int fd, const guardid_t *guard);
extern int guarded_kqueue_np(const guardid_t *guard, unsigned guard_flags);
extern int change_fdguard_np(int fd, const guardid_t *guard, unsigned guard_flags, const guardid_t *new_guard,
                             unsigned new_guard_flags, int *fd_flags);

RIG_MAKE_WEAK(proc_pidfdinfo);
RIG_MAKE_WEAK(proc_pidfileportinfo);
RIG_MAKE_WEAK(fileport_makeport);
RIG_MAKE_WEAK(fileport_makefd);
RIG_MAKE_WEAK(guarded_open_np);
RIG_MAKE_WEAK(guarded_close_np);
RIG_MAKE_WEAK(guarded_kqueue_np);
RIG_MAKE_WEAK(change_fdguard_np);

/* What forbids what; a violation's exception carries the flavour (enum guard_fd_exception_codes). */
enum {
    RIG_GUARD_CLOSE = 1,
    RIG_GUARD_DUP = 2,
    RIG_GUARD_SOCKET_IPC = 4,
    RIG_GUARD_FILEPORT = 8,
    RIG_GUARD_WRITE = 16,
};
enum {
    RIG_VIOLATED_CLOSE = 1,
    RIG_VIOLATED_DUP = 2,
    RIG_VIOLATED_NOCLOEXEC = 4,
    RIG_VIOLATED_SOCKET_IPC = 8,
    RIG_VIOLATED_FILEPORT = 16,
    RIG_VIOLATED_WRITE = 64,
};

/* proc_pidfdinfo and proc_pidfileportinfo, but as system calls answer: the bytes written, or -1 and errno. */
int rig_fd_info(pid_t pid, int fd, int flavor, void *info, int size);
int rig_fileport_info(pid_t pid, mach_port_t port, int flavor, void *info, int size);

/* PROC_PIDLISTFDS and PROC_PIDLISTFILEPORTS: how many entries the kernel gave, -1 and errno. */
int rig_fd_list(pid_t pid, struct proc_fdinfo *list, int room);
int rig_fileport_list(pid_t pid, struct proc_fileportinfo *list, int room);
/* The PROX_FDTYPE_* of one descriptor by that list; -1 if it is not in it. */
int rig_fd_kind(pid_t pid, int fd);

int rig_fileport_makeport(int fd, mach_port_t *port);
int rig_fileport_makefd(mach_port_t port);

int rig_guarded_open(const char *path, const guardid_t *guard, unsigned guard_flags, int flags, int mode);
int rig_guarded_close(int fd, const guardid_t *guard);
int rig_guarded_kqueue(const guardid_t *guard, unsigned guard_flags);
int rig_change_fdguard(int fd, const guardid_t *guard, unsigned guard_flags, const guardid_t *new_guard,
                       unsigned new_guard_flags, int *fd_flags);

#endif
#endif
