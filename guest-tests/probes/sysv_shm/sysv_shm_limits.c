/* sysv_shm_limits.c - sizes and counts the kernel refuses, and times.
 * Darwin's limits: kern.sysv.shm*, measured on 20.5 as the defaults of xnu-4570 bsd/kern/sysv_shm.c. */
#include "segment.h"

#define MIB ((size_t)1 << 20)

CASE(limits)
{
    static const struct {
        const char *name, *linux_file, *darwin_name;
        long long darwin_value;
    } limits[] = {
        {"shmmax", "sys/kernel/shmmax", "kern.sysv.shmmax", 4194304},
        {"shmmni", "sys/kernel/shmmni", "kern.sysv.shmmni", 32},
        {"shmall", "sys/kernel/shmall", "kern.sysv.shmall", 1024},
#ifdef __APPLE__
        {"shmmin", "", "kern.sysv.shmmin", 1},
        {"shmseg", "", "kern.sysv.shmseg", 8},
#endif
    };
    for (size_t i = 0; i < RIG_COUNT(limits); i++) {
        long long value = ipc_limit(limits[i].linux_file, 0, limits[i].darwin_name);
        FACT(limits[i].name, value);
#ifdef __APPLE__
        CHECK_EQ_INT(value, limits[i].darwin_value);
#else
        CHECK_NE_INT(value, 0); /* the largest of them do not fit a signed number */
#endif
    }
}

CASE(sizes_out_of_range)
{
    CHECK_ERRNO(rig_shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
    CHECK_ERRNO(rig_shmget(IPC_PRIVATE, SIZE_MAX, IPC_CREAT | 0600), EINVAL);
#ifdef __APPLE__
    CHECK_ERRNO(rig_shmget(IPC_PRIVATE, 5 * MIB, IPC_CREAT | 0600), EINVAL);
    segment_remove(segment_make(4 * MIB));
#else
    segment_remove(segment_make(5 * MIB));
#endif
    segment_remove(segment_make(1));
}

CASE(largest_size, .linux_only = true, .why = "Darwin's shmmax is fixed once used; sizes_out_of_range looks at it")
{
    ipc_private_limit("sys/kernel/shmmax", "10000");
    segment_remove(segment_make(10000));
    CHECK_ERRNO(rig_shmget(IPC_PRIVATE, 10001, IPC_CREAT | 0600), EINVAL);
}

/* SHMSEG: Darwin lets a process attach eight, in all, however often the same one. */
CASE(attachments_of_one_process)
{
    enum { MOST = 16 };
    int id = segment_make(100), count = 0;
    void *at[MOST];
    while (count < MOST && (at[count] = rig_shmat(id, NULL, 0)) != (void *)-1)
        count++;
#ifdef __APPLE__
    CHECK_EQ_STR(rig_errno_name(errno), "EMFILE");
    CHECK_EQ_INT(count, ipc_limit("", 0, "kern.sysv.shmseg"));
#else
    CHECK_EQ_INT(count, MOST);
#endif
    CHECK_EQ_INT(segment_attached(id), count);
    while (count-- > 0)
        segment_detach(at[count]);
    CHECK_EQ_INT(segment_attached(id), 0);
    segment_remove(id);
}

/* SHMMNI. Linux: in a namespace limited to 8. */
CASE(too_many_segments)
{
    enum { MOST = 64 };
    int ids[MOST];
    long count = 0;
#ifdef __APPLE__
    long limit = (long)ipc_limit("", 0, "kern.sysv.shmmni");
#else
    long limit = 8;
    ipc_private_limit("sys/kernel/shmmni", "8");
#endif
    while (count < MOST && (ids[count] = rig_shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600)) != -1)
        rig_own_sysv(RIG_SHM, ids[count++]);
    CHECK_EQ_STR(rig_errno_name(errno), "ENOSPC");
    CHECK_EQ_INT(count, limit);
    for (long i = 0; i < count; i++)
        segment_remove(ids[i]);
    segment_remove(segment_make(1));
}

/* SHMALL, pages in the whole system: 1024 on Darwin, 4 MiB, so two segments of 2.5 MiB are too much. Linux: in a
 * namespace limited to 16. The error is ENOMEM in POSIX and on Darwin, ENOSPC on Linux (shmget(2)). */
CASE(too_many_pages)
{
#ifdef __APPLE__
    size_t size = 5 * MIB / 2;
    int wanted = ENOMEM;
#else
    size_t size = 10 * page_size();
    int wanted = ENOSPC;
    ipc_private_limit("sys/kernel/shmall", "16");
#endif
    int id = segment_make(size);
    CHECK_ERRNO(rig_shmget(IPC_PRIVATE, size, IPC_CREAT | 0600), wanted);
    segment_remove(id);
    segment_remove(segment_make(size)); /* the pages came back */
}

struct memory {
    struct ipc_turn turn;
    _Alignas(64) char room[1 << 20];
};

static void give_back(void *arg)
{
    struct memory *memory = arg;
    for (;;) {
        ipc_turn_wait(&memory->turn, 1);
        ipc_turn_give(&memory->turn, 0);
    }
}

static void hand_over(void *context, unsigned long n)
{
    struct memory *memory = context;
    for (unsigned long i = 0; i < n; i++) {
        ipc_turn_give(&memory->turn, 1);
        ipc_turn_wait(&memory->turn, 0);
    }
}

CASE(time_hand_over, .deadline = 30)
{
    int id = segment_make(sizeof(struct memory));
    struct memory *memory = segment_attach(id, 0);
    pid_t child = rig_spawn(give_back, memory);
    hand_over(memory, 16); /* the child is up and running: its start is not to be measured */
    rig_time("hand_over_and_back", 0, hand_over, memory);
    CHECK_EQ_INT(segment_attached(id), 2);
    rig_kill(child);
    segment_detach(memory);
    segment_remove(id);
}

static char source[1 << 16];

static void copy_in(void *context, unsigned long n)
{
    struct memory *memory = context;
    for (unsigned long i = 0; i < n; i++) {
        source[0] = (char)i;
        memcpy(memory->room + (i % 16) * sizeof source, source, sizeof source);
        __asm__ volatile("" : : : "memory"); /* the copy is the point: it must not be left out */
    }
}

CASE(time_copy_in, .deadline = 30)
{
    int id = segment_make(sizeof(struct memory));
    struct memory *memory = segment_attach(id, 0);
    memset(source, 's', sizeof source);
    rig_time_rate_held("copy_in", sizeof source, 0, copy_in, memory);
    CHECK_EQ_BYTES(memory->room + 1, source + 1, sizeof source - 1);
    segment_detach(memory);
    segment_remove(id);
}

static void attach_detach(void *context, unsigned long n)
{
    int id = *(int *)context;
    for (unsigned long i = 0; i < n; i++) {
        void *at = rig_shmat(id, NULL, 0);
        if (at == (void *)-1 || rig_shmdt(at) != 0) {
            FAIL("attaching and detaching");
            return;
        }
    }
}

CASE(time_attach_detach, .deadline = 30)
{
    int id = segment_make(4096);
    rig_time("attach_detach", 0, attach_detach, &id);
    CHECK_EQ_INT(segment_attached(id), 0);
    segment_remove(id);
}
