/* queue.c - see queue.h. */
#include "queue.h"

#ifdef __APPLE__
/* No case gets here: all are unsupported before they start. */
static int absent(void)
{
    errno = ENOSYS;
    return -1;
}
#define UNUSED __attribute__((unused))
mqd_t mq_open(const char *name UNUSED, int flags UNUSED, ...) { return absent(); }
int mq_close(mqd_t queue UNUSED) { return absent(); }
int mq_unlink(const char *name UNUSED) { return absent(); }
int mq_send(mqd_t queue UNUSED, const char *text UNUSED, size_t size UNUSED, unsigned priority UNUSED) { return absent(); }
int mq_timedsend(mqd_t queue UNUSED, const char *text UNUSED, size_t size UNUSED, unsigned priority UNUSED,
                 const struct timespec *until UNUSED)
{
    return absent();
}
ssize_t mq_receive(mqd_t queue UNUSED, char *text UNUSED, size_t size UNUSED, unsigned *priority UNUSED) { return absent(); }
ssize_t mq_timedreceive(mqd_t queue UNUSED, char *text UNUSED, size_t size UNUSED, unsigned *priority UNUSED,
                        const struct timespec *until UNUSED)
{
    return absent();
}
int mq_getattr(mqd_t queue UNUSED, struct mq_attr *attributes UNUSED) { return absent(); }
int mq_setattr(mqd_t queue UNUSED, const struct mq_attr *attributes UNUSED, struct mq_attr *before UNUSED) { return absent(); }
int mq_notify(mqd_t queue UNUSED, const struct sigevent *event UNUSED) { return absent(); }
#endif

mqd_t queue_make(char name[RIG_NAME_SIZE], int flags)
{
    struct mq_attr wanted = {.mq_maxmsg = QUEUE_MESSAGES, .mq_msgsize = QUEUE_SIZE};
    rig_own_posix(RIG_POSIX_MQ, rig_unique_name(name));
    mqd_t queue = mq_open(name, flags | O_CREAT | O_EXCL, 0600, &wanted);
    ipc_need_call(queue == (mqd_t)-1, "POSIX message queues");
    REQUIRE_OK(queue);
    return queue;
}

void queue_unlink(const char *name)
{
    if (CHECK_OK(mq_unlink(name)))
        rig_disown_posix(RIG_POSIX_MQ, name);
}

long queue_length(mqd_t queue)
{
    struct mq_attr now;
    REQUIRE_OK(mq_getattr(queue, &now));
    return now.mq_curmsgs;
}

int queue_send(mqd_t queue, char byte, unsigned priority) { return mq_send(queue, &byte, 1, priority); }

int queue_receive(mqd_t queue, unsigned *priority)
{
    char text[QUEUE_SIZE];
    ssize_t n = mq_receive(queue, text, sizeof text, priority);
    return n == 1 ? text[0] : n < 0 ? -1 : 0;
}
