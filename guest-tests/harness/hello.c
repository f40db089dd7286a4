/* hello.c - the first line: who speaks, on what system, by which clock, and what will be run. */
#include "internal.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

struct limits {
    struct rig_line *line;
    bool any;
};

/* An unknown limit is left out, never given as -1. */
static void limit(struct limits *limits, const char *name, long long value)
{
    if (value < 0)
        return;
    char text[96];
    snprintf(text, sizeof text, "%s\"%s\":%lld", limits->any ? "," : "", name, value);
    rig_line_raw(limits->line, text);
    limits->any = true;
}

static long long resource(int which)
{
    struct rlimit found;
    if (getrlimit(which, &found) != 0 || found.rlim_cur == RLIM_INFINITY)
        return -1;
    return (long long)found.rlim_cur;
}

#ifdef __APPLE__
/* A sysctl number may be 32 or 64 bits wide; the size says which. */
static long long sysctl_number(const char *name)
{
    int64_t wide = 0;
    size_t size = sizeof wide;
    if (sysctlbyname(name, &wide, &size, NULL, 0) != 0)
        return -1;
    return size == sizeof(int32_t) ? (int32_t)wide : (size == sizeof wide ? wide : -1);
}

static void system_limits(struct limits *limits)
{
    static const char *const names[] = {
        "kern.sysv.shmmax", "kern.sysv.shmmin", "kern.sysv.shmmni",  "kern.sysv.shmseg",  "kern.sysv.shmall",
        "kern.sysv.semmni", "kern.sysv.semmns", "kern.sysv.semmnu",  "kern.sysv.semmsl",  "kern.sysv.semume",
        "kern.posix.sem.max", "kern.maxfilesperproc", "kern.ipc.maxsockbuf", "kern.ipc.maxpipekva",
        "net.local.stream.sendspace", "net.local.dgram.maxdgram",
    };
    for (size_t i = 0; i < RIG_COUNT(names); i++)
        limit(limits, names[i], sysctl_number(names[i]));
}
#else
static long long first_number_of(const char *path)
{
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return strtoll(text, NULL, 10);
}

static void system_limits(struct limits *limits)
{
    static const char *const names[] = {
        "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni",          "kernel/shmmax",
        "kernel/shmmni", "kernel/shmall", "fs/pipe-max-size",       "fs/mqueue/msg_max",
        "fs/mqueue/msgsize_max",          "net/unix/max_dgram_qlen",
    };
    for (size_t i = 0; i < RIG_COUNT(names); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
        limit(limits, names[i], first_number_of(path));
    }
}
#endif

static void add_limits(struct rig_line *line)
{
    struct limits limits = {line, false};
    rig_line_key(line, "limits");
    rig_line_raw(line, "{");
    limit(&limits, "open_files", resource(RLIMIT_NOFILE));
    limit(&limits, "processes", resource(RLIMIT_NPROC));
    limit(&limits, "stack", resource(RLIMIT_STACK));
    int fd[2];
    if (pipe(fd) == 0) {
        limit(&limits, "pipe_buf", fpathconf(fd[0], _PC_PIPE_BUF));
        close(fd[0]);
        close(fd[1]);
    }
    system_limits(&limits);
    rig_line_raw(line, "}");
}

void rig_hello(const char *const *names, size_t count)
{
    static char text[32768];
    struct rig_line line = {text, 0, sizeof text, false};
    struct utsname system;
    memset(&system, 0, sizeof system);
    uname(&system);
    rig_line_begin(&line, "hello");
    rig_line_int(&line, "proto", 1);
    rig_line_str(&line, "probe", rig_probe_name);
    rig_line_str(&line, "version", rig_probe_version);
    rig_line_str(&line, "os", system.sysname);
    rig_line_str(&line, "release", system.release);
    rig_line_str(&line, "machine", system.machine);
    rig_line_str(&line, "kernel", system.version);
    rig_line_int(&line, "pid", getpid());
    rig_line_str(&line, "clock", rig_clock_name());
    rig_line_double(&line, "tick_ns", rig_clock_tick_ns(), 4);
    rig_line_double(&line, "clock_cost_ns", rig_clock_cost_ns(), 1);
    rig_line_int(&line, "page", sysconf(_SC_PAGESIZE));
    add_limits(&line);
    rig_line_key(&line, "cases");
    rig_line_raw(&line, "[");
    for (size_t i = 0; i < count; i++) {
        rig_line_raw(&line, i ? "," : "");
        rig_line_quoted(&line, names[i]);
    }
    rig_line_raw(&line, "]");
    rig_line_send(&line);
}
