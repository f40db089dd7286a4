/* sysv_msg_limits.c - sizes, counts, rights, bad arguments.
 * Darwin's limits are compiled in (xnu-4570 bsd/sys/msg.h): MSGMNB 2048, MSGTQL 40 messages in the whole system, MSGMNI 40. */
#include "queue.h"

static long smaller(long a, long b) { return a < b ? a : b; }

/* How many messages of a size one queue takes. Linux counts them against the bytes too (ipc/msg.c msg_fits_inqueue). */
static long capacity(int id, size_t size)
{
    long bytes = (long)queue_stat(id).msg_qbytes;
#ifdef __APPLE__
    return smaller(bytes / (long)size, 40);
#else
    return smaller(bytes / (long)size, bytes);
#endif
}

CASE(limits)
{
    int id = queue_make();
    FACT("bytes_of_a_queue", queue_stat(id).msg_qbytes);
#ifdef __APPLE__
    CHECK_EQ_INT(queue_stat(id).msg_qbytes, 2048); /* MSGMNB; no sysctl publishes the limits of messages */
    FACT("published", ipc_limit("", 0, "kern.sysv.msgmax") != -1);
#else
    CHECK_EQ_INT(queue_stat(id).msg_qbytes, ipc_limit("sys/kernel/msgmnb", 0, ""));
    FACT("msgmax", ipc_limit("sys/kernel/msgmax", 0, ""));
    FACT("msgmni", ipc_limit("sys/kernel/msgmni", 0, ""));
#endif
    queue_remove(id);
}

/* MSGTQL: message headers of the whole system. Linux counts each queue for itself. */
CASE(messages_of_all_queues)
{
    enum { HALF = 20 };
    int one = queue_make(), other = queue_make();
    for (int i = 0; i < HALF; i++)
        CHECK_OK(queue_send(one, 1, 1, 'm', IPC_NOWAIT));
#ifdef __APPLE__
    CHECK_EQ_INT(queue_fill(other, 1), 40 - HALF);
    CHECK_ERRNO(queue_send(one, 1, 1, 'm', IPC_NOWAIT), EAGAIN);
    CHECK_EQ_INT(queue_next_type(other, 0), 1);
    CHECK_OK(queue_send(one, 1, 1, 'm', IPC_NOWAIT)); /* one out there, one in here */
#else
    CHECK_GT_INT(queue_fill(other, 1), 40);
    CHECK_OK(queue_send(one, 1, 1, 'm', IPC_NOWAIT));
#endif
    queue_remove(one);
    queue_remove(other);
}

CASE(full_queue_does_not_wait_when_told)
{
    int id = queue_make();
    CHECK_EQ_INT(queue_fill(id, 512), capacity(id, 512));
    CHECK_EQ_INT(queue_next_type(id, 0), 1);
    CHECK_OK(queue_send(id, 1, 512, 'f', IPC_NOWAIT)); /* one out, one in */
    CHECK_ERRNO(queue_send(id, 1, 512, 'f', IPC_NOWAIT), EAGAIN);
    queue_remove(id);
}

CASE(one_byte_messages_until_full)
{
    int id = queue_make();
    long count = queue_fill(id, 1);
    CHECK_EQ_INT(count, capacity(id, 1));
    CHECK_EQ_INT(queue_stat(id).msg_qnum, count);
    FACT("one_byte_messages", count);
    queue_remove(id);
}

CASE(longest_message)
{
    int id = queue_make();
#ifdef __APPLE__
    long most = 2048;
#else
    long most = (long)ipc_limit("sys/kernel/msgmax", 0, "");
#endif
    REQUIRE(most > 0 && most < MESSAGE_ROOM);
    CHECK_ERRNO(queue_send(id, 1, (size_t)most + 1, 'l', IPC_NOWAIT), EINVAL);
    CHECK_OK(queue_send(id, 1, (size_t)most, 'l', IPC_NOWAIT));
    static struct message got;
    CHECK_EQ_INT(rig_msgrcv(id, &got, sizeof got.text, 0, IPC_NOWAIT), most);
    FACT("longest_message", most);
    queue_remove(id);
}

/* A message that could never fit. xnu refuses it (bsd/kern/sysv_msg.c msgsnd_nocancel, "msgsz > msg_qbytes"); Linux
 * treats it as one that does not fit now. */
CASE(message_over_the_queues_bytes)
{
    int id = queue_make();
    struct msqid_ds data = queue_stat(id);
    data.msg_qbytes = 16;
    CHECK_OK(rig_msgctl(id, IPC_SET, &data));
#ifdef __APPLE__
    CHECK_ERRNO(queue_send(id, 1, 17, 'o', IPC_NOWAIT), EINVAL);
    CHECK_ERRNO(queue_send(id, 1, 17, 'o', 0), EINVAL);
#else
    CHECK_ERRNO(queue_send(id, 1, 17, 'o', IPC_NOWAIT), EAGAIN);
#endif
    CHECK_OK(queue_send(id, 1, 16, 'o', IPC_NOWAIT));
    queue_remove(id);
}

/* Raising the limit is a privilege. xnu cuts what root asks for down to MSGMNB without a word. */
CASE(raising_the_queues_bytes)
{
    int id = queue_make();
    struct msqid_ds data = queue_stat(id);
    long normal = (long)data.msg_qbytes;
    data.msg_qbytes = (unsigned long)normal * 2;
    if (!ipc_may_pass_limits()) {
        CHECK_ERRNO(rig_msgctl(id, IPC_SET, &data), EPERM);
    } else {
        CHECK_OK(rig_msgctl(id, IPC_SET, &data));
#ifdef __APPLE__
        CHECK_EQ_INT(queue_stat(id).msg_qbytes, normal);
#else
        CHECK_EQ_INT(queue_stat(id).msg_qbytes, normal * 2);
#endif
    }
    queue_remove(id);
}

CASE(types_below_one_are_refused)
{
    int id = queue_make();
    CHECK_ERRNO(queue_send(id, 0, 1, 't', IPC_NOWAIT), EINVAL);
    CHECK_ERRNO(queue_send(id, -1, 1, 't', IPC_NOWAIT), EINVAL);
    CHECK_EQ_INT(queue_stat(id).msg_qnum, 0);
    queue_remove(id);
}

CASE(bad_addresses)
{
    int id = queue_make();
    void *page = ipc_forbidden_page();
    CHECK_ERRNO(rig_msgsnd(id, page, 1, IPC_NOWAIT), EFAULT);
    CHECK_EQ_INT(queue_stat(id).msg_qnum, 0);
    CHECK_ERRNO(rig_msgctl(id, IPC_STAT, page), EFAULT);
    CHECK_ERRNO(rig_msgctl(id, IPC_SET, page), EFAULT);
    queue_remove(id);
}

CASE(unknown_ids_and_commands)
{
    int id = queue_make();
    struct msqid_ds data;
    CHECK_ERRNO(rig_msgctl(-1, IPC_STAT, &data), EINVAL);
    CHECK_ERRNO(queue_send(-1, 1, 1, 'u', IPC_NOWAIT), EINVAL);
    CHECK_ERRNO(queue_next_type(-1, 0), EINVAL);
    CHECK_ERRNO(rig_msgctl(id, 12345, &data), EINVAL);
    queue_remove(id);
}

struct shared_queue {
    int id;
    key_t key;
};

static void as_stranger(void *arg)
{
    const struct shared_queue *queue = arg;
    struct msqid_ds data;
    ipc_become_other_user();
    CHECK_ERRNO(rig_msgget(queue->key, 0600), EACCES);
    CHECK_ERRNO(queue_send(queue->id, 1, 1, 'p', IPC_NOWAIT), EACCES);
    CHECK_ERRNO(queue_next_type(queue->id, 0), EACCES);
    CHECK_ERRNO(rig_msgctl(queue->id, IPC_STAT, &data), EACCES);
    CHECK_ERRNO(rig_msgctl(queue->id, IPC_RMID, NULL), EPERM);
}

static void as_reader(void *arg)
{
    const struct shared_queue *queue = arg;
    struct msqid_ds data;
    ipc_become_other_user();
    CHECK_EQ_INT(queue_next_type(queue->id, 0), 3);
    CHECK_OK(rig_msgctl(queue->id, IPC_STAT, &data));
    CHECK_ERRNO(queue_send(queue->id, 1, 1, 'p', IPC_NOWAIT), EACCES);
    CHECK_ERRNO(rig_msgctl(queue->id, IPC_SET, &data), EPERM);
}

CASE(other_users_need_rights)
{
    ipc_need_other_user();
    struct shared_queue queue = {.key = ipc_key(2)};
    queue.id = rig_msgget(queue.key, IPC_CREAT | IPC_EXCL | 0600);
    REQUIRE_OK(queue.id);
    rig_own_sysv(RIG_MSG, queue.id);
    CHECK_OK(queue_send(queue.id, 3, 1, 'p', 0));
    CHECK_EXITED(rig_spawn(as_stranger, &queue), 0);
    struct msqid_ds data = queue_stat(queue.id);
    data.msg_perm.mode = 0644;
    CHECK_OK(rig_msgctl(queue.id, IPC_SET, &data));
    CHECK_EXITED(rig_spawn(as_reader, &queue), 0);
    queue_remove(queue.id);
}

/* As many queues as the system allows, then ENOSPC; all are given back. Linux: in a namespace limited to 8. */
CASE(too_many_queues)
{
    enum { MOST = 64 };
    int ids[MOST];
    long count = 0;
#ifdef __APPLE__
    long limit = 40;
#else
    long limit = 8;
    FACT("queue_limit", ipc_limit("sys/kernel/msgmni", 0, ""));
    ipc_private_limit("sys/kernel/msgmni", "8");
#endif
    while (count < MOST && (ids[count] = rig_msgget(IPC_PRIVATE, IPC_CREAT | 0600)) != -1)
        rig_own_sysv(RIG_MSG, ids[count++]);
    CHECK_EQ_STR(rig_errno_name(errno), "ENOSPC");
    CHECK_EQ_INT(count, limit);
    for (long i = 0; i < count; i++)
        queue_remove(ids[i]);
    queue_remove(queue_make()); /* there is room again */
}
