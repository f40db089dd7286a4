/* named.c - see named.h. */
#include "named.h"

sem_t *named_make(char name[RIG_NAME_SIZE], unsigned value)
{
    rig_own_posix(RIG_POSIX_SEM, rig_unique_name(name));
    sem_t *sem = rig_sem_open(name, O_CREAT | O_EXCL, 0600, value);
    ipc_need_call(sem == SEM_FAILED, "named semaphores");
    RIG_REQUIRE(rig_check_ok(RIG_AT("sem_open of a new name"), sem == SEM_FAILED, errno));
    return sem;
}

sem_t *named_open(const char *name)
{
    sem_t *sem = rig_sem_open(name, 0, 0, 0);
    RIG_REQUIRE(rig_check_ok(RIG_AT("sem_open of an existing name"), sem == SEM_FAILED, errno));
    return sem;
}

void named_close(sem_t *sem) { CHECK_OK(rig_sem_close(sem)); }

void named_unlink(const char *name)
{
    if (CHECK_OK(rig_sem_unlink(name)))
        rig_disown_posix(RIG_POSIX_SEM, name);
}

long named_drain(sem_t *sem)
{
    enum { MORE_THAN_ANY = 1 << 20 };
    long count = 0;
    while (count < MORE_THAN_ANY && rig_sem_trywait(sem) == 0)
        count++;
    CHECK_EQ_STR(rig_errno_name(errno), "EAGAIN");
    return count;
}
