/* guarded.c - guarded descriptors: what the guard forbids ends the process with EXC_GUARD and SIGKILL.
 * xnu-4570.41.2 bsd/kern/kern_guarded.c; the places that ask FP_ISGUARDED in kern_descrip.c, sys_generic.c and
 * uipc_usrreq.c. A violation is told to the exception ports and then always is SIGKILL (fd_guard_ast), whatever the handler
 * answers, so each runs in a child. */
#include "passport.h"

#include "../fd_type/kinds.h"
#include "mach_exc_messages.h"

#include <stdio.h>
#include <sys/event.h>
#include <sys/socket.h>

static const guardid_t key = 0x1122334455667788, other_key = 42, no_key = 0;

enum { ALL = RIG_GUARD_CLOSE | RIG_GUARD_DUP | RIG_GUARD_SOCKET_IPC | RIG_GUARD_FILEPORT };

static int guarded_file(unsigned guards)
{
    int fd;
    REQUIRE_OK(fd = rig_guarded_open("file", &key, guards, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    return fd;
}

CASE(guarded_open_has_rules)
{
    int flags = O_CREAT | O_RDWR;
    CHECK_ERRNO(rig_guarded_open("file", &key, RIG_GUARD_DUP, flags, 0600), EINVAL); /* O_CLOEXEC is a must */
    flags |= O_CLOEXEC;
    CHECK_ERRNO(rig_guarded_open("file", &key, RIG_GUARD_CLOSE, flags, 0600), EINVAL); /* so is GUARD_DUP */
    CHECK_ERRNO(rig_guarded_open("file", &key, RIG_GUARD_DUP | 1 << 9, flags, 0600), EINVAL);
    CHECK_ERRNO(rig_guarded_open("file", &no_key, RIG_GUARD_DUP, flags, 0600), EINVAL);
    CHECK_ERRNO(rig_guarded_open("file", ipc_forbidden_page(), RIG_GUARD_DUP, flags, 0600), EFAULT);
    CHECK_ERRNO(access("file", F_OK), ENOENT);
    CHECK_ERRNO(rig_guarded_open("none", &key, RIG_GUARD_DUP, O_RDWR | O_CLOEXEC, 0), ENOENT);
    int fd = guarded_file(ALL);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ_INT(write(fd, "abc", 3), 3);
    CHECK_EQ_INT(lseek(fd, 0, SEEK_CUR), 3);
}

CASE(the_guard_closes)
{
    int fd = guarded_file(ALL), plain = kind_make(KIND_FILE);
    CHECK_ERRNO(rig_guarded_close(fd, &other_key), EPERM); /* no exception for a wrong guess */
    CHECK_OK(fcntl(fd, F_GETFD));
    CHECK_ERRNO(rig_guarded_close(plain, &key), EINVAL);
    CHECK_ERRNO(rig_guarded_close(60, &key), EBADF);
    CHECK_ERRNO(rig_guarded_close(fd, ipc_forbidden_page()), EFAULT);
    CHECK_OK(rig_guarded_close(fd, &key));
    CHECK_ERRNO(fcntl(fd, F_GETFD), EBADF);
}

CASE(what_is_not_guarded_is_allowed)
{
    int pair[2];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    char byte = 'x';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    int fd = guarded_file(RIG_GUARD_DUP);
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    CHECK_EQ_INT(sendmsg(pair[0], &message, 0), 1);
    int copy = fd_of(port_of(fd)); /* a descriptor without the guard */
    CHECK_OK(close(copy));
    CHECK_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    CHECK_EQ_INT(write(fd, "x", 1), 1);
    CHECK_OK(close(fd));
}

CASE(guard_comes_and_goes)
{
    int fd = kind_make(KIND_FILE), flags = -1;
    CHECK_ERRNO(rig_change_fdguard(fd, NULL, 0, &key, RIG_GUARD_CLOSE, NULL), EINVAL); /* without GUARD_DUP */
    CHECK_ERRNO(rig_change_fdguard(fd, NULL, 0, &no_key, RIG_GUARD_DUP, NULL), EINVAL);
    CHECK_ERRNO(rig_change_fdguard(fd, NULL, 0, NULL, 0, NULL), EINVAL);
    CHECK_ERRNO(rig_change_fdguard(fd, &key, RIG_GUARD_DUP, NULL, 0, NULL), EINVAL); /* there is none to remove */
    CHECK_ERRNO(rig_change_fdguard(60, NULL, 0, &key, RIG_GUARD_DUP, NULL), EBADF);

    flags = 0;
    CHECK_OK(rig_change_fdguard(fd, NULL, 0, &key, RIG_GUARD_DUP | RIG_GUARD_CLOSE, &flags));
    CHECK_EQ_INT(flags, 0); /* the flags before */
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_ERRNO(rig_change_fdguard(fd, NULL, 0, &other_key, RIG_GUARD_DUP, NULL), EINVAL); /* the old one is a must */
    CHECK_ERRNO(rig_change_fdguard(fd, &other_key, RIG_GUARD_DUP | RIG_GUARD_CLOSE, NULL, 0, NULL), EPERM);
    CHECK_ERRNO(rig_change_fdguard(fd, &key, RIG_GUARD_DUP, NULL, 0, NULL), EPERM); /* the right key, not all guards */

    CHECK_OK(rig_change_fdguard(fd, &key, RIG_GUARD_DUP | RIG_GUARD_CLOSE, &other_key, RIG_GUARD_DUP, NULL));
    CHECK_ERRNO(rig_guarded_close(fd, &key), EPERM);
    flags = 0;
    CHECK_OK(rig_change_fdguard(fd, &other_key, RIG_GUARD_DUP, NULL, 0, &flags));
    CHECK_EQ_INT(flags & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0); /* as the argument said */
    CHECK_OK(close(dup(fd)));
    CHECK_OK(close(fd));
}

static int guard_it(int fd, enum kind kind)
{
    (void)kind;
    if (rig_change_fdguard(fd, NULL, 0, &key, RIG_GUARD_DUP, NULL) == -1)
        return errno;
    CHECK_OK(rig_change_fdguard(fd, &key, RIG_GUARD_DUP, NULL, 0, NULL));
    return 0;
}

CASE(which_kinds_can_be_guarded)
{
    static const int want[KINDS] = {0, 0, 0, 0, 0, 0, 0, 0, 0, ENOTSUP, 0, ENOTSUP, ENOTSUP};
    kinds_check("change_fdguard_np", guard_it, want);
}

CASE(guard_is_told)
{
    struct vnode_fdinfo info;
    unsigned all = PROC_FP_GUARDED | PROC_FP_CLEXEC | 8; /* 8: PROC_FP_CLFORK, in no SDK of ours */
    int fd = guarded_file(RIG_GUARD_DUP | RIG_GUARD_SOCKET_IPC);
    CHECK_EQ_INT(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_status & all, all);
    CHECK_EQ_INT(info.pfi.fi_guardflags, RIG_GUARD_DUP | RIG_GUARD_SOCKET_IPC);
}

static void child_looks(void *arg)
{
    CHECK_ERRNO(fcntl(*(int *)arg, F_GETFD), EBADF);
}

CASE(guarded_is_not_inherited)
{
    int fd = guarded_file(RIG_GUARD_DUP), late = kind_make(KIND_FILE);
    CHECK_EXITED(rig_spawn(child_looks, &fd), 0);
    CHECK_OK(rig_change_fdguard(late, NULL, 0, &key, RIG_GUARD_DUP | RIG_GUARD_CLOSE, NULL));
    CHECK_EXITED(rig_spawn(child_looks, &late), 0);
    CHECK_OK(fcntl(fd, F_GETFD));
    CHECK_OK(fcntl(late, F_GETFD));
}

CASE(guarded_kqueue)
{
    struct kevent change, event;
    struct timespec at_once = {0, 0};
    int queue;
    CHECK_ERRNO(rig_guarded_kqueue(&key, RIG_GUARD_CLOSE), EINVAL);
    CHECK_ERRNO(rig_guarded_kqueue(&no_key, RIG_GUARD_DUP), EINVAL);
    REQUIRE_OK(queue = rig_guarded_kqueue(&key, RIG_GUARD_DUP | RIG_GUARD_CLOSE));
    EV_SET(&change, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, NULL);
    CHECK_OK(kevent(queue, &change, 1, NULL, 0, NULL));
    EV_SET(&change, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    CHECK_EQ_INT(kevent(queue, &change, 1, &event, 1, &at_once), 1);
    CHECK_EQ_INT(event.filter, EVFILT_USER);
    CHECK_ERRNO(rig_guarded_close(queue, &other_key), EPERM);
    CHECK_OK(rig_guarded_close(queue, &key));
}

/* ---- Violations ----------------------------------------------------------------------------------------------- */

struct crime {
    const char *what;
    unsigned guards;
    int (*commit)(int fd);
    unsigned flavor;
};

static int commit_close(int fd) { return close(fd); }
static int commit_dup(int fd) { return dup(fd); }
static int commit_dup_to(int fd) { return dup2(fd, 30); }
static int commit_dup_over(int fd) { return dup2(0, fd); }
static int commit_dup_from(int fd) { return fcntl(fd, F_DUPFD, 20); }
static int commit_keep_on_exec(int fd) { return fcntl(fd, F_SETFD, 0); }
static int commit_write(int fd) { return (int)write(fd, "x", 1); }
static int commit_port(int fd)
{
    mach_port_t port;
    return rig_fileport_makeport(fd, &port);
}
static int commit_send(int fd)
{
    int pair[2];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    char byte = 'x';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 ? (int)sendmsg(pair[0], &message, 0) : -1;
}

static void offend(void *arg)
{
    const struct crime *crime = arg;
    int fd = guarded_file(RIG_GUARD_DUP | crime->guards);
    crime->commit(fd);
    exit(9); /* not reached */
}

/* The handler is this process's; the child has inherited its task's exception ports. */
static void check_crime(const struct crime *crime)
{
    struct rig_exc_ports saved;
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_swap(RIG_EXC_TASK, rig_task(), EXC_MASK_GUARD, port, RIG_EXC_WIDE(EXCEPTION_DEFAULT),
                              THREAD_STATE_NONE, &saved));
    pid_t child = rig_spawn(offend, (void *)(uintptr_t)crime);
    REQUIRE_KERN(rig_exc_restore(RIG_EXC_TASK, rig_task(), &saved));
    if (CHECK_KERN(rig_exc_receive(port, 5, &e), KERN_SUCCESS)) {
        CHECK_EQ_INT(e.type, EXC_GUARD);
        CHECK_EQ_INT(e.code_count, 2);
        /* osfmk/kern/exc_guard.h: type in bits 63-61, flavour in 60-32, target in 31-0; the subcode is the guard */
        CHECK_EQ_INT((uint64_t)e.code[0] >> 61, 2);
        rig_check_got(RIG_AT(crime->what), ((uint64_t)e.code[0] >> 32 & 0x1fffffff) == crime->flavor, "another flavour",
                      "its flavour");
        CHECK_EQ_INT((uint32_t)e.code[0], 3); /* the lowest free descriptor of the child */
        CHECK_EQ_INT(e.code[1], (int64_t)key);
        CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS); /* saves nobody */
    }
    CHECK_KILLED_BY(child, SIGKILL);
    CHECK_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

#define CRIME(guards, commit, flavor) check_crime(&(struct crime){#commit, guards, commit, flavor})

CASE(close_is_killed)
{
    CRIME(RIG_GUARD_CLOSE, commit_close, RIG_VIOLATED_CLOSE);
    CRIME(RIG_GUARD_CLOSE, commit_dup_over, RIG_VIOLATED_CLOSE);
}

CASE(duplicating_is_killed)
{
    CRIME(0, commit_dup, RIG_VIOLATED_DUP);
    CRIME(0, commit_dup_to, RIG_VIOLATED_DUP);
    CRIME(0, commit_dup_from, RIG_VIOLATED_DUP);
}

/* dupfdopen is content to refuse. */
CASE(opening_by_name_is_refused)
{
    char path[24];
    int fd = guarded_file(RIG_GUARD_DUP), plain = kind_make(KIND_FILE);
    snprintf(path, sizeof path, "/dev/fd/%d", plain);
    CHECK_OK(open(path, O_RDONLY));
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    CHECK_ERRNO(open(path, O_RDONLY), EPERM);
}

CASE(clearing_close_on_exec_is_killed) { CRIME(0, commit_keep_on_exec, RIG_VIOLATED_NOCLOEXEC); }

CASE(sending_is_killed) { CRIME(RIG_GUARD_SOCKET_IPC, commit_send, RIG_VIOLATED_SOCKET_IPC); }

CASE(fileport_of_a_guarded_is_killed) { CRIME(RIG_GUARD_FILEPORT, commit_port, RIG_VIOLATED_FILEPORT); }

CASE(writing_is_killed) { CRIME(RIG_GUARD_WRITE, commit_write, RIG_VIOLATED_WRITE); }

CASE(killed_without_a_handler)
{
    struct crime crime = {"close", RIG_GUARD_CLOSE, commit_close, RIG_VIOLATED_CLOSE};
    CHECK_KILLED_BY(rig_spawn(offend, &crime), SIGKILL);
}
