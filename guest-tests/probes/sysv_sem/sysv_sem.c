/* sysv_sem.c - System V semaphores: making, finding, values, operations that need not wait. */
#include "set.h"

PROBE("sysv_sem", "1");

CASE(wrappers_present)
{
    const struct ipc_wrapper all[] = {IPC_WRAPPER(semget), IPC_WRAPPER(semop), IPC_WRAPPER(semctl)};
    ipc_check_wrappers(all, RIG_COUNT(all));
}

CASE(new_set_is_zero)
{
    enum { COUNT = 3 };
    int id = set_make(COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ_INT(set_value(id, i), 0);
        CHECK_EQ_INT(set_ask(id, i, GETNCNT), 0);
        CHECK_EQ_INT(set_ask(id, i, GETZCNT), 0);
        CHECK_EQ_INT(set_ask(id, i, GETPID), 0);
    }
    struct semid_ds data = set_stat(id);
    CHECK_EQ_INT(data.sem_nsems, COUNT);
    CHECK_EQ_INT(data.sem_otime, 0);
    CHECK(ipc_is_now(data.sem_ctime));
    CHECK_EQ_INT(data.sem_perm.mode & 0777, 0600);
    CHECK_EQ_INT(data.sem_perm.uid, geteuid());
    set_remove(id);
}

CASE(key_finds_one_set)
{
    key_t key = ipc_key(0);
    CHECK_ERRNO(rig_semget(key, 1, 0), ENOENT);
    int id = rig_semget(key, 2, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SEM, id);
    CHECK_ERRNO(rig_semget(key, 2, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    CHECK_EQ_INT(rig_semget(key, 2, IPC_CREAT | 0600), id);
    CHECK_EQ_INT(rig_semget(key, 0, 0), id); /* 0: however many there are */
    CHECK_ERRNO(rig_semget(key, 3, 0), EINVAL);
    set_remove(id);
    CHECK_ERRNO(rig_semget(key, 1, 0), ENOENT);
}

CASE(sizes_out_of_range)
{
    long long most = ipc_limit("sys/kernel/sem", 0, "kern.sysv.semmsl");
    REQUIRE(most > 0 && most < 1 << 30);
    CHECK_ERRNO(rig_semget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
    CHECK_ERRNO(rig_semget(IPC_PRIVATE, -1, IPC_CREAT | 0600), EINVAL);
    CHECK_ERRNO(rig_semget(IPC_PRIVATE, (int)most + 1, IPC_CREAT | 0600), EINVAL);
}

CASE(values_set_and_read)
{
    enum { COUNT = 4 };
    int id = set_make(COUNT);
    CHECK_OK(set_put(id, 2, 17));
    CHECK_EQ_INT(set_value(id, 2), 17);
    CHECK_EQ_INT(set_value(id, 1), 0);
    unsigned short given[COUNT] = {1, 0, SEM_MOST, 4}, read_back[COUNT] = {9, 9, 9, 9};
    CHECK_OK(rig_semctl(id, 0, SETALL, (long)given));
    CHECK_OK(rig_semctl(id, 0, GETALL, (long)read_back));
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ_INT(read_back[i], given[i]);
        CHECK_EQ_INT(set_value(id, i), given[i]);
    }
    set_remove(id);
}

CASE(up_and_down)
{
    int id = set_make(2);
    CHECK_OK(set_change(id, 1, 5, 0));
    CHECK_EQ_INT(set_value(id, 1), 5);
    CHECK_OK(set_change(id, 1, -3, 0));
    CHECK_EQ_INT(set_value(id, 1), 2);
    CHECK_OK(set_change(id, 1, -2, IPC_NOWAIT));
    CHECK_OK(set_change(id, 1, 0, IPC_NOWAIT)); /* it is zero */
    CHECK_EQ_INT(set_value(id, 0), 0);
    set_remove(id);
}

CASE(no_wait_when_told)
{
    int id = set_make(1);
    CHECK_ERRNO(set_change(id, 0, -1, IPC_NOWAIT), EAGAIN);
    CHECK_OK(set_put(id, 0, 2));
    CHECK_ERRNO(set_change(id, 0, -3, IPC_NOWAIT), EAGAIN);
    CHECK_ERRNO(set_change(id, 0, 0, IPC_NOWAIT), EAGAIN);
    CHECK_EQ_INT(set_value(id, 0), 2);
    CHECK_EQ_INT(set_ask(id, 0, GETNCNT), 0);
    CHECK_EQ_INT(set_ask(id, 0, GETZCNT), 0);
    set_remove(id);
}

CASE(operations_go_in_order)
{
    int id = set_make(1);
    struct sembuf up_first[] = {{0, 1, IPC_NOWAIT}, {0, -1, IPC_NOWAIT}, {0, 0, IPC_NOWAIT}};
    struct sembuf down_first[] = {{0, -1, IPC_NOWAIT}, {0, 1, IPC_NOWAIT}};
    CHECK_OK(rig_semop(id, up_first, RIG_COUNT(up_first)));
    CHECK_EQ_INT(set_value(id, 0), 0);
    CHECK_ERRNO(rig_semop(id, down_first, RIG_COUNT(down_first)), EAGAIN);
    CHECK_EQ_INT(set_value(id, 0), 0);
    set_remove(id);
}

CASE(all_or_nothing)
{
    int id = set_make(3);
    CHECK_OK(set_put(id, 0, 1));
    CHECK_OK(set_put(id, 2, 4));
    struct sembuf wanted[] = {{0, -1, 0}, {2, 3, 0}, {1, -1, IPC_NOWAIT}};
    CHECK_ERRNO(rig_semop(id, wanted, RIG_COUNT(wanted)), EAGAIN);
    CHECK_EQ_INT(set_value(id, 0), 1);
    CHECK_EQ_INT(set_value(id, 1), 0);
    CHECK_EQ_INT(set_value(id, 2), 4);
    CHECK_OK(set_put(id, 1, 1));
    CHECK_OK(rig_semop(id, wanted, RIG_COUNT(wanted)));
    CHECK_EQ_INT(set_value(id, 0), 0);
    CHECK_EQ_INT(set_value(id, 1), 0);
    CHECK_EQ_INT(set_value(id, 2), 7);
    set_remove(id);
}

CASE(setval_out_of_range)
{
    int id = set_make(1);
    CHECK_OK(set_put(id, 0, SEM_MOST));
    CHECK_ERRNO(set_put(id, 0, SEM_MOST + 1), ERANGE);
    CHECK_ERRNO(set_put(id, 0, 40000), ERANGE);
    CHECK_ERRNO(set_put(id, 0, -1), ERANGE);
    CHECK_EQ_INT(set_value(id, 0), SEM_MOST);
    set_remove(id);
}

/* POSIX wants ERANGE from semop and SETALL, too. xnu checks the limit in SETVAL alone (bsd/kern/sysv_sem.c: semop
 * adds to an unsigned short, SETALL copies in). */
CASE(semop_past_the_maximum)
{
    int id = set_make(1);
    CHECK_OK(set_put(id, 0, SEM_MOST));
#ifdef __APPLE__
    NOTE("POSIX wants ERANGE; this kernel does not look");
    CHECK_OK(set_change(id, 0, 1, IPC_NOWAIT));
    CHECK_EQ_INT(set_value(id, 0), SEM_MOST + 1);
#else
    CHECK_ERRNO(set_change(id, 0, 1, IPC_NOWAIT), ERANGE);
    CHECK_EQ_INT(set_value(id, 0), SEM_MOST);
#endif
    set_remove(id);
}

CASE(setall_past_the_maximum)
{
    int id = set_make(2);
    unsigned short values[2] = {1, 40000};
#ifdef __APPLE__
    NOTE("POSIX wants ERANGE; this kernel does not look");
    CHECK_OK(rig_semctl(id, 0, SETALL, (long)values));
    CHECK_EQ_INT(set_value(id, 1), 40000);
#else
    CHECK_ERRNO(rig_semctl(id, 0, SETALL, (long)values), ERANGE);
    CHECK_EQ_INT(set_value(id, 0), 0);
#endif
    set_remove(id);
}

CASE(numbers_out_of_range)
{
    int id = set_make(2);
    CHECK_ERRNO(set_change(id, 2, 1, IPC_NOWAIT), EFBIG);
    CHECK_ERRNO(set_ask(id, 2, GETVAL), EINVAL);
    CHECK_ERRNO(set_ask(id, -1, GETVAL), EINVAL);
    CHECK_ERRNO(set_ask(id, 2, GETPID), EINVAL);
    CHECK_ERRNO(set_put(id, 2, 1), EINVAL);
    set_remove(id);
}

CASE(last_user_and_times)
{
    int id = set_make(2);
    CHECK_OK(set_change(id, 1, 1, 0));
    CHECK_EQ_INT(set_ask(id, 1, GETPID), getpid());
    CHECK_EQ_INT(set_ask(id, 0, GETPID), 0);
    CHECK(ipc_is_now(set_stat(id).sem_otime));
    CHECK_OK(set_put(id, 0, 1));
    CHECK_EQ_INT(set_ask(id, 0, GETPID), getpid());
    set_remove(id);
}

static void change_by_one(void *arg) { CHECK_OK(set_change(*(int *)arg, 0, 1, 0)); }

CASE(last_user_is_the_child)
{
    int id = set_make(1);
    pid_t child = rig_spawn(change_by_one, &id);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(set_ask(id, 0, GETPID), child);
    CHECK_EQ_INT(set_value(id, 0), 1);
    set_remove(id);
}

CASE(set_changes_mode)
{
    int id = set_make(1);
    struct semid_ds data = set_stat(id);
    data.sem_perm.mode = 0640;
    CHECK_OK(rig_semctl(id, 0, IPC_SET, (long)&data));
    data = set_stat(id);
    CHECK_EQ_INT(data.sem_perm.mode & 0777, 0640);
    CHECK_EQ_INT(data.sem_nsems, 1);
    CHECK(ipc_is_now(data.sem_ctime));
    set_remove(id);
}

CASE(removed_set_is_unknown)
{
    int id = set_make(1);
    set_remove(id);
    struct semid_ds data;
    CHECK_ERRNO(set_change(id, 0, 1, IPC_NOWAIT), EINVAL);
    CHECK_ERRNO(set_value(id, 0), EINVAL);
    CHECK_ERRNO(rig_semctl(id, 0, IPC_STAT, (long)&data), EINVAL);
    CHECK_ERRNO(rig_semctl(id, 0, IPC_RMID, 0), EINVAL);
}

CASE(bad_arguments)
{
    int id = set_make(1);
    void *page = ipc_forbidden_page();
    struct semid_ds data;
    CHECK_ERRNO(rig_semop(id, page, 1), EFAULT);
    CHECK_ERRNO(rig_semctl(id, 0, IPC_STAT, (long)page), EFAULT);
    CHECK_ERRNO(rig_semctl(id, 0, GETALL, (long)page), EFAULT);
    CHECK_ERRNO(rig_semctl(-1, 0, IPC_STAT, (long)&data), EINVAL);
    CHECK_ERRNO(set_change(-1, 0, 1, 0), EINVAL);
    CHECK_ERRNO(rig_semctl(id, 0, 12345, 0), EINVAL);
    set_remove(id);
}
