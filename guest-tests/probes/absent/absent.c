/* absent.c - forms of IPC that Darwin lacks: looked for by name in all that is loaded, by framework, by number. A case passes
 * while its form is absent; should one be there some day, the case fails and names it (fact: its name, 1), so that somebody
 * writes the probe it then needs. The first case proves that the search finds what is there. */
#include "rig.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

PROBE("absent", "1");

static bool is_there(const char *symbol) { return dlsym(RTLD_DEFAULT, symbol) != NULL; }

static void check_absent(const char *symbol)
{
    bool there = is_there(symbol);
    if (there)
        FACT(symbol, 1);
    rig_check_got(RIG_AT(symbol), !there, there ? "present" : "absent", "absent");
}

/* Each of these names. */
#define ABSENT(...)                                                          \
    do {                                                                     \
        static const char *const names[] = {__VA_ARGS__};                    \
        for (size_t i = 0; i < RIG_COUNT(names); i++)                        \
            check_absent(names[i]);                                          \
    } while (0)

/* A framework that loads is told, and so are those of its names that it then has. */
static void check_no_framework(const char *path, const char *const *names, size_t count)
{
    void *framework = dlopen(path, RTLD_LAZY);
    if (framework) {
        FACT(path, 1);
        for (size_t i = 0; i < count; i++)
            rig_check_got(RIG_AT(names[i]), !dlsym(framework, names[i]), "present", "absent");
        NOTE("%s loads", path);
        return;
    }
    rig_check_got(RIG_AT(path), true, "absent", "absent");
}
#define NO_FRAMEWORK(path, ...)                                             \
    do {                                                                    \
        static const char *const names[] = {__VA_ARGS__};                   \
        check_no_framework(path, names, RIG_COUNT(names));                  \
    } while (0)

CASE(search_finds_what_is_there)
{
    CHECK(is_there("getpid"));
    CHECK(is_there("mach_msg"));
    CHECK(is_there("kqueue"));
    CHECK(!is_there("rig_no_such_function"));
    void *library = dlopen("/usr/lib/libSystem.B.dylib", RTLD_LAZY);
    CHECK(library != NULL);
    CHECK(library && dlsym(library, "getpid") != NULL);
    CHECK(dlopen("/usr/lib/librig_no_such_library.dylib", RTLD_LAZY) == NULL);
}

CASE(message_queues)
{
    ABSENT("mq_open", "mq_close", "mq_unlink", "mq_send", "mq_receive", "mq_timedsend", "mq_timedreceive", "mq_notify",
           "mq_getattr", "mq_setattr");
    CHECK_EQ_INT(sysconf(_SC_MESSAGE_PASSING), -1);
}

CASE(unnamed_semaphores)
{
    /* the names are in libSystem and answer ENOSYS (probe posix_sem); so do their system calls */
    sem_t sem = 0;
    CHECK_ERRNO(rig_syscall(275, (long)&sem, 0, 1), ENOSYS); /* sem_init */
    CHECK_ERRNO(rig_syscall(276, (long)&sem), ENOSYS);       /* sem_destroy */
    rig_via("syscall");
}

CASE(timed_semaphores)
{
    ABSENT("sem_timedwait", "sem_clockwait", "semtimedop");
}

CASE(realtime_signals)
{
    ABSENT("sigqueue", "sigwaitinfo", "sigtimedwait", "pthread_sigqueue", "__libc_current_sigrtmin");
    CHECK_EQ_INT(sysconf(_SC_REALTIME_SIGNALS), -1);
    CHECK_EQ_INT(NSIG, 32);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    for (int sig = 32; sig <= 64; sig += 16) {
        CHECK_ERRNO(kill(getpid(), sig), EINVAL);
        CHECK_ERRNO(rig_syscall(46, sig, (long)&action, 0), EINVAL); /* sigaction */
    }
    CHECK_OK(kill(getpid(), 0));
}

CASE(flags_at_birth)
{
    ABSENT("pipe2", "accept4", "dup3", "recvmmsg", "sendmmsg");
    /* SOCK_NONBLOCK and SOCK_CLOEXEC as elsewhere: no such type */
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM | 04000, 0), EPROTONOSUPPORT);
    CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM | 02000000, 0), EPROTONOSUPPORT);
    CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

CASE(posix_timers)
{
    ABSENT("timer_create", "timer_settime", "timer_gettime", "timer_delete", "clock_nanosleep");
}

CASE(descriptors_for_everything)
{
    ABSENT("eventfd", "signalfd", "timerfd_create", "epoll_create", "epoll_create1", "epoll_wait", "inotify_init",
           "memfd_create", "pidfd_open");
}

CASE(locks_that_survive_or_give_up)
{
    ABSENT("pthread_mutex_timedlock", "pthread_mutex_consistent", "pthread_mutexattr_setrobust", "pthread_barrier_init",
           "pthread_spin_init");
}

CASE(other_processes_memory_by_pid)
{
    ABSENT("process_vm_readv", "process_vm_writev"); /* mach_vm_read and mach_vm_write instead: probe ptrace */
}

CASE(abstract_socket_names)
{
    /* a name that begins with a zero is no name in no directory, but an empty path */
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0rig.abstract"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE_OK(fd);
    int failed = bind(fd, (struct sockaddr *)&name, sizeof name);
    CHECK_EQ_INT(failed, -1);
    CHECK(errno == ENOENT || errno == EINVAL);
    FACT_STR("bind_says", rig_errno_name(errno));
}

static void call_nothing(void *arg)
{
    rig_syscall(*(int *)arg, 0);
}

CASE(unused_system_calls)
{
    /* nosys: SIGSYS, then ENOSYS; enosys, for calls that once were: ENOSYS alone */
    static const int never[] = {63, 2000}, once[] = {8, 11, 17, 275};
    for (size_t i = 0; i < RIG_COUNT(never); i++) {
        CHECK_KILLED_BY(rig_spawn(call_nothing, (void *)(uintptr_t)&never[i]), SIGSYS);
        rig_catch(SIGSYS, 0);
        CHECK_ERRNO(rig_syscall(never[i], 0), ENOSYS);
        CHECK_EQ_INT(rig_caught(SIGSYS), 1);
        signal(SIGSYS, SIG_DFL);
    }
    for (size_t i = 0; i < RIG_COUNT(once); i++)
        CHECK_ERRNO(rig_syscall(once[i], 0), ENOSYS);
    rig_via("syscall");
}

#define FRAMEWORKS "/System/Library/Frameworks/"

CASE(notification_centers)
{
    ABSENT("CFNotificationCenterPostNotification", "CFNotificationCenterGetDistributedCenter",
           "CFNotificationCenterGetDarwinNotifyCenter", "CFMessagePortCreateLocal", "CFMessagePortSendRequest");
    NO_FRAMEWORK(FRAMEWORKS "CoreFoundation.framework/CoreFoundation", "CFNotificationCenterPostNotification",
                 "CFNotificationCenterGetDistributedCenter", "CFMessagePortCreateLocal");
    NO_FRAMEWORK(FRAMEWORKS "Foundation.framework/Foundation", "OBJC_CLASS_$_NSNotificationCenter",
                 "OBJC_CLASS_$_NSDistributedNotificationCenter");
}

CASE(distributed_objects)
{
    ABSENT("OBJC_CLASS_$_NSConnection", "OBJC_CLASS_$_NSDistantObject", "OBJC_CLASS_$_NSPortNameServer");
    NO_FRAMEWORK(FRAMEWORKS "Foundation.framework/Foundation", "OBJC_CLASS_$_NSConnection",
                 "OBJC_CLASS_$_NSDistantObject", "OBJC_CLASS_$_NSPortNameServer");
}

CASE(apple_events)
{
    ABSENT("AECreateAppleEvent", "AESend", "AESendMessage", "AEInstallEventHandler");
    NO_FRAMEWORK(FRAMEWORKS "CoreServices.framework/CoreServices", "AECreateAppleEvent", "AESendMessage");
    NO_FRAMEWORK(FRAMEWORKS "ApplicationServices.framework/ApplicationServices", "AECreateAppleEvent", "AESendMessage");
}
