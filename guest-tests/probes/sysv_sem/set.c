/* set.c - see set.h. */
#include "set.h"

int set_make(int count)
{
    int id = rig_semget(IPC_PRIVATE, count, IPC_CREAT | 0600);
    ipc_need_call(id == -1, "System V semaphores");
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SEM, id);
    return id;
}

void set_remove(int id)
{
    if (CHECK_OK(rig_semctl(id, 0, IPC_RMID, 0)))
        rig_disown_sysv(RIG_SEM, id);
}

int set_change(int id, int number, int by, int flags)
{
    struct sembuf operation = {.sem_num = (unsigned short)number, .sem_op = (short)by, .sem_flg = (short)flags};
    return rig_semop(id, &operation, 1);
}

int set_ask(int id, int number, int command) { return rig_semctl(id, number, command, 0); }

int set_put(int id, int number, int value) { return rig_semctl(id, number, SETVAL, value); }

struct semid_ds set_stat(int id)
{
    struct semid_ds data;
    memset(&data, 0, sizeof data);
    REQUIRE_OK(rig_semctl(id, 0, IPC_STAT, (long)&data));
    return data;
}

#ifdef __APPLE__
/* The raw semctl copies this layout out (xnu-4570 bsd/sys/sem_internal.h struct user64_semid_ds, packed to 4). */
_Static_assert(sizeof(struct semid_ds) == 72, "semid_ds as the kernel copies it");
_Static_assert(sizeof(struct sembuf) == 6, "sembuf as the kernel reads it");
#endif
