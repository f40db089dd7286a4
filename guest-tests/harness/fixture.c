/* fixture.c - the clean state a case starts from: descriptors, signals, and the way to exec the probe again. */
#include "internal.h"

#include <dirent.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/time.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <sys/personality.h>
#endif

const char *rig_self;

static void ask_the_system(char *path, size_t size)
{
#ifdef __APPLE__
    uint32_t room = (uint32_t)size;
    if (_NSGetExecutablePath(path, &room) != 0)
        path[0] = '\0';
#else
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    path[n > 0 ? n : 0] = '\0';
#endif
}

/* The probe's own absolute path: a case starts in another directory than its parent. */
const char *rig_self_path(const char *argv0)
{
    static char path[PATH_MAX], absolute[PATH_MAX];
    ask_the_system(path, sizeof path);
    if (path[0] == '\0')
        snprintf(path, sizeof path, "%s", argv0);
    return realpath(path, absolute) ? absolute : path;
}

#ifdef __APPLE__
#define OPEN_DESCRIPTORS "/dev/fd"
#else
#define OPEN_DESCRIPTORS "/proc/self/fd"
#endif

/* Closes what was inherited beyond 0-2, but not `keep`. The listing names few; without it the whole table is walked. */
void rig_close_from_3(int keep)
{
    enum { MOST = 1024 };
    int open_ones[MOST];
    size_t count = 0;
    DIR *list = opendir(OPEN_DESCRIPTORS);
    if (list) {
        for (struct dirent *entry; count < MOST && (entry = readdir(list));)
            open_ones[count++] = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." are 0 */
        closedir(list);
    } else {
        struct rlimit limit = {0, 0};
        getrlimit(RLIMIT_NOFILE, &limit);
        for (int fd = 3; fd < 65536 && (rlim_t)fd < limit.rlim_cur; fd++)
            if (fd != keep)
                close(fd);
    }
    for (size_t i = 0; i < count; i++)
        if (open_ones[i] > 2 && open_ones[i] != keep)
            close(open_ones[i]);
}

/* From the next exec on, stacks, libraries and what is mapped lie where they always lie: how the kernel's tables of a
 * process look, and so what a call costs, depends on it (an shmat by 1.6 %). A container may forbid this, and nothing
 * is lost then but that. Darwin has it for posix_spawn alone, with a flag that is not public. */
void rig_same_addresses(void)
{
#ifndef __APPLE__
    enum { AS_IT_IS = 0xffffffff };
    int now = personality(AS_IT_IS);
    if (now >= 0)
        personality((unsigned long)now | ADDR_NO_RANDOMIZE);
#endif
}

/* Whatever a login shell, nohup or sshd ignored or blocked would be inherited by exec, and be in the way. */
void rig_default_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int sig = 1; sig <= 64; sig++)
        sigaction(sig, &action, NULL); /* SIGKILL and SIGSTOP refuse, and so do numbers there are none of */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct itimerval off;
    memset(&off, 0, sizeof off);
    setitimer(ITIMER_REAL, &off, NULL);
}
