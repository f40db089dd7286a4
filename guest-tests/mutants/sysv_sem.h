/* sysv_sem.h - mutants of the probe sysv_sem. */
#include "mutant.h"

#include "ipc_support.h"

static inline int mutant_semget(key_t key, int count, int flags)
{
    if (MUTANT(semget_too_large_is_fine, "a set is found though more semaphores are asked for than it has") && !(flags & IPC_CREAT))
        return rig_semget(key, 0, flags);
    int id = rig_semget(key, count, flags);
    if (MUTANT(semget_starts_at_one, "a new semaphore's value is 1") && id != -1 && (flags & IPC_CREAT))
        rig_semctl(id, 0, SETVAL, 1);
    if (MUTANT(semget_exists_is_eacces, "IPC_EXCL on a set that exists fails with EACCES") && id == -1 && errno == EEXIST)
        return mutant_fails(EACCES);
    return id;
}
#define rig_semget(...) mutant_semget(__VA_ARGS__)

static inline int mutant_semop(int id, struct sembuf *operations, size_t count)
{
    struct sembuf changed[16];
    if (count == 0 || count > 16 || !mutant_may_read(operations))
        return rig_semop(id, operations, count);
    for (size_t i = 0; i < count; i++) {
        changed[i] = operations[i];
        if (MUTANT(semop_forgets_undo, "SEM_UNDO undoes nothing"))
            changed[i].sem_flg &= (short)~SEM_UNDO;
        if (MUTANT(semop_always_undoes, "every operation is undone at the end of its process"))
            changed[i].sem_flg |= SEM_UNDO;
        if (MUTANT(semop_never_waits, "a semop that may wait fails with EAGAIN"))
            changed[i].sem_flg |= IPC_NOWAIT;
        if (MUTANT(semop_always_waits, "a semop waits in spite of IPC_NOWAIT"))
            changed[i].sem_flg &= (short)~IPC_NOWAIT;
        if (MUTANT(semop_zero_does_not_wait, "an operation of 0 does not wait for zero") && changed[i].sem_op == 0)
            return 0;
        if (MUTANT(semop_takes_one_only, "an operation takes 1, whatever it says") && changed[i].sem_op < -1)
            changed[i].sem_op = -1;
    }
    if (MUTANT(semop_is_not_atomic, "operations on several semaphores are done one by one") && count > 1) {
        for (size_t i = 0; i < count; i++)
            if (rig_semop(id, &changed[i], 1) != 0)
                return -1;
        return 0;
    }
    int result = rig_semop(id, changed, count);
    if (MUTANT(semop_restarts, "a signal does not end a waiting semop"))
        while (result == -1 && errno == EINTR)
            result = rig_semop(id, changed, count);
    if (MUTANT(semop_removed_is_einval, "a semop that waits on a set being removed fails with EINVAL") && result == -1 && errno == EIDRM)
        return mutant_fails(EINVAL);
    if (MUTANT(semop_number_is_einval, "a semaphore's number out of range is EINVAL to semop") && result == -1 && errno == EFBIG)
        return mutant_fails(EINVAL);
    return result;
}
static inline int rig_semop_plain(int id, struct sembuf *one) { return rig_semop(id, one, 1); }
#define rig_semop(...) mutant_semop(__VA_ARGS__)

static inline int mutant_semctl(int id, int number, int command, long arg)
{
    if (MUTANT(semctl_keeps_the_set, "a removed set lives on") && command == IPC_RMID) {
        rig_own_sysv(RIG_SEM, id);
        return rig_semctl(id, 0, GETVAL, 0) == -1 ? -1 : 0;
    }
    if (MUTANT(semctl_setval_sets_the_first, "SETVAL sets semaphore 0 whatever number was given") && command == SETVAL)
        return rig_semctl(id, 0, command, arg);
    if (MUTANT(semctl_setall_leaves_the_first, "SETALL leaves semaphore 0 as it was") && command == SETALL) {
        int kept = rig_semctl(id, 0, GETVAL, 0), result = rig_semctl(id, 0, SETALL, arg);
        if (result == 0)
            rig_semctl(id, 0, SETVAL, kept);
        return result;
    }
    if (MUTANT(semctl_setval_keeps_undo, "SETVAL leaves what SEM_UNDO is to undo") && command == SETVAL) {
        struct sembuf up = {(unsigned short)number, 0, IPC_NOWAIT};
        int now = rig_semctl(id, number, GETVAL, 0);
        up.sem_op = (short)(arg - now);
        if (now >= 0 && arg >= 0 && arg < 32768 && up.sem_op != 0)
            return rig_semop_plain(id, &up);
    }
    int result = rig_semctl(id, number, command, arg);
    if (MUTANT(semctl_no_last_user, "GETPID tells 0") && command == GETPID && result > 0)
        return 0;
    if (MUTANT(semctl_nobody_waits, "GETNCNT and GETZCNT tell 0") && (command == GETNCNT || command == GETZCNT) && result > 0)
        return 0;
    if (MUTANT(semctl_value_too_large_is_einval, "SETVAL out of range fails with EINVAL") && command == SETVAL && result == -1 && errno == ERANGE)
        return mutant_fails(EINVAL);
    if (MUTANT(semctl_otime_is_zero, "sem_otime stays 0") && command == IPC_STAT && result == 0)
        ((struct semid_ds *)arg)->sem_otime = 0;
    return result;
}
#define rig_semctl(...) mutant_semctl(__VA_ARGS__)
