/* events.h - each system's own event queue: kqueue on Darwin, epoll on Linux. The same questions, asked both ways. */
#ifndef RIG_EVENTS_H
#define RIG_EVENTS_H

#include "rig.h"

struct rig_event {
    int fd;
    bool readable, writable, at_end;
    long long data; /* kqueue: bytes to read, or room to write; epoll does not tell: -1 */
};

/* A queue's descriptor; RIG_EVENTS_NAME is what it is called here. */
int rig_events_open(void);
/* Watches for one direction. low_water > 0 asks for that many bytes (NOTE_LOWAT); false where that cannot be asked. */
bool rig_events_watch(int queue, int fd, bool for_write, long low_water);
/* One event if there is one within that time; fd is -1 if not. Times are not scaled. */
struct rig_event rig_events_next(int queue, double ms);

#ifdef __APPLE__
#define RIG_EVENTS_NAME "kqueue"
#else
#define RIG_EVENTS_NAME "epoll"
#endif

#endif
