/* queue.h - a POSIX message queue of the case's own. Darwin has none: there is no header, no library function and no
 * system call. Every case ends unsupported there; the declarations below only let it compile. */
#ifndef POSIX_MQ_QUEUE_H
#define POSIX_MQ_QUEUE_H

#include "ipc_support.h"

#ifdef __APPLE__
typedef int mqd_t;
struct mq_attr {
    long mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs;
};
mqd_t mq_open(const char *name, int flags, ...);
int mq_close(mqd_t queue);
int mq_unlink(const char *name);
int mq_send(mqd_t queue, const char *text, size_t size, unsigned priority);
int mq_timedsend(mqd_t queue, const char *text, size_t size, unsigned priority, const struct timespec *until);
ssize_t mq_receive(mqd_t queue, char *text, size_t size, unsigned *priority);
ssize_t mq_timedreceive(mqd_t queue, char *text, size_t size, unsigned *priority, const struct timespec *until);
int mq_getattr(mqd_t queue, struct mq_attr *attributes);
int mq_setattr(mqd_t queue, const struct mq_attr *attributes, struct mq_attr *before);
int mq_notify(mqd_t queue, const struct sigevent *event);
#else
#include <mqueue.h>
#endif

/* An option of every CASE here. */
#define NO_QUEUES_ON_DARWIN .linux_only = true, .why = "Darwin has no POSIX message queues"

enum { QUEUE_MESSAGES = 4, QUEUE_SIZE = 32 };

/* A new queue of QUEUE_MESSAGES messages of QUEUE_SIZE bytes, under a name of its own, owned: the name goes when the
 * case ends, in whatever way. flags: O_RDWR and, if wanted, O_NONBLOCK. */
mqd_t queue_make(char name[RIG_NAME_SIZE], int flags);
void queue_unlink(const char *name);

long queue_length(mqd_t queue);
/* Sends one byte. */
int queue_send(mqd_t queue, char byte, unsigned priority);
/* Receives one byte; -1 with errno, else the byte. */
int queue_receive(mqd_t queue, unsigned *priority);

#endif
