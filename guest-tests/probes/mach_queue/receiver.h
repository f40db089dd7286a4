/* receiver.h - a thread of this task that blocks in a receive, and a child that blocks in a send. */
#ifndef RECEIVER_H
#define RECEIVER_H

#include "../mach_msg/letter.h"

#include <pthread.h>

/* A thread that receives one letter. Fill in from (and room, options for other than a whole letter), start, do what is
 * to be done to the blocked receive, join; then result and letter are told. */
struct receiver {
    mach_port_t from;
    size_t room;                 /* 0: sizeof(struct letter) */
    mach_msg_option_t options;   /* added to MACH_RCV_MSG | MACH_RCV_TIMEOUT */
    mach_msg_timeout_t timeout;  /* 0: rig_msg_patience() */
    mach_msg_return_t result;
    struct letter letter;
    pthread_t thread;
    mach_port_t self;
};
/* Returns when the thread waits in the kernel. A failure ends the case. */
void receiver_start(struct receiver *receiver);
void receiver_join(struct receiver *receiver);

#endif
