/* absent.h - mutants of the probe absent. */
#include "mutant.h"

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline void *mutant_dlsym(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (MUTANT(nothing_is_found, "dlsym finds nothing"))
        return NULL;
    if (!found && MUTANT(message_queues_are_there, "mq_open is there") && rig_streq(name, "mq_open"))
        return (void *)(uintptr_t)&getpid;
    if (!found && MUTANT(timed_semaphores_are_there, "sem_timedwait is there") && rig_streq(name, "sem_timedwait"))
        return (void *)(uintptr_t)&getpid;
    if (!found && MUTANT(apple_events_are_there, "AESend is there") && rig_streq(name, "AESend"))
        return (void *)(uintptr_t)&getpid;
    if (!found && MUTANT(pipe2_is_there, "pipe2 is there") && rig_streq(name, "pipe2"))
        return (void *)(uintptr_t)&getpid;
    return found;
}
#define dlsym(...) mutant_dlsym(__VA_ARGS__)

static inline void *mutant_dlopen(const char *path, int mode)
{
    if (MUTANT(nothing_is_loaded, "dlopen loads nothing"))
        return NULL;
    void *loaded = dlopen(path, mode);
    if (!loaded && MUTANT(any_library_is_loaded, "dlopen loads what is not there"))
        return dlopen("/usr/lib/libSystem.B.dylib", mode);
    return loaded;
}
#define dlopen(...) mutant_dlopen(__VA_ARGS__)

static inline int mutant_kill(pid_t pid, int sig)
{
    int result = kill(pid, sig);
    return result == -1 && sig > 31 && MUTANT(realtime_signals_are_taken, "kill takes signal 48") ? 0 : result;
}
#define kill(...) mutant_kill(__VA_ARGS__)

static inline int mutant_socket(int family, int type, int protocol)
{
    if (type > 255 && MUTANT(socket_takes_flags, "socket takes SOCK_CLOEXEC"))
        type &= 255;
    return socket(family, type, protocol);
}
#define socket(...) mutant_socket(__VA_ARGS__)

static inline int mutant_bind(int fd, const struct sockaddr *name, socklen_t size)
{
    int result = bind(fd, name, size);
    return result == -1 && MUTANT(abstract_names_are_bound, "an abstract name is bound") ? 0 : result;
}
#define bind(...) mutant_bind(__VA_ARGS__)

static inline long mutant_syscall(long number, const long arguments[6])
{
    bool unused = number == 63 || number == 2000;
    if (unused && MUTANT(unused_numbers_kill_nobody, "an unused system call raises no SIGSYS"))
        return mutant_fails(ENOSYS);
    long result = rig_syscall_array(number, arguments);
    if (result == -1 && errno == ENOSYS && number == 275 && MUTANT(sem_init_works, "sem_init succeeds"))
        return 0;
    return result;
}
#define rig_syscall_array(...) mutant_syscall(__VA_ARGS__)
