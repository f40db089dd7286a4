/* fileport.h - mutants of the probe fileport. */
#include "mutant.h"

#include "../probes/fd_type/kinds.h"
#include "mach_exc_messages.h"
#include "mach_message.h"

#include <sys/event.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

MUTANT_SHARED mach_port_t mutant_last_port;

static inline int mutant_makeport(int fd, mach_port_t *port)
{
    if (mutant_last_port && MUTANT(one_port_for_all, "a second fileport is the first one again")) {
        *port = mutant_last_port;
        return mach_port_mod_refs(rig_task(), *port, MACH_PORT_RIGHT_SEND, 1) == KERN_SUCCESS ? 0 : mutant_fails(EINVAL);
    }
    if (MUTANT(bad_address_leaks_a_right, "a fileport whose name cannot be stored stays behind") && !mutant_may_read(port)) {
        mach_port_t lost;
        rig_fileport_makeport(fd, &lost);
        return mutant_fails(EFAULT);
    }
    int result = rig_fileport_makeport(fd, port);
    if (result == -1 && errno == EINVAL && MUTANT(unsendable_is_taken, "a kqueue becomes a fileport"))
        return rig_fileport_makeport(0, port);
    if (result == -1 && errno == EBADF && MUTANT(no_file_is_einval, "a fileport of no descriptor is EINVAL"))
        errno = EINVAL;
    if (result == 0)
        mutant_last_port = *port;
    return result;
}
#define rig_fileport_makeport(...) mutant_makeport(__VA_ARGS__)

static inline int mutant_makefd(mach_port_t port)
{
    int fd = rig_fileport_makefd(port), again;
    char path[1024];
    if (fd == -1 && errno == EINVAL && MUTANT(any_port_is_a_file, "any port gives a descriptor"))
        return dup(0);
    if (fd == -1 && errno == EMFILE && MUTANT(full_table_is_eagain, "a full table is EAGAIN"))
        errno = EAGAIN;
    if (fd == -1)
        return fd;
    if (MUTANT(stays_on_exec, "the new descriptor has FD_CLOEXEC clear"))
        fcntl(fd, F_SETFD, 0);
    if (MUTANT(not_the_lowest, "the new descriptor is not the lowest") && (again = fcntl(fd, F_DUPFD_CLOEXEC, 40)) >= 0) {
        close(fd);
        return again;
    }
    if (MUTANT(offset_of_its_own, "the new descriptor is another open file") && fcntl(fd, F_GETPATH, path) == 0 &&
        (again = open(path, O_RDWR | O_CLOEXEC)) >= 0) {
        close(fd);
        return again;
    }
    if (MUTANT(port_is_used_up, "opening a fileport takes the right away"))
        mach_port_deallocate(rig_task(), port);
    if (MUTANT(descriptor_is_leaked, "opening a fileport leaves a second descriptor"))
        dup(fd);
    return fd;
}
#define rig_fileport_makefd(...) mutant_makefd(__VA_ARGS__)

static inline kern_return_t mutant_deallocate(mach_port_t task, mach_port_name_t name)
{
    if (name == mutant_last_port && MUTANT(right_is_kept, "mach_port_deallocate of a fileport does nothing"))
        return KERN_SUCCESS;
    return mach_port_deallocate(task, name);
}
#define mach_port_deallocate(...) mutant_deallocate(__VA_ARGS__)

static inline int mutant_list(pid_t pid, struct proc_fileportinfo *list, int room)
{
    int count = rig_fileport_list(pid, list, room);
    if (count > 0 && MUTANT(list_is_short, "PROC_PIDLISTFILEPORTS leaves out one"))
        return count - 1;
    if (count > 0 && MUTANT(list_calls_all_files, "PROC_PIDLISTFILEPORTS calls all vnodes"))
        for (int i = 0; i < count; i++)
            list[i].proc_fdtype = PROX_FDTYPE_VNODE;
    return count;
}
#define rig_fileport_list(...) mutant_list(__VA_ARGS__)

static inline int mutant_info(pid_t pid, mach_port_t port, int flavor, void *info, int size)
{
    int result = rig_fileport_info(pid, port, flavor, info, size);
    if (result == -1 && errno == ENOTSUP && MUTANT(wrong_flavor_is_answered, "proc_pidfileportinfo answers any flavour"))
        return size;
    return result;
}
#define rig_fileport_info(...) mutant_info(__VA_ARGS__)

/* ---- Guards ---------------------------------------------------------------------------------------------------- */

static inline int mutant_guarded_open(const char *path, const guardid_t *guard, unsigned guards, int flags, int mode)
{
    int fd = rig_guarded_open(path, guard, guards, flags, mode);
    if (fd == -1 && errno == EINVAL && MUTANT(guarded_open_has_no_rules, "guarded_open_np takes any flags"))
        return open(path, flags, mode);
    if (fd >= 0 && MUTANT(guarded_open_does_not_guard, "guarded_open_np gives a plain descriptor")) {
        rig_guarded_close(fd, guard);
        return open(path, flags, mode);
    }
    return fd;
}
#define rig_guarded_open(...) mutant_guarded_open(__VA_ARGS__)

static inline int mutant_guarded_close(int fd, const guardid_t *guard)
{
    static const guardid_t key = 0x1122334455667788;
    if (MUTANT(any_key_closes, "guarded_close_np takes a wrong key") && mutant_may_read(guard) && *guard != key)
        return rig_guarded_close(fd, &key);
    if (MUTANT(guarded_close_keeps_it, "guarded_close_np says that it closed, and does not") && mutant_may_read(guard) &&
        *guard == key && fcntl(fd, F_GETFD) >= 0)
        return 0;
    int result = rig_guarded_close(fd, guard);
    if (result == -1 && errno == EPERM && MUTANT(wrong_key_is_einval, "a wrong key is EINVAL"))
        errno = EINVAL;
    return result;
}
#define rig_guarded_close(...) mutant_guarded_close(__VA_ARGS__)

static inline int mutant_change(int fd, const guardid_t *guard, unsigned guards, const guardid_t *new_guard,
                                unsigned new_guards, int *flags)
{
    int before = flags ? *flags : 0;
    if (MUTANT(guard_is_not_changed, "change_fdguard_np says that it changed, and does not") && guard && new_guard)
        return 0;
    int result = rig_change_fdguard(fd, guard, guards, new_guard, new_guards, flags);
    if (result == 0 && flags && MUTANT(flags_are_not_told, "change_fdguard_np does not tell the flags before"))
        *flags = before;
    if (result == -1 && errno == EPERM && MUTANT(any_old_guard_does, "change_fdguard_np takes a wrong old guard"))
        return 0;
    if (result == -1 && errno == ENOTSUP && MUTANT(all_can_be_guarded, "any kind can be guarded"))
        return 0;
    if (result == 0 && !new_guard && MUTANT(removing_keeps_close_on_exec, "a removed guard leaves FD_CLOEXEC set"))
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return result;
}
#define rig_change_fdguard(...) mutant_change(__VA_ARGS__)

static inline kern_return_t mutant_receive(mach_port_t port, double seconds, struct rig_exception *e)
{
    kern_return_t result = rig_exc_receive(port, seconds, e);
    if (result == KERN_SUCCESS && MUTANT(violation_names_no_guard, "EXC_GUARD comes without the guard"))
        e->code[1] = 0;
    if (result == KERN_SUCCESS && MUTANT(violation_is_always_close, "every EXC_GUARD is kGUARD_EXC_CLOSE"))
        e->code[0] = (int64_t)(2ull << 61 | 1ull << 32 | (uint32_t)e->code[0]);
    return result;
}
#define rig_exc_receive(...) mutant_receive(__VA_ARGS__)

static inline int mutant_dup(int fd)
{
    return fd == 3 && MUTANT(dup_is_only_refused, "dup of a guarded descriptor is EPERM and no more") ? mutant_fails(EPERM)
                                                                                                     : dup(fd);
}
#define dup(...) mutant_dup(__VA_ARGS__)

static inline ssize_t mutant_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (MUTANT(sending_is_allowed, "a guarded descriptor can be sent"))
        return 1;
    return sendmsg(fd, message, flags);
}
#define sendmsg(...) mutant_sendmsg(__VA_ARGS__)
