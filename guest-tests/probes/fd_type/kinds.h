/* kinds.h - descriptors of every kind, and what the system calls each. */
#ifndef FD_TYPE_KINDS_H
#define FD_TYPE_KINDS_H

#include "darwin_fds.h"
#include "ipc_support.h"

#include <sys/stat.h>

enum kind {
    KIND_FILE,
    KIND_DIRECTORY,
    KIND_DEVICE, /* /dev/null */
    KIND_STREAM,
    KIND_DATAGRAM,
    KIND_TCP,
    KIND_UDP,
    KIND_READER, /* the two ends of a pipe */
    KIND_WRITER,
    KIND_SHM,
    KIND_QUEUE, /* kqueue, epoll */
    KIND_SEM,   /* Darwin's only, from here on: elsewhere a semaphore is no descriptor */
    KIND_FSEVENTS,
    KINDS
};
extern const char *const kind_names[KINDS];

/* Whether this system and user have descriptors of this kind. */
bool kind_exists(enum kind kind);

/* A new one, in the scratch directory or under a name of its own. A failure gives up. */
int kind_make(enum kind kind);
/* Closes it, and removes its name. */
void kind_end(int fd, enum kind kind);
/* The name the last shared memory object or semaphore was given. */
extern char kind_name[RIG_NAME_SIZE];

/* Checks, once for each kind there is, that what(fd, kind) gives want[kind]; a failure names the kind. Answers are 0 for
 * success, else an error number. -1 in want: not judged here. */
void kinds_check(const char *what, int (*ask)(int fd, enum kind kind), const int want[KINDS]);

/* Checks that the system calls the descriptor so: a PROX_FDTYPE_* on Darwin; on Linux the beginning of its link below
 * /proc/self/fd. */
#ifdef __APPLE__
#define CHECK_TOLD_AS(fd, darwin_type, linux_prefix) CHECK_EQ_INT(rig_fd_kind(getpid(), fd), darwin_type)
#else
#define CHECK_TOLD_AS(fd, darwin_type, linux_prefix) CHECK(kind_link_begins(getpid(), fd, linux_prefix))
bool kind_link_begins(pid_t pid, int fd, const char *prefix);
#endif

/* The Darwin answer that changed with the shared fo_no_read & co of later kernels. */
#ifdef __APPLE__
#define SINCE_20(old, new) (ipc_darwin_major() < 20 ? (old) : (new))
#endif

#endif
