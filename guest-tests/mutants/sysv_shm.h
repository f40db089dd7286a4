/* sysv_shm.h - mutants of the probe sysv_shm. */
#include "mutant.h"

#include "ipc_support.h"

#include <sys/mman.h>

static inline int mutant_shmget(key_t key, size_t size, int flags)
{
    if (MUTANT(shmget_larger_is_fine, "a segment is found though more bytes are asked for than it has") && !(flags & IPC_CREAT))
        return rig_shmget(key, 0, flags);
    if (MUTANT(shmget_rounds_the_size, "shm_segsz is rounded up to whole pages") && (flags & IPC_CREAT) && size > 0)
        size = (size + 4095) & ~(size_t)4095;
    int id = rig_shmget(key, size, flags);
    if (MUTANT(shmget_excl_opens, "IPC_CREAT | IPC_EXCL opens a segment that exists") && id == -1 && errno == EEXIST)
        return rig_shmget(key, 0, 0);
    if (MUTANT(shmget_memory_is_dirty, "new memory is not zero") && id != -1 && (flags & IPC_CREAT)) {
        char *at = rig_shmat(id, NULL, 0);
        if (at != (void *)-1) {
            at[0] = 1;
            rig_shmdt(at);
        }
    }
    return id;
}
#define rig_shmget(...) mutant_shmget(__VA_ARGS__)

static inline void *mutant_shmat(int id, const void *address, int flags)
{
    if (MUTANT(shmat_is_private_memory, "an attachment is memory of this process alone")) {
        void *at = rig_shmat(id, address, flags);
        return at == (void *)-1 || (flags & SHM_RDONLY) ? at
                                                       : mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
    }
    if (MUTANT(shmat_ignores_rdonly, "a read-only attachment can be written"))
        flags &= ~SHM_RDONLY;
    if (MUTANT(shmat_always_rounds, "an address that is no page's is rounded without SHM_RND"))
        flags |= SHM_RND;
    if (MUTANT(shmat_ignores_the_address, "shmat attaches where it likes, whatever address was given"))
        address = NULL;
    void *at = rig_shmat(id, address, flags);
    if (MUTANT(shmat_leaks_an_attachment, "shmat attaches twice") && at != (void *)-1)
        rig_shmat(id, NULL, flags);
    return at;
}
#define rig_shmat(...) mutant_shmat(__VA_ARGS__)

static inline int mutant_shmdt(const void *address)
{
    if (MUTANT(shmdt_keeps_the_memory, "shmdt leaves the memory where it was"))
        return 0;
    int result = rig_shmdt(address);
    if (MUTANT(shmdt_twice_is_fine, "shmdt of what is attached no longer succeeds") && result == -1 && errno == EINVAL)
        return 0;
    if (MUTANT(shmdt_leaves_memory_behind, "after shmdt other memory is at the address") && result == 0)
        mmap((void *)address, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
    return result;
}
#define rig_shmdt(...) mutant_shmdt(__VA_ARGS__)

static inline int mutant_shmctl(int id, int command, struct shmid_ds *data)
{
    if (MUTANT(shmctl_keeps_the_segment, "a removed segment lives on") && command == IPC_RMID) {
        struct shmid_ds there;
        rig_own_sysv(RIG_SHM, id);
        return rig_shmctl(id, IPC_STAT, &there);
    }
    if (MUTANT(shmctl_removes_only_unused, "IPC_RMID of an attached segment fails with EBUSY") && command == IPC_RMID) {
        struct shmid_ds there;
        if (rig_shmctl(id, IPC_STAT, &there) == 0 && there.shm_nattch > 0)
            return mutant_fails(EBUSY);
    }
    if (MUTANT(shmctl_set_is_ignored, "IPC_SET changes nothing") && command == IPC_SET)
        return 0;
    int result = rig_shmctl(id, command, data);
    if (MUTANT(shmctl_attach_count_is_stuck, "shm_nattch stays 1 after the last detach") && command == IPC_STAT && result == 0 &&
        data->shm_atime && data->shm_nattch == 0)
        data->shm_nattch = 1;
    if (MUTANT(shmctl_no_creator, "shm_cpid is 0") && command == IPC_STAT && result == 0)
        data->shm_cpid = 0;
    if (MUTANT(shmctl_no_last_user, "shm_lpid stays 0") && command == IPC_STAT && result == 0)
        data->shm_lpid = 0;
    return result;
}
#define rig_shmctl(...) mutant_shmctl(__VA_ARGS__)
