/* queue.h - a message queue of the case's own, and short words for its calls. */
#ifndef SYSV_MSG_QUEUE_H
#define SYSV_MSG_QUEUE_H

#include "ipc_support.h"

enum { MESSAGE_ROOM = 20000 }; /* above any limit met: Linux MSGMAX 8192, Darwin MSGMNB 2048 */

struct message {
    long type;
    char text[MESSAGE_ROOM];
};

/* A private queue, owned: it goes when the case ends, in whatever way. */
int queue_make(void);
/* Removes it in good order. */
void queue_remove(int id);

/* Sends size bytes, all of them fill. Returns as msgsnd. */
int queue_send(int id, long type, size_t size, char fill, int flags);
/* The type of the next message that msgrcv picks for `type`, without waiting; -1 with errno if none. */
long queue_next_type(int id, long type);
/* Sends messages of size bytes until the queue takes no more; how many went in. Checks that EAGAIN ended it. */
long queue_fill(int id, size_t size);

struct msqid_ds queue_stat(int id);

#endif
