/* sysv_sem_limits.c - limits, rights, Linux's timed wait, and times. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* semtimedop() */
#endif
#include "set.h"

CASE(limits)
{
    static const struct {
        const char *name;
        int linux_field; /* of kernel.sem: SEMMSL SEMMNS SEMOPM SEMMNI */
        const char *darwin_name;
        long long darwin_value; /* compiled in: bsd/sys/sem_internal.h; measured on 20.5 */
    } limits[] = {
        {"semmsl", 0, "kern.sysv.semmsl", 87381},
        {"semmns", 1, "kern.sysv.semmns", 87381},
        {"semmni", 3, "kern.sysv.semmni", 87381},
#ifdef __APPLE__
        {"semmnu", -1, "kern.sysv.semmnu", 87381},
        {"semume", -1, "kern.sysv.semume", 10},
#endif
    };
    for (size_t i = 0; i < RIG_COUNT(limits); i++) {
        long long value = ipc_limit("sys/kernel/sem", limits[i].linux_field, limits[i].darwin_name);
        FACT(limits[i].name, value);
#ifdef __APPLE__
        CHECK_EQ_INT(value, limits[i].darwin_value);
#else
        CHECK_GE_INT(value, 1);
#endif
    }
}

static long long operations_at_once(void)
{
#ifdef __APPLE__
    return 5; /* SEMOPM: bsd/sys/sem_internal.h; no sysctl shows it */
#else
    return ipc_limit("sys/kernel/sem", 2, "");
#endif
}

CASE(too_many_operations)
{
    enum { ROOM = 1024 };
    static struct sembuf operations[ROOM];
    long long most = operations_at_once();
    REQUIRE(most > 0 && most < ROOM);
    int id = set_make(1);
    for (int i = 0; i < ROOM; i++)
        operations[i] = (struct sembuf){0, 1, 0};
    CHECK_OK(rig_semop(id, operations, (size_t)most));
    CHECK_EQ_INT(set_value(id, 0), most);
    CHECK_ERRNO(rig_semop(id, operations, (size_t)most + 1), E2BIG);
    CHECK_EQ_INT(set_value(id, 0), most);
    FACT("semopm", most);
    set_remove(id);
}

/* Linux calls it an error; xnu has nothing to do and says so with 0. POSIX is silent. */
CASE(no_operations)
{
    int id = set_make(1);
    struct sembuf none = {0, 1, 0};
#ifdef __APPLE__
    CHECK_OK(rig_semop(id, &none, 0));
#else
    CHECK_ERRNO(rig_semop(id, &none, 0), EINVAL);
#endif
    CHECK_EQ_INT(set_value(id, 0), 0);
    set_remove(id);
}

/* Linux: in a namespace limited to 8 sets. Darwin: 87381 sets would cost the kernel megabytes it never gives back, so
 * there it is the number of semaphores one set may not have. */
CASE(too_many_sets)
{
#ifdef __APPLE__
    CHECK_ERRNO(rig_semget(IPC_PRIVATE, 87382, IPC_CREAT | 0600), EINVAL);
    NOTE("the number of sets is not tried: its array never shrinks again");
#else
    enum { LIMIT = 8 };
    int ids[LIMIT + 1], count = 0;
    ipc_private_limit("sys/kernel/sem", "32000 1024000 500 8");
    while (count <= LIMIT && (ids[count] = rig_semget(IPC_PRIVATE, 1, IPC_CREAT | 0600)) != -1)
        rig_own_sysv(RIG_SEM, ids[count++]);
    CHECK_EQ_STR(rig_errno_name(errno), "ENOSPC");
    CHECK_EQ_INT(count, LIMIT);
    while (count-- > 0)
        set_remove(ids[count]);
    set_remove(set_make(1));
#endif
}

CASE(too_many_semaphores, .linux_only = true, .why = "Darwin's limit is 87381 in all: not tried, its array never shrinks")
{
    ipc_private_limit("sys/kernel/sem", "32000 10 500 8");
    int id = set_make(8);
    CHECK_ERRNO(rig_semget(IPC_PRIVATE, 3, IPC_CREAT | 0600), ENOSPC);
    int rest = set_make(2);
    set_remove(id);
    set_remove(rest);
}

struct shared_set {
    int id;
    key_t key;
};

static void as_stranger(void *arg)
{
    const struct shared_set *set = arg;
    struct semid_ds data;
    ipc_become_other_user();
    CHECK_ERRNO(rig_semget(set->key, 1, 0600), EACCES);
    CHECK_ERRNO(set_change(set->id, 0, 1, 0), EACCES);
    CHECK_ERRNO(set_value(set->id, 0), EACCES);
    CHECK_ERRNO(set_put(set->id, 0, 1), EACCES);
    CHECK_ERRNO(rig_semctl(set->id, 0, IPC_STAT, (long)&data), EACCES);
    CHECK_ERRNO(rig_semctl(set->id, 0, IPC_RMID, 0), EPERM);
}

static void as_reader(void *arg)
{
    const struct shared_set *set = arg;
    ipc_become_other_user();
    CHECK_EQ_INT(set_value(set->id, 0), 3);
    CHECK_ERRNO(set_change(set->id, 0, 1, 0), EACCES);
    CHECK_ERRNO(set_put(set->id, 0, 1), EACCES);
    CHECK_ERRNO(rig_semctl(set->id, 0, IPC_RMID, 0), EPERM);
}

CASE(other_users_need_rights)
{
    ipc_need_other_user();
    struct shared_set set = {.key = ipc_key(2)};
    set.id = rig_semget(set.key, 1, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(set.id);
    rig_own_sysv(RIG_SEM, set.id);
    CHECK_OK(set_put(set.id, 0, 3));
    CHECK_EXITED(rig_spawn(as_stranger, &set), 0);
    struct semid_ds data = set_stat(set.id);
    data.sem_perm.mode = 0644;
    CHECK_OK(rig_semctl(set.id, 0, IPC_SET, (long)&data));
    CHECK_EXITED(rig_spawn(as_reader, &set), 0);
    CHECK_EQ_INT(set_value(set.id, 0), 3);
    set_remove(set.id);
}

CASE(timed_wait, .linux_only = true, .why = "Darwin has no semtimedop")
{
#ifndef __APPLE__
    int id = set_make(1);
    struct sembuf down = {0, -1, 0};
    struct timespec wait = {0, 20000000};
    uint64_t start = rig_now_ns();
    CHECK_ERRNO(semtimedop(id, &down, 1, &wait), EAGAIN);
    CHECK_GE_INT(rig_now_ns() - start, 19000000);
    CHECK_OK(set_put(id, 0, 1));
    CHECK_OK(semtimedop(id, &down, 1, &wait));
    set_remove(id);
#endif
}

/* Two processes, two semaphores: each waits for its own and posts the other's. */
static void answer(void *arg)
{
    int id = *(int *)arg;
    while (set_change(id, 0, -1, 0) == 0 && set_change(id, 1, 1, 0) == 0)
        continue;
}

static void ping_pong(void *context, unsigned long n)
{
    int id = *(int *)context;
    for (unsigned long i = 0; i < n; i++)
        if (set_change(id, 0, 1, 0) != 0 || set_change(id, 1, -1, 0) != 0) {
            FAIL("a round trip");
            return;
        }
}

CASE(time_ping_pong, .deadline = 30)
{
    int id = set_make(2);
    pid_t child = rig_spawn(answer, &id);
    ping_pong(&id, 16); /* the child is up and running: its start is not to be measured */
    rig_time("ping_pong", 0, ping_pong, &id);
    set_remove(id); /* ends the child, too */
    CHECK_EXITED(child, 0);
}

static void up_and_down_again(void *context, unsigned long n)
{
    int id = *(int *)context;
    for (unsigned long i = 0; i < n; i++)
        if (set_change(id, 0, 1, 0) != 0 || set_change(id, 0, -1, IPC_NOWAIT) != 0) {
            FAIL("up and down");
            return;
        }
}

CASE(time_up_and_down, .deadline = 30)
{
    int id = set_make(1);
    rig_time("up_and_down", 0, up_and_down_again, &id);
    set_remove(id);
}
