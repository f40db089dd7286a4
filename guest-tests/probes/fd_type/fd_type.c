/* fd_type.c - each kind of descriptor, and what the kernel says of it.
 * Darwin: proc_info (bsd/kern/proc_info.c): the list of a process's descriptors gives each one's type, and each type has a
 * flavour of its own, whose structure names the object behind. Linux: /proc/self/fd; fstat on both. */
#include "kinds.h"

#include "events.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

PROBE("fd_type", "1");

#ifdef __APPLE__
/* This process's descriptor by one flavour: the whole structure, or the case ends. */
#define REQUIRE_INFO(fd, flavor, info) \
    REQUIRE_EQ_INT(rig_fd_info(getpid(), fd, flavor, &(info), (int)sizeof(info)), sizeof(info))

/* enum vtype, bsd/sys/vnode.h */
enum { VREG = 1, VDIR = 2, VCHR = 4, VFIFO = 7 };

static void check_vnode(int fd, int type, const char *path_end)
{
    struct vnode_fdinfo info;
    struct vnode_fdinfowithpath with_path;
    struct stat status;
    REQUIRE_INFO(fd, PROC_PIDFDVNODEINFO, info);
    REQUIRE_OK(fstat(fd, &status));
    CHECK_EQ_INT(info.pfi.fi_type, PROX_FDTYPE_VNODE);
    CHECK_EQ_INT(info.pvi.vi_type, type);
    CHECK_EQ_INT(info.pvi.vi_stat.vst_ino, status.st_ino);
    CHECK_EQ_INT(info.pvi.vi_stat.vst_dev, (uint32_t)status.st_dev);
    CHECK_EQ_INT(info.pvi.vi_stat.vst_mode, status.st_mode);
    CHECK_EQ_INT(info.pvi.vi_stat.vst_size, status.st_size);
    REQUIRE_INFO(fd, PROC_PIDFDVNODEPATHINFO, with_path);
    size_t length = strlen(with_path.pvip.vip_path), end = strlen(path_end);
    CHECK(length >= end);
    CHECK_EQ_STR(with_path.pvip.vip_path + (length >= end ? length - end : 0), path_end);
}

static void check_socket(int fd, int family, int type, int kind)
{
    struct socket_fdinfo info;
    REQUIRE_INFO(fd, PROC_PIDFDSOCKETINFO, info);
    CHECK_EQ_INT(info.pfi.fi_type, PROX_FDTYPE_SOCKET);
    CHECK_EQ_INT(info.psi.soi_family, family);
    CHECK_EQ_INT(info.psi.soi_type, type);
    CHECK_EQ_INT(info.psi.soi_kind, kind);
    CHECK(info.psi.soi_so != 0);
}
#else
#define check_vnode(fd, type, path_end) (void)0
#define check_socket(fd, family, type, kind) (void)0
#endif

CASE(regular_file)
{
    struct stat status;
    int fd = kind_make(KIND_FILE);
    CHECK_TOLD_AS(fd, PROX_FDTYPE_VNODE, "/");
    CHECK_EQ_INT(write(fd, "12345", 5), 5);
    REQUIRE_OK(fstat(fd, &status));
    CHECK(S_ISREG(status.st_mode));
    CHECK_EQ_INT(status.st_size, 5);
    check_vnode(fd, VREG, "/file");
}

CASE(directory)
{
    struct stat status;
    int fd;
    REQUIRE_OK(mkdir("inner", 0700));
    REQUIRE_OK(fd = open("inner", O_RDONLY));
    CHECK_TOLD_AS(fd, PROX_FDTYPE_VNODE, "/");
    REQUIRE_OK(fstat(fd, &status));
    CHECK(S_ISDIR(status.st_mode));
    check_vnode(fd, VDIR, "/inner");
}

CASE(character_device)
{
    struct stat status;
    int fd = kind_make(KIND_DEVICE);
    CHECK_TOLD_AS(fd, PROX_FDTYPE_VNODE, "/dev/null");
    REQUIRE_OK(fstat(fd, &status));
    CHECK(S_ISCHR(status.st_mode));
    check_vnode(fd, VCHR, "/dev/null");
}

CASE(fifo_is_a_file)
{
    struct stat status;
    int fd, made = rig_mkfifo("fifo", 0600);
    if (made == -1 && (errno == ENOTSUP || errno == EPERM))
        UNSUPPORTED("the file system has no fifos");
    REQUIRE_OK(made);
    REQUIRE_OK(fd = open("fifo", O_RDONLY | O_NONBLOCK));
    CHECK_TOLD_AS(fd, PROX_FDTYPE_VNODE, "/");
    REQUIRE_OK(fstat(fd, &status));
    CHECK(S_ISFIFO(status.st_mode));
    check_vnode(fd, VFIFO, "/fifo");
}

CASE(local_sockets)
{
    struct stat status;
    int type = 0, pair[2];
    socklen_t size = sizeof type;
    int datagram = kind_make(KIND_DATAGRAM);
    REQUIRE_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK_TOLD_AS(pair[0], PROX_FDTYPE_SOCKET, "socket:[");
    CHECK_TOLD_AS(datagram, PROX_FDTYPE_SOCKET, "socket:[");
    REQUIRE_OK(fstat(pair[0], &status));
    CHECK(S_ISSOCK(status.st_mode));
    CHECK_OK(getsockopt(datagram, SOL_SOCKET, SO_TYPE, &type, &size));
    CHECK_EQ_INT(type, SOCK_DGRAM);
    check_socket(datagram, AF_UNIX, SOCK_DGRAM, SOCKINFO_UN);
    check_socket(pair[0], AF_UNIX, SOCK_STREAM, SOCKINFO_UN);
#ifdef __APPLE__
    /* each end names the other's socket */
    struct socket_fdinfo one, other;
    REQUIRE_INFO(pair[0], PROC_PIDFDSOCKETINFO, one);
    REQUIRE_INFO(pair[1], PROC_PIDFDSOCKETINFO, other);
    CHECK_EQ_INT(one.psi.soi_proto.pri_un.unsi_conn_so, other.psi.soi_so);
    CHECK_EQ_INT(other.psi.soi_proto.pri_un.unsi_conn_so, one.psi.soi_so);
#endif
}

CASE(internet_sockets)
{
    struct stat status;
    int tcp = kind_make(KIND_TCP), udp = kind_make(KIND_UDP);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}};
    socklen_t size = sizeof here;
    CHECK_TOLD_AS(tcp, PROX_FDTYPE_SOCKET, "socket:[");
    CHECK_TOLD_AS(udp, PROX_FDTYPE_SOCKET, "socket:[");
    REQUIRE_OK(fstat(tcp, &status));
    CHECK(S_ISSOCK(status.st_mode));
    check_socket(tcp, AF_INET, SOCK_STREAM, SOCKINFO_TCP);
    check_socket(udp, AF_INET, SOCK_DGRAM, SOCKINFO_IN);
    if (bind(udp, (struct sockaddr *)&here, sizeof here) == -1) {
        NOTE("no loopback: bind says %s", rig_errno_name(errno));
        return;
    }
    CHECK_OK(getsockname(udp, (struct sockaddr *)&here, &size));
    CHECK_NE_INT(here.sin_port, 0);
#ifdef __APPLE__
    struct socket_fdinfo info;
    REQUIRE_INFO(udp, PROC_PIDFDSOCKETINFO, info);
    CHECK_EQ_INT((uint16_t)info.psi.soi_proto.pri_in.insi_lport, here.sin_port);
#endif
}

CASE(pipe_ends)
{
    struct stat status;
    int fd[2];
    REQUIRE_OK(pipe(fd));
    CHECK_TOLD_AS(fd[0], PROX_FDTYPE_PIPE, "pipe:[");
    CHECK_TOLD_AS(fd[1], PROX_FDTYPE_PIPE, "pipe:[");
    CHECK_EQ_INT(write(fd[1], "123", 3), 3);
    REQUIRE_OK(fstat(fd[0], &status));
    CHECK(S_ISFIFO(status.st_mode));
#ifdef __APPLE__
    struct pipe_fdinfo reader, writer;
    REQUIRE_INFO(fd[0], PROC_PIDFDPIPEINFO, reader);
    REQUIRE_INFO(fd[1], PROC_PIDFDPIPEINFO, writer);
    CHECK_EQ_INT(reader.pfi.fi_type, PROX_FDTYPE_PIPE);
    CHECK_EQ_INT(reader.pipeinfo.pipe_stat.vst_size, 3);
    CHECK(reader.pipeinfo.pipe_handle != 0);
    CHECK_NE_INT(reader.pipeinfo.pipe_handle, writer.pipeinfo.pipe_handle);
    CHECK_EQ_INT(reader.pipeinfo.pipe_peerhandle, writer.pipeinfo.pipe_handle);
    CHECK_EQ_INT(writer.pipeinfo.pipe_peerhandle, reader.pipeinfo.pipe_handle);
#endif
}

CASE(posix_shared_memory)
{
    struct stat status;
    int fd = kind_make(KIND_SHM);
    CHECK_TOLD_AS(fd, PROX_FDTYPE_PSHM, "/dev/shm/rig.");
    REQUIRE_OK(ftruncate(fd, 4096));
    REQUIRE_OK(fstat(fd, &status));
    CHECK_EQ_INT(status.st_size, 4096);
    CHECK_EQ_INT(status.st_mode & 07777, 0600);
#ifdef __APPLE__
    struct pshm_fdinfo info;
    REQUIRE_INFO(fd, PROC_PIDFDPSHMINFO, info);
    CHECK_EQ_INT(info.pfi.fi_type, PROX_FDTYPE_PSHM);
    CHECK_EQ_STR(info.pshminfo.pshm_name, kind_name);
    CHECK_EQ_INT(info.pshminfo.pshm_stat.vst_size, 4096);
    CHECK_EQ_INT(info.pshminfo.pshm_stat.vst_mode & 07777, 0600);
    CHECK_EQ_INT(info.pshminfo.pshm_stat.vst_uid, geteuid());
#else
    CHECK(S_ISREG(status.st_mode)); /* a file, there */
#endif
    kind_end(fd, KIND_SHM);
}

CASE(posix_semaphore, .darwin_only = true, .why = "a semaphore of Linux is memory, not a descriptor")
{
#ifdef __APPLE__
    struct psem_fdinfo info;
    struct stat status;
    int fd = kind_make(KIND_SEM);
    CHECK_TOLD_AS(fd, PROX_FDTYPE_PSEM, "");
    REQUIRE_INFO(fd, PROC_PIDFDPSEMINFO, info);
    CHECK_EQ_INT(info.pfi.fi_type, PROX_FDTYPE_PSEM);
    CHECK_EQ_STR(info.pseminfo.psem_name, kind_name);
    CHECK_EQ_INT(info.pseminfo.psem_stat.vst_mode & 07777, 0600);
    CHECK_EQ_INT(info.pseminfo.psem_stat.vst_uid, geteuid());
    CHECK_ERRNO(fstat(fd, &status), EBADF); /* fstat1 knows no semaphores */
    kind_end(fd, KIND_SEM);
#endif
}

CASE(event_queue)
{
    struct stat status;
    int queue = kind_make(KIND_QUEUE), fd[2];
    CHECK_TOLD_AS(queue, PROX_FDTYPE_KQUEUE, "anon_inode:[eventpoll]");
    REQUIRE_OK(pipe(fd));
    CHECK(rig_events_watch(queue, fd[0], false, 0));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_OK(fstat(queue, &status));
#ifdef __APPLE__
    struct kqueue_fdinfo info;
    CHECK(S_ISFIFO(status.st_mode));
    CHECK_EQ_INT(status.st_size, 1); /* kqueue_stat: events waiting */
    REQUIRE_INFO(queue, PROC_PIDFDKQUEUEINFO, info);
    CHECK_EQ_INT(info.pfi.fi_type, PROX_FDTYPE_KQUEUE);
    CHECK_EQ_INT(info.kqueueinfo.kq_stat.vst_size, 1);
    CHECK_EQ_INT(info.kqueueinfo.kq_state & (PROC_KQUEUE_32 | PROC_KQUEUE_64 | PROC_KQUEUE_QOS), PROC_KQUEUE_32);
    CHECK_EQ_INT(rig_events_next(queue, 1000).fd, fd[0]);
#else
    CHECK_EQ_INT(status.st_mode & S_IFMT, 0);
#endif
}

CASE(file_system_events, .needs_root = true, .darwin_only = true, .why = "Linux has no /dev/fsevents")
{
#ifdef __APPLE__
    struct vnode_fdinfo info;
    struct stat status;
    int fd = kind_make(KIND_FSEVENTS);
    CHECK_TOLD_AS(fd, PROX_FDTYPE_FSEVENTS, "");
    CHECK_ERRNO(fstat(fd, &status), EBADF);
    CHECK_ERRNO(rig_fd_info(getpid(), fd, PROC_PIDFDVNODEINFO, &info, (int)sizeof info), SINCE_20(ENOTSUP, EBADF));
#endif
}
