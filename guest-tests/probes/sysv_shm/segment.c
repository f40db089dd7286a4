/* segment.c - see segment.h. */
#include "segment.h"

int segment_make(size_t size)
{
    int id = rig_shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    ipc_need_call(id == -1, "System V shared memory");
    REQUIRE_OK(id);
    rig_own_sysv(RIG_SHM, id);
    return id;
}

void segment_remove(int id)
{
    if (CHECK_OK(rig_shmctl(id, IPC_RMID, NULL)))
        rig_disown_sysv(RIG_SHM, id);
}

void *segment_attach(int id, int flags)
{
    void *at = rig_shmat(id, NULL, flags);
    REQUIRE_OK(at);
    return at;
}

void segment_detach(void *at) { CHECK_OK(rig_shmdt(at)); }

struct shmid_ds segment_stat(int id)
{
    struct shmid_ds data;
    memset(&data, 0, sizeof data);
    REQUIRE_OK(rig_shmctl(id, IPC_STAT, &data));
    return data;
}

size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

#ifdef __APPLE__
/* The raw shmctl copies this layout out (xnu-4570 bsd/sys/shm_internal.h struct user_shmid_ds, packed to 4). */
_Static_assert(sizeof(struct shmid_ds) == 76, "shmid_ds as the kernel copies it");
#endif
