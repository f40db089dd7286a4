/* kinds.c - see kinds.h. */
#include "kinds.h"

#include "events.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

const char *const kind_names[KINDS] = {"file",   "directory", "device",        "stream socket",
                                       "datagram socket", "TCP socket", "UDP socket", "pipe reader",
                                       "pipe writer", "shared memory", "event queue", "semaphore", "fsevents"};

char kind_name[RIG_NAME_SIZE];

bool kind_exists(enum kind kind)
{
#ifdef __APPLE__
    return kind != KIND_FSEVENTS || geteuid() == 0;
#else
    return kind < KIND_SEM;
#endif
}

static int shared_memory(void)
{
    rig_own_posix(RIG_POSIX_SHM, rig_unique_name(kind_name));
    return rig_shm_open(kind_name, O_CREAT | O_EXCL | O_RDWR, 0600);
}

#ifdef __APPLE__

static int semaphore(void)
{
    rig_own_posix(RIG_POSIX_SEM, rig_unique_name(kind_name));
    sem_t *sem = rig_sem_open(kind_name, O_CREAT | O_EXCL, 0600, 1);
    return (int)(intptr_t)sem; /* a descriptor, cast; SEM_FAILED is -1 */
}

/* struct fsevent_clone_args64 and FSEVENTS_CLONE_64 of bsd/vfs/vfs_fsevents.c; one byte says what to do with each type of
 * event: 0 to ignore it, so this one watches nothing */
static int fsevents(void)
{
    static int8_t ignore[1];
    int32_t fd = -1;
    struct {
        uint64_t event_list;
        int32_t num_events;
        int32_t event_queue_depth;
        uint64_t fd;
    } clone = {.event_list = (uintptr_t)ignore, .num_events = 1, .event_queue_depth = 16, .fd = (uintptr_t)&fd};
    int device = open("/dev/fsevents", O_RDONLY);
    if (device < 0)
        return -1;
    int failed = ioctl(device, _IOC(IOC_IN, 's', 1, sizeof clone), &clone);
    close(device);
    return failed ? -1 : fd;
}

#else

static int semaphore(void) { return -1; }
static int fsevents(void) { return -1; }

bool kind_link_begins(pid_t pid, int fd, const char *prefix)
{
    char path[48], link[256];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(path, link, sizeof link - 1);
    link[n > 0 ? n : 0] = '\0';
    if (strncmp(link, prefix, strlen(prefix)) == 0)
        return true;
    NOTE("descriptor %d is %s, not %s", fd, link, prefix);
    return false;
}

#endif

int kind_make(enum kind kind)
{
    int both[2], fd = -1;
    switch (kind) {
    case KIND_FILE: fd = open("file", O_CREAT | O_RDWR, 0600); break;
    case KIND_DIRECTORY: fd = open(".", O_RDONLY); break;
    case KIND_DEVICE: fd = open("/dev/null", O_RDWR); break;
    case KIND_STREAM: fd = socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0 ? both[0] : -1; break;
    case KIND_DATAGRAM: fd = socketpair(AF_UNIX, SOCK_DGRAM, 0, both) == 0 ? both[0] : -1; break;
    case KIND_TCP: fd = socket(AF_INET, SOCK_STREAM, 0); break;
    case KIND_UDP: fd = socket(AF_INET, SOCK_DGRAM, 0); break;
    case KIND_READER: fd = pipe(both) == 0 ? both[0] : -1; break;
    case KIND_WRITER: fd = pipe(both) == 0 ? both[1] : -1; break;
    case KIND_SHM: fd = shared_memory(); break;
    case KIND_QUEUE: fd = rig_events_open(); break;
    case KIND_SEM: fd = semaphore(); break;
    case KIND_FSEVENTS: fd = fsevents(); break;
    case KINDS: break;
    }
    REQUIRE_OK(fd);
    return fd;
}

void kind_end(int fd, enum kind kind)
{
    CHECK_OK(close(fd));
    if (kind == KIND_SHM) {
        CHECK_OK(rig_shm_unlink(kind_name));
        rig_disown_posix(RIG_POSIX_SHM, kind_name);
    } else if (kind == KIND_SEM) {
        CHECK_OK(rig_sem_unlink(kind_name));
        rig_disown_posix(RIG_POSIX_SEM, kind_name);
    }
}

void kinds_check(const char *what, int (*ask)(int fd, enum kind kind), const int want[KINDS])
{
    for (int kind = 0; kind < KINDS; kind++) {
        char text[80], got[40];
        if (!kind_exists((enum kind)kind))
            continue;
        int fd = kind_make((enum kind)kind);
        int answer = ask(fd, (enum kind)kind);
        snprintf(text, sizeof text, "%s: %s", kind_names[kind], what);
        snprintf(got, sizeof got, "%s", rig_errno_name(answer));
        if (want[kind] == -1)
            FACT_STR(text, got);
        else
            rig_check_got(RIG_AT(text), answer == want[kind], got, rig_errno_name(want[kind]));
        kind_end(fd, (enum kind)kind);
    }
}
