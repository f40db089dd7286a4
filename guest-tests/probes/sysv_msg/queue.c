/* queue.c - see queue.h. */
#include "queue.h"

int queue_make(void)
{
    int id = rig_msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    ipc_need_call(id == -1, "System V messages");
    REQUIRE_OK(id);
    rig_own_sysv(RIG_MSG, id);
    return id;
}

void queue_remove(int id)
{
    if (CHECK_OK(rig_msgctl(id, IPC_RMID, NULL)))
        rig_disown_sysv(RIG_MSG, id);
}

int queue_send(int id, long type, size_t size, char fill, int flags)
{
    static struct message message;
    message.type = type;
    memset(message.text, fill, size <= sizeof message.text ? size : sizeof message.text);
    return rig_msgsnd(id, &message, size, flags);
}

long queue_next_type(int id, long type)
{
    static struct message message;
    ssize_t n = rig_msgrcv(id, &message, sizeof message.text, type, IPC_NOWAIT);
    return n < 0 ? -1 : message.type;
}

long queue_fill(int id, size_t size)
{
    enum { MORE_THAN_ANY = 1 << 20 };
    long count = 0;
    while (count < MORE_THAN_ANY && queue_send(id, 1, size, 'f', IPC_NOWAIT) == 0)
        count++;
    CHECK_EQ_STR(rig_errno_name(errno), "EAGAIN");
    return count;
}

struct msqid_ds queue_stat(int id)
{
    struct msqid_ds data;
    memset(&data, 0, sizeof data);
    REQUIRE_OK(rig_msgctl(id, IPC_STAT, &data));
    return data;
}

#ifdef __APPLE__
/* The raw msgctl copies this layout out (xnu-4570 bsd/sys/msg.h struct user64_msqid_ds, packed to 4). */
_Static_assert(sizeof(struct msqid_ds) == 116, "msqid_ds as the kernel copies it");
#endif
