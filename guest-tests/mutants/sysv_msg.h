/* sysv_msg.h - mutants of the probe sysv_msg. */
#include "mutant.h"

#include "ipc_support.h"

static inline int mutant_msgget(key_t key, int flags)
{
    int id = rig_msgget(key, flags);
    if (MUTANT(msgget_makes_what_is_not_there, "msgget without IPC_CREAT makes a queue") && id == -1 && errno == ENOENT) {
        id = rig_msgget(key, flags | IPC_CREAT | 0600);
        rig_own_sysv(RIG_MSG, id);
    }
    if (MUTANT(msgget_excl_opens, "IPC_CREAT | IPC_EXCL opens a queue that exists") && id == -1 && errno == EEXIST)
        return rig_msgget(key, 0);
    if (MUTANT(msgget_private_is_one_queue, "IPC_PRIVATE gives the same queue each time") && key == IPC_PRIVATE) {
        static int first = -1;
        if (first != -1 && id != -1) {
            rig_msgctl(id, IPC_RMID, NULL);
            return first;
        }
        first = id;
    }
    return id;
}
#define rig_msgget(...) mutant_msgget(__VA_ARGS__)

static inline int mutant_msgsnd(int id, const void *message, size_t size, int flags)
{
    if (MUTANT(msgsnd_loses_the_message, "a message that was taken is gone"))
        return rig_msgsnd(id, message, size, flags) == 0 ? rig_msgrcv(id, (char[20008]){0}, 20000, 0, IPC_NOWAIT | MSG_NOERROR) < 0 : -1;
    if (MUTANT(msgsnd_never_waits, "msgsnd to a full queue fails with EAGAIN though it may wait"))
        return rig_msgsnd(id, message, size, flags | IPC_NOWAIT);
    if (MUTANT(msgsnd_always_waits, "msgsnd to a full queue waits in spite of IPC_NOWAIT"))
        return rig_msgsnd(id, message, size, flags & ~IPC_NOWAIT);
    if (MUTANT(msgsnd_cuts_the_last_byte, "a message arrives without its last byte") && size > 1)
        return rig_msgsnd(id, message, size - 1, flags);
    int result = rig_msgsnd(id, message, size, flags);
    if (MUTANT(msgsnd_restarts, "a signal does not end a waiting msgsnd"))
        while (result == -1 && errno == EINTR)
            result = rig_msgsnd(id, message, size, flags);
    if (MUTANT(msgsnd_full_is_enospc, "msgsnd to a full queue fails with ENOSPC") && result == -1 && errno == EAGAIN)
        return mutant_fails(ENOSPC);
    return result;
}
#define rig_msgsnd(...) mutant_msgsnd(__VA_ARGS__)

static inline ssize_t mutant_msgrcv(int id, void *message, size_t size, long type, int flags)
{
    if (MUTANT(msgrcv_ignores_the_type, "msgrcv takes the first message whatever type was asked for"))
        return rig_msgrcv(id, message, size, 0, flags);
    if (MUTANT(msgrcv_negative_type_is_exact, "msgrcv of type -n takes messages of type n only") && type < 0)
        return rig_msgrcv(id, message, size, -type, flags);
    if (MUTANT(msgrcv_always_truncates, "msgrcv cuts a message that is too long, without MSG_NOERROR"))
        return rig_msgrcv(id, message, size, type, flags | MSG_NOERROR);
    if (MUTANT(msgrcv_never_waits, "msgrcv of an empty queue fails with ENOMSG though it may wait"))
        return rig_msgrcv(id, message, size, type, flags | IPC_NOWAIT);
    ssize_t n = rig_msgrcv(id, message, size, type, flags);
    if (MUTANT(msgrcv_leaves_the_message, "a message that was received stays in the queue") && n >= 0 && n < 2048)
        rig_msgsnd(id, message, (size_t)n, IPC_NOWAIT);
    if (MUTANT(msgrcv_forgets_the_type, "msgrcv leaves the caller's type field as it was") && n >= 0)
        *(long *)message = 0;
    if (MUTANT(msgrcv_writes_too_far, "msgrcv writes past the message's end") && n >= 0 && (size_t)n < size)
        memset((char *)message + sizeof(long) + n, 0, size - (size_t)n < 24 ? size - (size_t)n : 24);
    if (MUTANT(msgrcv_overruns_the_buffer, "msgrcv writes past the end of the caller's buffer") && n >= 0 && (size_t)n == size)
        memset((char *)message + sizeof(long) + n, 0, 16);
    if (MUTANT(msgrcv_removed_is_einval, "a msgrcv that waits on a queue being removed fails with EINVAL") && n == -1 && errno == EIDRM)
        return mutant_fails(EINVAL);
    if (MUTANT(msgrcv_empty_is_eagain, "msgrcv of an empty queue fails with EAGAIN") && n == -1 && errno == ENOMSG)
        return mutant_fails(EAGAIN);
    return n;
}
#define rig_msgrcv(...) mutant_msgrcv(__VA_ARGS__)

static inline int mutant_msgctl(int id, int command, struct msqid_ds *data)
{
    if (MUTANT(msgctl_keeps_the_queue, "a removed queue lives on") && command == IPC_RMID) {
        struct msqid_ds there;
        rig_own_sysv(RIG_MSG, id);
        return rig_msgctl(id, IPC_STAT, &there);
    }
    if (MUTANT(msgctl_set_is_ignored, "IPC_SET changes nothing") && command == IPC_SET)
        return 0;
    int result = rig_msgctl(id, command, data);
    if (MUTANT(msgctl_tells_no_sender, "msg_lspid stays 0") && result == 0 && command == IPC_STAT)
        data->msg_lspid = 0;
    if (MUTANT(msgctl_counts_one_too_many, "msg_qnum is one too high once a message went through") && result == 0 &&
        command == IPC_STAT && data->msg_lspid != 0)
        data->msg_qnum++;
    if (MUTANT(msgctl_stime_is_late, "msg_stime is an hour off") && result == 0 && command == IPC_STAT && data->msg_stime)
        data->msg_stime += 3600;
    return result;
}
#define rig_msgctl(...) mutant_msgctl(__VA_ARGS__)
