/* ipc_support.c - see ipc_support.h. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* unshare() */
#endif

#include "ipc_support.h"

#include <sched.h>
#include <sys/mman.h>

#ifdef __APPLE__

#include <sys/sysctl.h>

long long ipc_limit(const char *linux_file, int field, const char *darwin_sysctl)
{
    (void)linux_file, (void)field;
    long long value = 0; /* an int or a long: little endian, and the rest stays 0 */
    size_t size = sizeof value;
    return sysctlbyname(darwin_sysctl, &value, &size, NULL, 0) == 0 ? value : -1;
}

int ipc_darwin_major(void)
{
    char release[32] = "";
    size_t size = sizeof release;
    sysctlbyname("kern.osrelease", release, &size, NULL, 0);
    return (int)strtol(release, NULL, 10);
}

void ipc_private_limit(const char *linux_file, const char *text) { (void)linux_file, (void)text; }

bool ipc_may_pass_limits(void) { return geteuid() == 0; }

#else

long long ipc_limit(const char *linux_file, int field, const char *darwin_sysctl)
{
    (void)darwin_sysctl;
    char path[80], text[160];
    snprintf(path, sizeof path, "/proc/%s", linux_file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    char *at = text;
    long long value = -1;
    for (int i = 0; i <= field; i++) {
        char *from = at;
        value = (long long)strtoull(from, &at, 10);
        if (at == from)
            return -1;
    }
    return value;
}

int ipc_darwin_major(void) { return 0; }

/* Root inside a container may lack the right, so the user is not asked. */
bool ipc_may_pass_limits(void)
{
    enum { SYS_RESOURCE = 24 };
    char line[128];
    unsigned long long effective = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "CapEff: %llx", &effective) == 1)
            break;
    if (file)
        fclose(file);
    return effective >> SYS_RESOURCE & 1;
}

void ipc_private_limit(const char *linux_file, const char *text)
{
    char path[80];
    if (unshare(CLONE_NEWIPC) != 0)
        SKIP("no private IPC namespace: %s; the system-wide limit is not for a test to reach", rig_errno_name(errno));
    snprintf(path, sizeof path, "/proc/%s", linux_file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int err = errno;
    if (fd >= 0)
        close(fd);
    if (!written)
        SKIP("%s cannot be set in a private IPC namespace: %s", path, rig_errno_name(err));
}

#endif

/* Process numbers fit 22 bits on Linux and 17 on Darwin; 0 is IPC_PRIVATE and never comes out. */
key_t ipc_key(int n) { return (key_t)(0x20000000 | (((long)getpid() << 4 | n) & 0x1fffffff)); }

bool ipc_is_now(time_t stamp)
{
    time_t now = time(NULL);
    return stamp >= now - 5 && stamp <= now + 5;
}

void ipc_need_other_user(void)
{
    if (geteuid() != 0)
        SKIP("another user is needed, and only root can become one; runs as user %ld", (long)geteuid());
}

void ipc_become_other_user(void)
{
    enum { NOBODY_WE_KNOW = 23451 };
    REQUIRE_OK(setgid(NOBODY_WE_KNOW));
    REQUIRE_OK(setuid(NOBODY_WE_KNOW));
}

void *ipc_forbidden_page(void)
{
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(page);
    return page;
}

void ipc_need_call(bool failed, const char *what)
{
    if (failed && errno == ENOSYS)
        UNSUPPORTED("the kernel has no %s", what);
}

void ipc_check_wrappers(const struct ipc_wrapper *all, size_t count)
{
    char missing[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (!all[i].present && used < sizeof missing)
            used += (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", all[i].name);
    FACT("wrappers_asked_for", count);
    if (used > 0)
        UNSUPPORTED("no wrapper: %s", missing);
    CHECK_EQ_INT(used, 0);
}

#ifdef __APPLE__

#pragma clang diagnostic ignored "-Wdeprecated-declarations"
RIG_MAKE_WEAK(sem_init);
RIG_MAKE_WEAK(sem_destroy);
RIG_MAKE_WEAK(sem_getvalue);
RIG_MAKE_WEAK(waitid);

/* 275 and 276 are enosys() in bsd/kern/syscalls.master; sem_getvalue has no number any more. */
int ipc_sem_init(sem_t *sem, int shared, unsigned value)
{
    return RIG_HAVE(sem_init) ? sem_init(sem, shared, value)
                              : (rig_via("syscall"), (int)rig_syscall(275, (long)sem, shared, (long)value));
}

int ipc_sem_destroy(sem_t *sem)
{
    return RIG_HAVE(sem_destroy) ? sem_destroy(sem) : (rig_via("syscall"), (int)rig_syscall(276, (long)sem));
}

int ipc_sem_getvalue(sem_t *sem, int *value)
{
    if (!RIG_HAVE(sem_getvalue))
        UNSUPPORTED("no wrapper: sem_getvalue, and no system call behind it");
    return sem_getvalue(sem, value);
}

int ipc_waitid(idtype_t kind, id_t id, siginfo_t *info, int options)
{
    return RIG_HAVE(waitid) ? waitid(kind, id, info, options)
                            : (rig_via("syscall"), (int)rig_syscall(173, (long)kind, (long)id, (long)info, options));
}

#else

int ipc_sem_init(sem_t *sem, int shared, unsigned value) { return sem_init(sem, shared, value); }
int ipc_sem_destroy(sem_t *sem) { return sem_destroy(sem); }
int ipc_sem_getvalue(sem_t *sem, int *value) { return sem_getvalue(sem, value); }
int ipc_waitid(idtype_t kind, id_t id, siginfo_t *info, int options) { return waitid(kind, id, info, options); }

#endif

struct blocking_call {
    int (*block)(void *context);
    void *context;
    int flags;
};

static void be_interrupted(void *arg)
{
    const struct blocking_call *call = arg;
    rig_catch(SIGUSR1, call->flags);
    CHECK_ERRNO(call->block(call->context), EINTR);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

void ipc_check_interrupted(int (*block)(void *context), void *context, int flags)
{
    struct blocking_call call = {block, context, flags};
    pid_t child = rig_spawn(be_interrupted, &call);
    CHECK(rig_wait_blocked(child));
    CHECK_OK(kill(child, SIGUSR1));
    CHECK_EXITED(child, 0);
}

/* The other process may need this very processor, so after a short spin it is given away. */
void ipc_turn_wait(struct ipc_turn *turn, int mine)
{
    for (unsigned spins = 0; __atomic_load_n(&turn->whose, __ATOMIC_ACQUIRE) != mine; spins++)
        if (spins % 64 == 63)
            sched_yield();
}

void ipc_turn_give(struct ipc_turn *turn, int other) { __atomic_store_n(&turn->whose, other, __ATOMIC_RELEASE); }
