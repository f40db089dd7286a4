/* procs.c - what the system says of other processes: does one sleep, which are left of a group. */
#include "internal.h"

#ifdef __APPLE__

#include <libproc.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>

static bool sleeps(pid_t pid)
{
    struct proc_taskinfo info;
    int n = proc_pidinfo(pid, PROC_PIDTASKINFO, 0, &info, (int)sizeof info);
    return n == (int)sizeof info && info.pti_numrunning == 0;
}

/* Live members of a process group; their names go to text. */
int rig_list_group(pid_t group, char *text, size_t size)
{
    int mib[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PGRP, group};
    size_t bytes = 64 * sizeof(struct kinfo_proc);
    struct kinfo_proc *all = calloc(1, bytes);
    int live = 0;
    text[0] = '\0';
    if (all && sysctl(mib, 4, all, &bytes, NULL, 0) == 0) {
        for (size_t i = 0; i < bytes / sizeof *all; i++) {
            if (all[i].kp_proc.p_stat == SZOMB || all[i].kp_proc.p_pid <= 0)
                continue;
            live++;
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%s%d (%.15s)", used ? ", " : "", (int)all[i].kp_proc.p_pid,
                     all[i].kp_proc.p_comm);
        }
    }
    free(all);
    return live;
}

#else

#include <dirent.h>

/* State letter and group of a process from /proc/PID/stat: "pid (name) S ppid pgrp ...". The name may hold anything,
 * so the last closing bracket counts. */
static bool read_stat(long pid, char *state, long *group, char *name, size_t size)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *open_at = strchr(text, '('), *close_at = strrchr(text, ')');
    if (!open_at || !close_at || sscanf(close_at + 1, " %c %*d %ld", state, group) != 2)
        return false;
    snprintf(name, size, "%.*s", (int)(close_at - open_at - 1), open_at + 1);
    return true;
}

static bool sleeps(pid_t pid)
{
    char state, name[32];
    long group;
    return read_stat(pid, &state, &group, name, sizeof name) && state == 'S';
}

int rig_list_group(pid_t group, char *text, size_t size)
{
    int live = 0;
    text[0] = '\0';
    DIR *all = opendir("/proc");
    if (!all)
        return 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        long pid = strtol(entry->d_name, NULL, 10), its_group;
        char state, name[32];
        if (pid <= 0 || !read_stat(pid, &state, &its_group, name, sizeof name))
            continue;
        if (its_group != group || state == 'Z' || state == 'X')
            continue;
        live++;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%ld (%s)", used ? ", " : "", pid, name);
    }
    closedir(all);
    return live;
}

#endif

bool rig_wait_blocked(pid_t pid)
{
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(2) * 1e9);
    for (int seen = 0; rig_now_ns() < end;) {
        /* twice in a row, a little apart: a process also sleeps for a moment on its way */
        seen = sleeps(pid) ? seen + 1 : 0;
        if (seen == 2)
            return true;
        rig_sleep_ms(1);
    }
    return false;
}

/* Gives the processes of a group a moment to end, then kills them. Returns how many lived on after that moment. */
int rig_end_group(pid_t group, double grace_ms, char *names, size_t size)
{
    names[0] = '\0';
    /* The signal 0 is cheap and settles most cases: nobody there. Zombies count on Linux, so look closer then. */
    if (kill(-group, 0) != 0 && errno == ESRCH)
        return 0;
    uint64_t end = rig_now_ns() + (uint64_t)(grace_ms * 1e6);
    int live;
    while ((live = rig_list_group(group, names, size)) > 0 && rig_now_ns() < end)
        rig_sleep_ms(5);
    for (int tries = 0; tries < 200 && kill(-group, SIGKILL) == 0; tries++) {
        char ignored[8];
        if (rig_list_group(group, ignored, sizeof ignored) == 0)
            break;
        rig_sleep_ms(5);
    }
    return live;
}
