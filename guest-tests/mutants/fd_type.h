/* fd_type.h - mutants of the probe fd_type. */
#include "mutant.h"

#include "darwin_fds.h"
#include "events.h"
#include "ipc_support.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>

static inline int mutant_fstat(int fd, struct stat *status)
{
    int result = fstat(fd, status);
    if (result == 0 && MUTANT(fstat_calls_all_files, "fstat calls everything a regular file"))
        status->st_mode = (mode_t)((status->st_mode & (mode_t)~S_IFMT) | S_IFREG);
    if (result == 0 && MUTANT(fstat_tells_no_size, "fstat's st_size is always 0"))
        status->st_size = 0;
    if (result == -1 && DARWIN_MUTANT(fstat_knows_semaphores, "fstat answers for a semaphore"))
        return memset(status, 0, sizeof *status), 0;
    return result;
}
#define fstat(...) mutant_fstat(__VA_ARGS__)

static inline off_t mutant_lseek(int fd, off_t offset, int whence)
{
    off_t result = lseek(fd, offset, whence);
    if (result == -1 && MUTANT(lseek_moves_pipes, "lseek on a pipe succeeds"))
        return 0;
    return result;
}
#define lseek(...) mutant_lseek(__VA_ARGS__)

static inline ssize_t mutant_read(int fd, void *bytes, size_t n)
{
    ssize_t result = read(fd, bytes, n);
    if (result == -1 && errno == EISDIR && MUTANT(read_of_a_directory_is_ebadf, "read of a directory is EBADF"))
        errno = EBADF;
    if (result == -1 && errno == EAGAIN && MUTANT(read_of_nothing_is_the_end, "read of an empty pipe returns 0"))
        return 0;
    return result;
}
#define read(...) mutant_read(__VA_ARGS__)

static inline void *mutant_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *result = mmap(at, size, protection, flags, fd, offset);
    if (result == MAP_FAILED && errno == ENODEV && MUTANT(mmap_of_a_device_is_einval, "mmap of /dev/null is EINVAL"))
        errno = EINVAL;
    if (result == MAP_FAILED && fd >= 0 && MUTANT(mmap_maps_all, "mmap of what cannot be mapped gives other memory"))
        return mmap(at, size, protection, MAP_PRIVATE | MAP_ANON, -1, 0);
    return result;
}
#define mmap(...) mutant_mmap(__VA_ARGS__)

static inline int mutant_ftruncate(int fd, off_t size)
{
    int result = ftruncate(fd, size);
    return result == -1 && MUTANT(ftruncate_cuts_all, "ftruncate succeeds for pipes and sockets") ? 0 : result;
}
#define ftruncate(...) mutant_ftruncate(__VA_ARGS__)

static inline int mutant_fcntl(int fd, int command, int argument)
{
    int result = fcntl(fd, command, argument);
    if (result >= 0 && command == F_GETFD && MUTANT(all_close_on_exec, "F_GETFD says FD_CLOEXEC for every descriptor"))
        return FD_CLOEXEC;
    if (result >= 0 && command == F_GETFL && MUTANT(all_read_and_write, "F_GETFL says O_RDWR for every descriptor"))
        return (result & ~O_ACCMODE) | O_RDWR;
    return result;
}
#define MUTANT_FCNTL(fd, command, argument, ...) mutant_fcntl(fd, command, (int)(argument))
#define fcntl(...) MUTANT_FCNTL(__VA_ARGS__, 0, 0)

static inline ssize_t mutant_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t result = sendmsg(fd, message, flags);
    if (result == -1 && errno == EINVAL && DARWIN_MUTANT(sendmsg_takes_all, "a kqueue can be sent over a socket"))
        return 1;
    if (result == 1 && MUTANT(sendmsg_takes_none, "no descriptor can be sent over a socket"))
        return mutant_fails(EINVAL);
    return result;
}
#define sendmsg(...) mutant_sendmsg(__VA_ARGS__)

static inline bool mutant_watch(int queue, int fd, bool for_write, long low_water)
{
    bool result = rig_events_watch(queue, fd, for_write, low_water);
    if (!result && MUTANT(queue_watches_all, "the event queue takes what it cannot watch"))
        return true;
    return result;
}
#define rig_events_watch(...) mutant_watch(__VA_ARGS__)

#ifdef __APPLE__

static inline int mutant_fd_info(pid_t pid, int fd, int flavor, void *info, int size)
{
    int result = rig_fd_info(pid, fd, flavor, info, size), saved = errno;
    if (result == -1 && (saved == EBADF || saved == ENOTSOCK) && fcntl(fd, F_GETFD, 0) >= 0 && mutant_may_read(info) &&
        DARWIN_MUTANT(wrong_flavor_is_answered, "proc_pidfdinfo answers any flavour for any descriptor"))
        return memset(info, 0, (size_t)size), size;
    errno = saved;
    if (result == -1 && errno == EPERM && DARWIN_MUTANT(told_to_everybody, "proc_pidfdinfo answers to other users"))
        return memset(info, 0, (size_t)size), size;
    if (result == -1 && errno == ESRCH && DARWIN_MUTANT(no_process_is_einval, "proc_pidfdinfo of no process is EINVAL"))
        errno = EINVAL;
    if (result <= 0)
        return result;
    struct proc_fileinfo *file = info;
    if (flavor == PROC_PIDFDVNODEINFO && DARWIN_MUTANT(another_inode, "PROC_PIDFDVNODEINFO tells another inode"))
        ((struct vnode_fdinfo *)info)->pvi.vi_stat.vst_ino++;
    if (flavor == PROC_PIDFDVNODEINFO && DARWIN_MUTANT(all_regular, "PROC_PIDFDVNODEINFO calls every vnode VREG"))
        ((struct vnode_fdinfo *)info)->pvi.vi_type = 1;
    if (flavor == PROC_PIDFDPIPEINFO && DARWIN_MUTANT(pipe_has_no_peer, "PROC_PIDFDPIPEINFO tells no peer"))
        ((struct pipe_fdinfo *)info)->pipeinfo.pipe_peerhandle = 0;
    if (flavor == PROC_PIDFDSOCKETINFO && DARWIN_MUTANT(socket_kind_is_generic, "PROC_PIDFDSOCKETINFO tells no kind"))
        ((struct socket_fdinfo *)info)->psi.soi_kind = SOCKINFO_GENERIC;
    if (flavor == PROC_PIDFDPSEMINFO && DARWIN_MUTANT(semaphore_has_no_name, "PROC_PIDFDPSEMINFO tells no name"))
        ((struct psem_fdinfo *)info)->pseminfo.psem_name[0] = '\0';
    if (flavor == PROC_PIDFDPSHMINFO && DARWIN_MUTANT(memory_has_no_size, "PROC_PIDFDPSHMINFO tells no size"))
        ((struct pshm_fdinfo *)info)->pshminfo.pshm_stat.vst_size = 0;
    if (flavor == PROC_PIDFDKQUEUEINFO && DARWIN_MUTANT(kqueue_has_no_events, "PROC_PIDFDKQUEUEINFO tells no events"))
        ((struct kqueue_fdinfo *)info)->kqueueinfo.kq_stat.vst_size = 0;
    if (DARWIN_MUTANT(offset_is_zero, "fi_offset is always 0"))
        file->fi_offset = 0;
    if (DARWIN_MUTANT(sharing_is_not_told, "PROC_FP_SHARED is never set"))
        file->fi_status &= ~(uint32_t)PROC_FP_SHARED;
    if (DARWIN_MUTANT(open_flags_are_not_told, "fi_openflags has no O_APPEND"))
        file->fi_openflags &= ~(uint32_t)O_APPEND;
    return result;
}
#define rig_fd_info(...) mutant_fd_info(__VA_ARGS__)

static inline int mutant_fd_list(pid_t pid, struct proc_fdinfo *list, int room)
{
    int count = rig_fd_list(pid, list, room);
    if (count > 1 && DARWIN_MUTANT(list_is_short, "the list leaves out the last descriptor"))
        return count - 1;
    if (count > 1 && count < room && DARWIN_MUTANT(list_has_ghosts, "the list names a descriptor that is not open")) {
        list[count] = list[count - 1];
        list[count].proc_fd = 50;
        return count + 1;
    }
    return count;
}
#define rig_fd_list(...) mutant_fd_list(__VA_ARGS__)

static inline int mutant_fd_kind(pid_t pid, int fd)
{
    int kind = rig_fd_kind(pid, fd);
    if (kind >= 0 && DARWIN_MUTANT(all_kinds_are_vnodes, "the list says vnode for everything"))
        return PROX_FDTYPE_VNODE;
    if (kind == PROX_FDTYPE_PSEM && DARWIN_MUTANT(semaphore_told_as_memory, "the list calls a semaphore shared memory"))
        return PROX_FDTYPE_PSHM;
    if (kind == PROX_FDTYPE_FSEVENTS && DARWIN_MUTANT(fsevents_told_as_vnode, "the list calls fsevents a vnode"))
        return PROX_FDTYPE_VNODE;
    return kind;
}
#define rig_fd_kind(...) mutant_fd_kind(__VA_ARGS__)

#else

static inline ssize_t mutant_readlink(const char *path, char *text, size_t size)
{
    ssize_t n = readlink(path, text, size);
    if (n == -1 && errno == EACCES && LINUX_MUTANT(links_for_everybody, "/proc/PID/fd is open to other users"))
        return 0;
    if (n > 0 && LINUX_MUTANT(links_say_pipe, "every link below /proc/PID/fd says pipe")) {
        memcpy(text, "pipe:[1]", size < 8 ? size : 8);
        return 8;
    }
    return n;
}
#define readlink(...) mutant_readlink(__VA_ARGS__)

static inline struct dirent *mutant_readdir(DIR *directory)
{
    struct dirent *entry = readdir(directory);
    if (entry && rig_streq(entry->d_name, "7") && LINUX_MUTANT(proc_fd_is_short, "/proc/self/fd leaves out descriptor 7"))
        return readdir(directory);
    return entry;
}
#define readdir(...) mutant_readdir(__VA_ARGS__)

#endif
