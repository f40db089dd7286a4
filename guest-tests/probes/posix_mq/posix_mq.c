/* posix_mq.c - POSIX message queues: names, attributes, order, sizes. */
#include "queue.h"

PROBE("posix_mq", "1");

CASE(wrappers_present, NO_QUEUES_ON_DARWIN)
{
    const struct ipc_wrapper all[] = {IPC_WRAPPER(mq_open),    IPC_WRAPPER(mq_close),   IPC_WRAPPER(mq_unlink),
                                      IPC_WRAPPER(mq_send),    IPC_WRAPPER(mq_receive), IPC_WRAPPER(mq_getattr),
                                      IPC_WRAPPER(mq_setattr), IPC_WRAPPER(mq_notify)};
    ipc_check_wrappers(all, RIG_COUNT(all));
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR); /* and a kernel behind them */
    CHECK_OK(mq_close(queue));
    queue_unlink(name);
}

CASE(name_is_made_once, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR);
    CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
    mqd_t again = mq_open(name, O_RDWR);
    CHECK_OK(again);
    CHECK_OK(mq_close(again));
    CHECK_OK(mq_close(queue));
    queue_unlink(name);
    CHECK_ERRNO(mq_open(name, O_RDWR), ENOENT);
    CHECK_ERRNO(mq_unlink(name), ENOENT);
}

/* mq_open(3): ENOENT for "/" alone, EACCES for a second slash, ENAMETOOLONG. */
CASE(bad_names, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE], too_long[300];
    CHECK_OK(mq_close(queue_make(name, O_RDWR)));
    queue_unlink(name);
    memset(too_long, 'x', sizeof too_long);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = '\0';
    CHECK_ERRNO(mq_open("/", O_RDWR | O_CREAT, 0600, NULL), ENOENT);
    CHECK_ERRNO(mq_open("/rig/x", O_RDWR | O_CREAT, 0600, NULL), EACCES);
    CHECK_ERRNO(mq_open(too_long, O_RDWR | O_CREAT, 0600, NULL), ENAMETOOLONG);
}

CASE(attributes, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    struct mq_attr now, before, wanted = {.mq_flags = O_NONBLOCK, .mq_maxmsg = 9, .mq_msgsize = 9};
    mqd_t queue = queue_make(name, O_RDWR);
    CHECK_OK(mq_getattr(queue, &now));
    CHECK_EQ_INT(now.mq_flags, 0);
    CHECK_EQ_INT(now.mq_maxmsg, QUEUE_MESSAGES);
    CHECK_EQ_INT(now.mq_msgsize, QUEUE_SIZE);
    CHECK_EQ_INT(now.mq_curmsgs, 0);
    CHECK_OK(mq_setattr(queue, &wanted, &before));
    CHECK_EQ_INT(before.mq_flags, 0);
    CHECK_OK(mq_getattr(queue, &now));
    CHECK_EQ_INT(now.mq_flags, O_NONBLOCK); /* the one thing that can be set */
    CHECK_EQ_INT(now.mq_maxmsg, QUEUE_MESSAGES);
    CHECK_EQ_INT(now.mq_msgsize, QUEUE_SIZE);
    queue_unlink(name);
}

static void ask_for_more(void *arg)
{
    if (geteuid() == 0)
        ipc_become_other_user();
    CHECK_ERRNO(mq_open(arg, O_RDWR | O_CREAT, 0600, &(struct mq_attr){.mq_maxmsg = 0, .mq_msgsize = 8}), EINVAL);
    CHECK_ERRNO(mq_open(arg, O_RDWR | O_CREAT, 0600, &(struct mq_attr){.mq_maxmsg = 8, .mq_msgsize = 0}), EINVAL);
    long too_many = (long)ipc_limit("sys/fs/mqueue/msg_max", 0, "") + 1;
    long too_big = (long)ipc_limit("sys/fs/mqueue/msgsize_max", 0, "") + 1;
    CHECK_ERRNO(mq_open(arg, O_RDWR | O_CREAT, 0600, &(struct mq_attr){.mq_maxmsg = too_many, .mq_msgsize = 8}), EINVAL);
    CHECK_ERRNO(mq_open(arg, O_RDWR | O_CREAT, 0600, &(struct mq_attr){.mq_maxmsg = 8, .mq_msgsize = too_big}), EINVAL);
}

CASE(attributes_out_of_range, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    rig_own_posix(RIG_POSIX_MQ, rig_unique_name(name));
    CHECK_EXITED(rig_spawn(ask_for_more, name), 0);
    FACT("msg_max", ipc_limit("sys/fs/mqueue/msg_max", 0, ""));
    FACT("msgsize_max", ipc_limit("sys/fs/mqueue/msgsize_max", 0, ""));
}

CASE(highest_priority_first, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    unsigned priority = 0;
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    CHECK_OK(queue_send(queue, 'a', 1));
    CHECK_OK(queue_send(queue, 'b', 9));
    CHECK_OK(queue_send(queue, 'c', 0));
    CHECK_OK(queue_send(queue, 'd', 9));
    CHECK_EQ_INT(queue_length(queue), 4);
    CHECK_EQ_INT(queue_receive(queue, &priority), 'b'); /* of equals, the oldest */
    CHECK_EQ_INT(priority, 9);
    CHECK_EQ_INT(queue_receive(queue, &priority), 'd');
    CHECK_EQ_INT(queue_receive(queue, &priority), 'a');
    CHECK_EQ_INT(priority, 1);
    CHECK_EQ_INT(queue_receive(queue, &priority), 'c');
    CHECK_EQ_INT(priority, 0);
    CHECK_ERRNO(queue_send(queue, 'e', 32768), EINVAL); /* MQ_PRIO_MAX */
    queue_unlink(name);
}

CASE(sizes, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE], sent[QUEUE_SIZE + 1], got[QUEUE_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)('A' + i);
    CHECK_ERRNO(mq_send(queue, sent, QUEUE_SIZE + 1, 0), EMSGSIZE);
    CHECK_OK(mq_send(queue, sent, QUEUE_SIZE, 0));
    CHECK_OK(mq_send(queue, sent, 0, 0));
    CHECK_ERRNO(mq_receive(queue, got, QUEUE_SIZE - 1, NULL), EMSGSIZE);
    CHECK_EQ_INT(mq_receive(queue, got, QUEUE_SIZE, NULL), QUEUE_SIZE);
    CHECK_EQ_BYTES(got, sent, QUEUE_SIZE);
    CHECK_EQ_INT(mq_receive(queue, got, QUEUE_SIZE, NULL), 0);
    queue_unlink(name);
}

CASE(no_wait_when_told, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    CHECK_ERRNO(queue_receive(queue, NULL), EAGAIN);
    for (int i = 0; i < QUEUE_MESSAGES; i++)
        CHECK_OK(queue_send(queue, 'n', 0));
    CHECK_ERRNO(queue_send(queue, 'n', 0), EAGAIN);
    CHECK_EQ_INT(queue_length(queue), QUEUE_MESSAGES);
    CHECK_EQ_INT(queue_receive(queue, NULL), 'n');
    CHECK_OK(queue_send(queue, 'n', 0));
    queue_unlink(name);
}

CASE(access_mode_counts, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    mqd_t reader = mq_open(name, O_RDONLY | O_NONBLOCK), writer = mq_open(name, O_WRONLY | O_NONBLOCK);
    REQUIRE_OK(reader);
    REQUIRE_OK(writer);
    CHECK_ERRNO(queue_send(reader, 'm', 0), EBADF);
    CHECK_ERRNO(queue_receive(writer, NULL), EBADF);
    CHECK_OK(queue_send(writer, 'm', 0));
    CHECK_EQ_INT(queue_receive(reader, NULL), 'm');
    CHECK_OK(mq_close(queue));
    CHECK_ERRNO(queue_send(queue, 'm', 0), EBADF);
    queue_unlink(name);
}

CASE(unlinked_queue_works_on, NO_QUEUES_ON_DARWIN)
{
    char name[RIG_NAME_SIZE];
    mqd_t queue = queue_make(name, O_RDWR | O_NONBLOCK);
    CHECK_OK(queue_send(queue, 'u', 0));
    queue_unlink(name);
    CHECK_ERRNO(mq_open(name, O_RDWR), ENOENT);
    CHECK_EQ_INT(queue_receive(queue, NULL), 'u');
}
