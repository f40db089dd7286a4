/* fd_type_ask.c - asking about descriptors: the whole list, another process's, the wrong question, the wrong user; and
 * what is told of the descriptor itself: its flags, its offset, whether it is shared. */
#include "kinds.h"

#include "bytes.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>

enum { MOST = 64 };

/* The system's own list of this process's descriptors below MOST. */
static void list_own(bool listed[MOST])
{
    memset(listed, 0, MOST * sizeof listed[0]);
#ifdef __APPLE__
    struct proc_fdinfo list[256];
    int count = rig_fd_list(getpid(), list, (int)RIG_COUNT(list));
    REQUIRE_OK(count);
    for (int i = 0; i < count; i++)
        if (list[i].proc_fd >= 0 && list[i].proc_fd < MOST)
            listed[list[i].proc_fd] = true;
#else
    DIR *directory = opendir("/proc/self/fd");
    REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd >= 0 && fd < MOST && fd != dirfd(directory))
            listed[fd] = true;
    }
    closedir(directory);
#endif
}

CASE(list_is_complete)
{
    bool listed[MOST];
    int high;
    for (int kind = 0; kind < KIND_SHM; kind++)
        kind_make((enum kind)kind);
    REQUIRE_OK(high = fcntl(0, F_DUPFD, 40));
    CHECK_OK(close(4)); /* a gap */
    list_own(listed);
    for (int fd = 0; fd < MOST; fd++)
        if (listed[fd] != (fcntl(fd, F_GETFD) != -1)) {
            NOTE("descriptor %d: %s", fd, listed[fd] ? "listed, not open" : "open, not listed");
            FAIL("the list and fcntl agree");
        }
    CHECK(listed[high]);
    CHECK(!listed[4]);
}

static void hold_until_told(void *arg)
{
    rig_gate_wait((struct rig_gate *)arg);
}

CASE(of_another_process)
{
    struct rig_gate gate;
    int socket = kind_make(KIND_DATAGRAM), file = kind_make(KIND_FILE);
    rig_gate_init(&gate);
    pid_t child = rig_spawn(hold_until_told, &gate);
    CHECK_OK(close(socket)); /* from now on the child's alone */
#ifdef __APPLE__
    struct vnode_fdinfo here, there;
    CHECK_EQ_INT(rig_fd_kind(child, socket), PROX_FDTYPE_SOCKET);
    CHECK_EQ_INT(rig_fd_kind(getpid(), socket), -1);
    CHECK_EQ_INT(rig_fd_info(child, file, PROC_PIDFDVNODEINFO, &there, (int)sizeof there), sizeof there);
    CHECK_EQ_INT(rig_fd_info(getpid(), file, PROC_PIDFDVNODEINFO, &here, (int)sizeof here), sizeof here);
    CHECK_EQ_INT(there.pvi.vi_stat.vst_ino, here.pvi.vi_stat.vst_ino);
#else
    CHECK(kind_link_begins(child, socket, "socket:["));
    CHECK_ERRNO(fcntl(socket, F_GETFD), EBADF);
    CHECK(kind_link_begins(child, file, "/"));
#endif
    rig_gate_pass(&gate);
    CHECK_EXITED(child, 0);
}

static void ask_parent(void *arg)
{
    int fd = *(int *)arg;
    pid_t parent = getppid();
    ipc_become_other_user();
#ifdef __APPLE__
    struct vnode_fdinfo info;
    struct proc_fdinfo list[8];
    CHECK_ERRNO(rig_fd_info(parent, fd, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), EPERM);
    CHECK_ERRNO(rig_fd_list(parent, list, (int)RIG_COUNT(list)), EPERM);
#else
    char path[48], link[8];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)parent, fd);
    CHECK_ERRNO(readlink(path, link, sizeof link), EACCES);
#endif
}

CASE(not_told_to_another_user)
{
    ipc_need_other_user();
    int fd = kind_make(KIND_FILE);
    CHECK_EXITED(rig_spawn(ask_parent, &fd), 0);
}

#ifdef __APPLE__

/* The flavours of proc_pidfdinfo, the type each is for, and its answer to another type: fp_getfvp's ENOTSUP, fp_getfsock's
 * EOPNOTSUPP, EBADF else (bsd/kern/kern_descrip.c); 7195's fp_get_ftype says EBADF and ENOTSOCK. */
struct flavor {
    int number, size, type;
    const char *name;
    int refusal_17, refusal_20;
};
#define FLAVOR(name, structure, type, refusal_17, refusal_20) \
    {name, (int)sizeof(struct structure), type, #name, refusal_17, refusal_20}
static const struct flavor flavors[] = {
    FLAVOR(PROC_PIDFDVNODEINFO, vnode_fdinfo, PROX_FDTYPE_VNODE, ENOTSUP, EBADF),
    FLAVOR(PROC_PIDFDVNODEPATHINFO, vnode_fdinfowithpath, PROX_FDTYPE_VNODE, ENOTSUP, EBADF),
    FLAVOR(PROC_PIDFDSOCKETINFO, socket_fdinfo, PROX_FDTYPE_SOCKET, EOPNOTSUPP, ENOTSOCK),
    FLAVOR(PROC_PIDFDPSEMINFO, psem_fdinfo, PROX_FDTYPE_PSEM, EBADF, EBADF),
    FLAVOR(PROC_PIDFDPSHMINFO, pshm_fdinfo, PROX_FDTYPE_PSHM, EBADF, EBADF),
    FLAVOR(PROC_PIDFDPIPEINFO, pipe_fdinfo, PROX_FDTYPE_PIPE, EBADF, EBADF),
    FLAVOR(PROC_PIDFDKQUEUEINFO, kqueue_fdinfo, PROX_FDTYPE_KQUEUE, EBADF, EBADF),
};
static union {
    struct vnode_fdinfowithpath vnode;
    struct socket_fdinfo socket;
    struct psem_fdinfo sem;
    struct pshm_fdinfo shm;
} room;

static void check_flavors(enum kind kind)
{
    int fd = kind_make(kind), type = rig_fd_kind(getpid(), fd);
    for (size_t i = 0; i < RIG_COUNT(flavors); i++) {
        const struct flavor *f = &flavors[i];
        char text[80], got[40];
        bool right = f->type == type;
        errno = 0;
        int bytes = rig_fd_info(getpid(), fd, f->number, &room, (int)sizeof room);
        snprintf(text, sizeof text, "%s of a %s", f->name, kind_names[kind]);
        snprintf(got, sizeof got, "%s", bytes == f->size ? "0" : rig_errno_name(errno));
        int want = right ? 0 : SINCE_20(f->refusal_17, f->refusal_20);
        rig_check_got(RIG_AT(text), right ? bytes == f->size : bytes == -1 && errno == want, got, rig_errno_name(want));
    }
    kind_end(fd, kind);
}
#endif

CASE(wrong_flavor_is_refused, .darwin_only = true, .why = "Linux has no proc_info")
{
#ifdef __APPLE__
    for (int kind = 0; kind < KIND_FSEVENTS; kind++)
        check_flavors((enum kind)kind);
#endif
}

CASE(bad_questions_are_refused, .darwin_only = true, .why = "Linux has no proc_info")
{
#ifdef __APPLE__
    struct proc_fdinfo list[4];
    int fd = kind_make(KIND_FILE), size = (int)sizeof(struct vnode_fdinfo);
    CHECK_ERRNO(rig_fd_info(getpid(), fd, 77, &room, (int)sizeof room), EINVAL);
    CHECK_ERRNO(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &room, size - 1), ENOMEM);
    CHECK_EQ_INT(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &room, size), size);
    CHECK_ERRNO(rig_fd_info(getpid(), 60, PROC_PIDFDVNODEINFO, &room, size), EBADF);
    CHECK_ERRNO(rig_fd_info(getpid(), -1, PROC_PIDFDVNODEINFO, &room, size), EBADF);
    CHECK_ERRNO(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, ipc_forbidden_page(), size), EFAULT);
    pid_t gone = rig_spawn(hold_until_told, NULL);
    rig_kill(gone);
    CHECK_ERRNO(rig_fd_info(gone, fd, PROC_PIDFDVNODEINFO, &room, size), ESRCH);
    CHECK_ERRNO(rig_fd_list(gone, list, (int)RIG_COUNT(list)), ESRCH);
    /* room for some: as many entries, from the lowest on */
    CHECK_EQ_INT(rig_fd_list(getpid(), list, 2), 2);
    CHECK_EQ_INT(list[0].proc_fd, 0);
    CHECK_EQ_INT(list[1].proc_fd, 1);
#endif
}

CASE(open_flags_are_told)
{
    int reader, writer;
    REQUIRE_OK(writer = open("file", O_CREAT | O_WRONLY | O_APPEND, 0600));
    REQUIRE_OK(reader = open("file", O_RDONLY));
    CHECK_EQ_INT(fcntl(writer, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_WRONLY | O_APPEND);
    CHECK_EQ_INT(fcntl(reader, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDONLY);
    rig_nonblock(reader, true);
    CHECK_EQ_INT(fcntl(reader, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_NONBLOCK);
    for (int kind = 0; kind < KINDS; kind++)
        if (kind_exists((enum kind)kind)) {
            int fd = kind_make((enum kind)kind);
            /* sem_open gives its flags, which have no access mode, to the descriptor */
            bool reads = kind == KIND_DIRECTORY || kind == KIND_READER || kind == KIND_SEM;
            int want = reads ? O_RDONLY : kind == KIND_WRITER ? O_WRONLY : O_RDWR;
            char got[16], text[16];
            snprintf(got, sizeof got, "%d", fcntl(fd, F_GETFL) & O_ACCMODE);
            snprintf(text, sizeof text, "%d", want);
            rig_check_got(RIG_AT(kind_names[kind]), rig_streq(got, text), got, text);
            kind_end(fd, (enum kind)kind);
        }
#ifdef __APPLE__
    /* the kernel's own flags: FREAD 1, FWRITE 2 (bsd/sys/fcntl.h) */
    struct vnode_fdinfo info;
    CHECK_EQ_INT(rig_fd_info(getpid(), writer, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_openflags & 3, 2);
    CHECK(info.pfi.fi_openflags & O_APPEND);
    CHECK_EQ_INT(rig_fd_info(getpid(), reader, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_openflags & 3, 1);
    CHECK(info.pfi.fi_openflags & O_NONBLOCK);
#endif
}

CASE(offset_and_sharing_are_told, .darwin_only = true, .why = "Linux has no proc_info")
{
#ifdef __APPLE__
    struct vnode_fdinfo info;
    int fd = kind_make(KIND_FILE), copy;
    CHECK_EQ_INT(write(fd, "1234567", 7), 7);
    CHECK_EQ_INT(lseek(fd, 3, SEEK_SET), 3);
    CHECK_EQ_INT(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_offset, 3);
    CHECK_EQ_INT(info.pfi.fi_status & (PROC_FP_SHARED | PROC_FP_CLEXEC | PROC_FP_GUARDED), 0);
    REQUIRE_OK(copy = dup(fd));
    CHECK_OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
    CHECK_EQ_INT(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_status & (PROC_FP_SHARED | PROC_FP_CLEXEC), PROC_FP_SHARED | PROC_FP_CLEXEC);
    CHECK_EQ_INT(rig_fd_info(getpid(), copy, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_status & (PROC_FP_SHARED | PROC_FP_CLEXEC), PROC_FP_SHARED);
    CHECK_EQ_INT(info.pfi.fi_offset, 3);
    CHECK_OK(close(fd));
    CHECK_EQ_INT(rig_fd_info(getpid(), copy, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), sizeof info);
    CHECK_EQ_INT(info.pfi.fi_status & PROC_FP_SHARED, 0);
#endif
}

static int closes_on_exec(int fd, enum kind kind)
{
    (void)kind;
    return fcntl(fd, F_GETFD) & FD_CLOEXEC ? 0 : ENOENT;
}

CASE(born_with_close_on_exec)
{
    /* 0: it is. kqueue_body and shm_open set UF_EXCLOSE; a Linux libc's shm_open asks for O_CLOEXEC, the epoll of this
     * harness does; a Darwin semaphore: not set in 4570, told here. */
    static const int want[KINDS] = {ENOENT, ENOENT, ENOENT, ENOENT, ENOENT, ENOENT, ENOENT, ENOENT, ENOENT, 0, 0, -1, ENOENT};
    kinds_check("close on exec", closes_on_exec, want);
}
