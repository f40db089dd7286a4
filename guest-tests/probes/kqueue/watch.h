/* watch.h - one change to a kqueue, one event from it. */
#ifndef KQUEUE_WATCH_H
#define KQUEUE_WATCH_H

#include "bytes.h"

#include <sys/event.h>
#include <sys/time.h>

int new_queue(void); /* or the case ends */

/* One change; as kevent(): -1 and errno. */
int change(int queue, uintptr_t ident, int16_t filter, unsigned flags, unsigned fflags, intptr_t data);
/* The same, with a value of the caller's own. */
int change_with(int queue, uintptr_t ident, int16_t filter, unsigned flags, void *own);

/* The next event if there is one at once; filter is 0 if not. */
struct kevent now(int queue);
/* The same, but waits 5 s (scaled); none is a failed check. */
struct kevent next(int queue);
/* How many events there are. */
int waiting(int queue);

#endif
