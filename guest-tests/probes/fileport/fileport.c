/* fileport.c - fileports: a Mach port that stands for an open file, so that descriptors go where rights go.
 * xnu-4570.41.2 bsd/kern/kern_descrip.c fileport_makeport (5369), fileport_makefd (5472); osfmk/kern/ipc_misc.c. */
#include "passport.h"

#include "../fd_type/kinds.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

PROBE("fileport", "1");

CASE(wrappers_present)
{
    static const struct rig_wrapper wrappers[] = {
        RIG_WRAPPER(fileport_makeport), RIG_WRAPPER(fileport_makefd),    RIG_WRAPPER(proc_pidfileportinfo),
        RIG_WRAPPER(guarded_open_np),   RIG_WRAPPER(guarded_close_np),   RIG_WRAPPER(guarded_kqueue_np),
        RIG_WRAPPER(change_fdguard_np), RIG_WRAPPER(mach_ports_register), {NULL, NULL}};
    rig_tell_wrappers(wrappers);
}

CASE(descriptor_through_a_port)
{
    struct stat one, other;
    char bytes[4];
    int fd = kind_make(KIND_FILE);
    CHECK_EQ_INT(write(fd, "abcd", 4), 4);
    mach_port_t port = port_of(fd);
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_SEND);
    int copy = fd_of(port);
    CHECK_NE_INT(copy, fd);
    CHECK_OK(fstat(fd, &one));
    CHECK_OK(fstat(copy, &other));
    CHECK_EQ_INT(one.st_ino, other.st_ino);
    CHECK_EQ_INT(pread(copy, bytes, 4, 0), 4);
    CHECK_EQ_BYTES(bytes, "abcd", 4);
    CHECK_EQ_INT(fcntl(copy, F_GETFL) & O_ACCMODE, O_RDWR);
}

CASE(offset_and_flags_are_shared)
{
    int fd = kind_make(KIND_FILE);
    CHECK_EQ_INT(write(fd, "abcdef", 6), 6);
    int copy = fd_of(port_of(fd));
    CHECK_EQ_INT(lseek(copy, 0, SEEK_CUR), 6);
    CHECK_EQ_INT(lseek(fd, 2, SEEK_SET), 2);
    CHECK_EQ_INT(lseek(copy, 0, SEEK_CUR), 2);
    CHECK_OK(fcntl(copy, F_SETFL, O_APPEND));
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);
    /* the open file's flags are shared, the descriptor's own are not: see new_descriptor_closes_on_exec */
}

CASE(new_descriptor_closes_on_exec)
{
    int fd = kind_make(KIND_FILE);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    mach_port_t port = port_of(fd);
    int lowest, copy = fd_of(port);
    CHECK_EQ_INT(fcntl(copy, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ_INT(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    /* the lowest free one, each time a new one */
    CHECK_OK(close(copy));
    REQUIRE_OK(lowest = dup(0));
    CHECK_OK(close(lowest));
    CHECK_EQ_INT(fd_of(port), lowest);
    CHECK_EQ_INT(fd_of(port), lowest + 1);
}

CASE(each_call_makes_a_port)
{
    mach_port_urefs_t refs = 0;
    int fd = kind_make(KIND_FILE);
    mach_port_t one = port_of(fd), other = port_of(fd);
    CHECK_NE_INT(one, other);
    CHECK_KERN(rig_port_get_refs(rig_task(), one, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
    CHECK_EQ_INT(refs, 1);
    int copy = fd_of(one); /* takes no right away */
    CHECK_KERN(rig_port_get_refs(rig_task(), one, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
    CHECK_EQ_INT(refs, 1);
    CHECK_KERN(mach_port_deallocate(rig_task(), one), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_type(one), 0);
    CHECK_ERRNO(rig_fileport_makefd(one), EINVAL);
    CHECK_OK(fcntl(copy, F_GETFD));
    CHECK_OK(close(fd_of(other)));
}

CASE(port_keeps_the_file_open)
{
    int fd[2];
    char byte = 0;
    REQUIRE_OK(pipe(fd));
    mach_port_t port = port_of(fd[1]);
    CHECK_OK(close(fd[1]));
    CHECK(no_end(fd[0]));
    int writer = fd_of(port);
    CHECK_EQ_INT(write(writer, "x", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_OK(close(writer));
    CHECK(no_end(fd[0])); /* the port still holds it */
}

CASE(last_right_closes_the_file)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    mach_port_t port = port_of(fd[1]);
    CHECK_OK(close(fd[1]));
    CHECK_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
    CHECK_KERN(mach_port_deallocate(rig_task(), port), KERN_SUCCESS);
    CHECK(no_end(fd[0]));
    CHECK_KERN(mach_port_deallocate(rig_task(), port), KERN_SUCCESS);
    CHECK(end_comes(fd[0]));
}

CASE(port_in_a_message_keeps_the_file_open)
{
    int fd[2];
    REQUIRE_OK(pipe(fd));
    mach_port_t box = rig_port(true);
    carry(box, port_of(fd[1]), MACH_MSG_TYPE_MOVE_SEND);
    CHECK_OK(close(fd[1]));
    CHECK(no_end(fd[0]));
    /* the queue dies, and with it the message and the right inside */
    CHECK_KERN(mach_port_mod_refs(rig_task(), box, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK(end_comes(fd[0]));
}

static int made_port(int fd, enum kind kind)
{
    mach_port_t port = MACH_PORT_NULL;
    (void)kind;
    if (rig_fileport_makeport(fd, &port) == -1)
        return errno;
    CHECK_OK(close(fd_of(port)));
    CHECK_KERN(mach_port_deallocate(rig_task(), port), KERN_SUCCESS);
    return 0;
}

CASE(unsendable_kinds_are_refused)
{
    static const int want[KINDS] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, EINVAL, EINVAL, EINVAL};
    kinds_check("fileport_makeport", made_port, want);
}

CASE(bad_arguments_are_refused)
{
    mach_port_t port = MACH_PORT_NULL, dead = rig_port(true), plain = rig_port(true), receive = rig_port(false);
    int fd = kind_make(KIND_FILE);
    CHECK_ERRNO(rig_fileport_makeport(60, &port), EBADF);
    CHECK_ERRNO(rig_fileport_makeport(-1, &port), EBADF);
    mach_msg_type_number_t names = rig_port_count();
    CHECK_ERRNO(rig_fileport_makeport(fd, ipc_forbidden_page()), EFAULT);
    CHECK_EQ_INT(rig_port_count(), names); /* the right made meanwhile was taken back */
    CHECK_ERRNO(rig_fileport_makefd(MACH_PORT_NULL), EINVAL);
    CHECK_ERRNO(rig_fileport_makefd(0x77777777), EINVAL);
    CHECK_ERRNO(rig_fileport_makefd(plain), EINVAL); /* a port, but not of a file */
    CHECK_ERRNO(rig_fileport_makefd(receive), EINVAL);
    CHECK_ERRNO(rig_fileport_makefd(rig_task()), EINVAL);
    CHECK_KERN(mach_port_mod_refs(rig_task(), dead, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_type(dead), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_ERRNO(rig_fileport_makefd(dead), EINVAL);
}

CASE(full_table_is_emfile)
{
    struct rlimit limit, low;
    int fd = kind_make(KIND_FILE);
    mach_port_t port = port_of(fd);
    REQUIRE_OK(getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = (rlim_t)fd + 2;
    REQUIRE_OK(setrlimit(RLIMIT_NOFILE, &low));
    int last = fd_of(port);
    CHECK_EQ_INT(last, fd + 1);
    CHECK_ERRNO(rig_fileport_makefd(port), EMFILE);
    CHECK_OK(close(last));
    CHECK_EQ_INT(fd_of(port), last);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

CASE(told_by_the_kernel)
{
    struct proc_fileportinfo list[8];
    struct vnode_fdinfowithpath file;
    struct pipe_fdinfo reader;
    int fd[2], plain = kind_make(KIND_FILE);
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(rig_fileport_list(getpid(), list, (int)RIG_COUNT(list)), 0);
    mach_port_t of_file = port_of(plain), of_pipe = port_of(fd[0]);
    CHECK_EQ_INT(rig_fileport_list(getpid(), list, (int)RIG_COUNT(list)), 2);
    for (int i = 0; i < 2; i++) {
        CHECK(list[i].proc_fileport == of_file || list[i].proc_fileport == of_pipe);
        CHECK_EQ_INT(list[i].proc_fdtype, list[i].proc_fileport == of_pipe ? PROX_FDTYPE_PIPE : PROX_FDTYPE_VNODE);
    }
    CHECK_NE_INT(list[0].proc_fileport, list[1].proc_fileport);
    CHECK_EQ_INT(rig_fileport_info(getpid(), of_file, PROC_PIDFILEPORTVNODEPATHINFO, &file, (int)sizeof file),
                 sizeof file);
    size_t length = strlen(file.pvip.vip_path);
    CHECK_EQ_STR(file.pvip.vip_path + (length > 5 ? length - 5 : 0), "/file");
    CHECK_EQ_INT(rig_fileport_info(getpid(), of_pipe, PROC_PIDFILEPORTPIPEINFO, &reader, (int)sizeof reader),
                 sizeof reader);
    CHECK_EQ_INT(write(fd[1], "12", 2), 2);
    CHECK_EQ_INT(rig_fileport_info(getpid(), of_pipe, PROC_PIDFILEPORTPIPEINFO, &reader, (int)sizeof reader),
                 sizeof reader);
    CHECK_EQ_INT(reader.pipeinfo.pipe_stat.vst_size, 2);
    /* the wrong flavour: ENOTSUP; one there is not, and a port that is no file's: EINVAL */
    CHECK_ERRNO(rig_fileport_info(getpid(), of_pipe, PROC_PIDFILEPORTVNODEPATHINFO, &file, (int)sizeof file), ENOTSUP);
    CHECK_ERRNO(rig_fileport_info(getpid(), of_pipe, 77, &file, (int)sizeof file), EINVAL);
    CHECK_ERRNO(rig_fileport_info(getpid(), rig_port(true), PROC_PIDFILEPORTPIPEINFO, &reader, (int)sizeof reader),
                EINVAL);
    CHECK_KERN(mach_port_deallocate(rig_task(), of_pipe), KERN_SUCCESS);
    CHECK_EQ_INT(rig_fileport_list(getpid(), list, (int)RIG_COUNT(list)), 1);
}

CASE(shared_memory_through_a_port)
{
    int fd = kind_make(KIND_SHM);
    REQUIRE_OK(ftruncate(fd, 4096));
    int copy = fd_of(port_of(fd));
    char *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    REQUIRE(one != MAP_FAILED && other != MAP_FAILED);
    one[100] = 'x';
    CHECK_EQ_INT(other[100], 'x');
    kind_end(fd, KIND_SHM);
}
