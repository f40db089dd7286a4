/* posix_sem.c - named semaphores: names, values, opening, unlinking. */
#include "named.h"

PROBE("posix_sem", "1");

#ifdef __APPLE__
enum { VALUE_MOST = 32767 }; /* SEM_VALUE_MAX as the kernel has it: bsd/kern/posix_sem.c sem_open */
#else
enum { VALUE_MOST = 0x7fffffff };
#endif

CASE(wrappers_present)
{
    const struct ipc_wrapper all[] = {IPC_WRAPPER(sem_open), IPC_WRAPPER(sem_close),   IPC_WRAPPER(sem_unlink),
                                      IPC_WRAPPER(sem_wait), IPC_WRAPPER(sem_trywait), IPC_WRAPPER(sem_post)};
    ipc_check_wrappers(all, RIG_COUNT(all));
}

CASE(limits)
{
#ifdef __APPLE__
    long long most = ipc_limit("", 0, "kern.posix.sem.max"); /* bsd/kern/posix_sem.c posix_sem_max; measured on 20.5 */
    CHECK_EQ_INT(most, 10000);
    FACT("semaphores", most);
#else
    CHECK_EQ_INT(sysconf(_SC_SEM_VALUE_MAX), VALUE_MOST);
#endif
    FACT("value_max", VALUE_MOST);
}

CASE(name_is_made_once)
{
    char name[RIG_NAME_SIZE];
    CHECK_ERRNO_WHEN(rig_sem_open(rig_unique_name(name), 0, 0, 0) == SEM_FAILED, ENOENT);
    sem_t *sem = named_make(name, 0);
    CHECK_ERRNO_WHEN(rig_sem_open(name, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED, EEXIST);
    sem_t *again = named_open(name);
    named_close(again);
    named_close(sem);
    named_unlink(name);
    CHECK_ERRNO_WHEN(rig_sem_open(name, 0, 0, 0) == SEM_FAILED, ENOENT);
}

/* A name of so many characters, the slash included; which error sem_open gave, "0" for none. */
static const char *try_length(size_t length)
{
    static char name[400];
    rig_unique_name(name);
    REQUIRE(length < sizeof name);
    for (size_t i = strlen(name); i < length; i++)
        name[i] = 'x';
    name[length] = '\0';
    rig_own_posix(RIG_POSIX_SEM, name);
    sem_t *sem = rig_sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    if (sem == SEM_FAILED) {
        const char *error = rig_errno_name(errno);
        rig_disown_posix(RIG_POSIX_SEM, name);
        return error;
    }
    named_close(sem);
    named_unlink(name);
    return "0";
}

/* xnu counts the final zero against 31 (bsd/kern/posix_sem.c "pathlen > PSEMNAMLEN"). Linux: the name of a file. */
CASE(name_length)
{
    CHECK_EQ_STR(try_length(30), "0");
#ifdef __APPLE__
    CHECK_EQ_STR(try_length(31), "ENAMETOOLONG");
#else
    CHECK_EQ_STR(try_length(250), "0");
#endif
#ifdef __GLIBC__
    CHECK_EQ_STR(try_length(300), "EINVAL"); /* against its own manual */
#else
    CHECK_EQ_STR(try_length(300), "ENAMETOOLONG");
#endif
}

CASE(name_without_a_slash)
{
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_SEM, rig_unique_name(name) + 1);
    sem_t *sem = rig_sem_open(name + 1, O_CREAT | O_EXCL, 0600, 0);
    CHECK(sem != SEM_FAILED);
    named_close(sem);
    named_unlink(name + 1);
}

/* xnu takes any name; Linux libraries make files of them. */
CASE(name_with_a_slash_inside)
{
#ifdef __APPLE__
    char name[RIG_NAME_SIZE + 2];
    rig_unique_name(name);
    snprintf(name + strlen(name), 3, "/x");
    rig_own_posix(RIG_POSIX_SEM, name);
    sem_t *sem = rig_sem_open(name, O_CREAT | O_EXCL, 0600, 0);
    CHECK(sem != SEM_FAILED);
    named_close(sem);
    named_unlink(name);
#else
    CHECK_ERRNO_WHEN(rig_sem_open("/rig/x", O_CREAT, 0600, 0) == SEM_FAILED, EINVAL);
#endif
}

CASE(value_out_of_range)
{
    char name[RIG_NAME_SIZE];
    CHECK_ERRNO_WHEN(rig_sem_open(rig_unique_name(name), O_CREAT, 0600, (unsigned)VALUE_MOST + 1) == SEM_FAILED, EINVAL);
#ifdef __APPLE__
    CHECK_ERRNO_WHEN(rig_sem_open(name, O_CREAT, 0600, 40000) == SEM_FAILED, EINVAL);
#endif
    CHECK_ERRNO_WHEN(rig_sem_open(name, 0, 0, 0) == SEM_FAILED, ENOENT); /* nothing was made */
    sem_t *sem = named_make(name, VALUE_MOST);
    CHECK_OK(rig_sem_trywait(sem));
    named_close(sem);
    named_unlink(name);
}

/* POSIX: EOVERFLOW. xnu posts to a Mach semaphore, which has no such limit (bsd/kern/posix_sem.c sem_post). */
CASE(post_past_the_maximum)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, VALUE_MOST);
#ifdef __APPLE__
    CHECK_OK(rig_sem_post(sem));
#else
    CHECK_ERRNO(rig_sem_post(sem), EOVERFLOW);
#endif
    named_close(sem);
    named_unlink(name);
}

CASE(value_counts_down_and_up)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 3);
    CHECK_EQ_INT(named_drain(sem), 3);
    CHECK_ERRNO(rig_sem_trywait(sem), EAGAIN);
    CHECK_OK(rig_sem_post(sem));
    CHECK_OK(rig_sem_post(sem));
    CHECK_OK(rig_sem_wait(sem));
    CHECK_EQ_INT(named_drain(sem), 1);
    named_close(sem);
    named_unlink(name);
}

/* POSIX: the same address, while it stays open. On Darwin the address is a new descriptor's number each time
 * (bsd/kern/posix_sem.c sem_open, CAST_USER_ADDR_T(indx); measured on 20.5). */
CASE(second_open_of_a_name)
{
    char name[RIG_NAME_SIZE];
    sem_t *one = named_make(name, 0), *two = named_open(name);
#ifdef __APPLE__
    NOTE("POSIX wants the same address; this kernel gives another one");
    CHECK_NE_INT((intptr_t)one, (intptr_t)two);
#else
    CHECK_EQ_INT((intptr_t)one, (intptr_t)two);
#endif
    CHECK_OK(rig_sem_post(one));
    CHECK_OK(rig_sem_trywait(two)); /* one semaphore all the same */
    named_close(two);
    CHECK_OK(rig_sem_post(one)); /* still open */
    CHECK_OK(rig_sem_trywait(one));
    named_close(one);
    named_unlink(name);
}

CASE(creating_an_existing_name_opens_it)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 2);
    sem_t *again = rig_sem_open(name, O_CREAT, 0600, 9); /* mode and value are for a new one */
    CHECK(again != SEM_FAILED);
    CHECK_EQ_INT(named_drain(again), 2);
    named_close(again);
    named_close(sem);
    named_unlink(name);
}

CASE(value_outlives_the_close)
{
    char name[RIG_NAME_SIZE];
    sem_t *sem = named_make(name, 1);
    CHECK_OK(rig_sem_post(sem));
    named_close(sem);
    sem = named_open(name);
    CHECK_EQ_INT(named_drain(sem), 2);
    named_close(sem);
    named_unlink(name);
}

CASE(unlinked_semaphore_works_on)
{
    char name[RIG_NAME_SIZE], second[RIG_NAME_SIZE];
    sem_t *old = named_make(name, 0);
    named_unlink(name);
    CHECK_OK(rig_sem_post(old));
    CHECK_ERRNO_WHEN(rig_sem_open(name, 0, 0, 0) == SEM_FAILED, ENOENT);
    memcpy(second, name, sizeof second);
    rig_own_posix(RIG_POSIX_SEM, second);
    sem_t *young = rig_sem_open(second, O_CREAT | O_EXCL, 0600, 0);
    CHECK(young != SEM_FAILED);
    CHECK_ERRNO(rig_sem_trywait(young), EAGAIN); /* another one under the old name */
    CHECK_OK(rig_sem_trywait(old));
    named_close(young);
    named_close(old);
    named_unlink(second);
}

/* Until xnu-4903 sem_unlink answered EINVAL (bsd/kern/posix_sem.c sem_unlink), from xnu-6153 on ENOENT. */
CASE(unlink_of_an_unknown_name)
{
    char name[RIG_NAME_SIZE];
    int darwin = ipc_darwin_major();
    CHECK_ERRNO(rig_sem_unlink(rig_unique_name(name)), darwin != 0 && darwin < 19 ? EINVAL : ENOENT);
}

/* Darwin: the names are there and all answer ENOSYS (libsyscall/wrappers/posix_sem_obsolete.c; measured on 20.5). */
CASE(unnamed_semaphore)
{
    static sem_t sem;
    int value = -1;
#ifdef __APPLE__
    CHECK_ERRNO(ipc_sem_init(&sem, 0, 2), ENOSYS);
    CHECK_ERRNO(ipc_sem_destroy(&sem), ENOSYS);
    (void)value;
#else
    CHECK_OK(ipc_sem_init(&sem, 0, 2));
    CHECK_OK(ipc_sem_getvalue(&sem, &value));
    CHECK_EQ_INT(value, 2);
    CHECK_OK(rig_sem_trywait(&sem));
    CHECK_OK(rig_sem_trywait(&sem));
    CHECK_ERRNO(rig_sem_trywait(&sem), EAGAIN);
    CHECK_OK(rig_sem_post(&sem));
    CHECK_OK(ipc_sem_getvalue(&sem, &value));
    CHECK_EQ_INT(value, 1);
    CHECK_OK(ipc_sem_destroy(&sem));
#endif
}

CASE(value_of_a_named_semaphore)
{
    char name[RIG_NAME_SIZE];
    int value = -1;
    sem_t *sem = named_make(name, 5);
    named_unlink(name); /* first: without the function the case ends at its call */
#ifdef __APPLE__
    CHECK_ERRNO(ipc_sem_getvalue(sem, &value), ENOSYS);
    CHECK_EQ_INT(value, -1);
#else
    CHECK_OK(ipc_sem_getvalue(sem, &value));
    CHECK_EQ_INT(value, 5);
#endif
    named_close(sem);
}
