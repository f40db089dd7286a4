/* watch.c - see watch.h */
#include "watch.h"

int new_queue(void)
{
    int queue;
    REQUIRE_OK(queue = kqueue());
    return queue;
}

int change(int queue, uintptr_t ident, int16_t filter, unsigned flags, unsigned fflags, intptr_t data)
{
    struct kevent entry = {ident, filter, (uint16_t)flags, fflags, data, NULL};
    return kevent(queue, &entry, 1, NULL, 0, NULL);
}

int change_with(int queue, uintptr_t ident, int16_t filter, unsigned flags, void *own)
{
    struct kevent entry = {ident, filter, (uint16_t)flags, 0, 0, own};
    return kevent(queue, &entry, 1, NULL, 0, NULL);
}

static struct kevent within(int queue, double seconds)
{
    struct kevent event;
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    memset(&event, 0, sizeof event);
    if (kevent(queue, NULL, 0, &event, 1, &time) != 1)
        memset(&event, 0, sizeof event);
    return event;
}

struct kevent now(int queue) { return within(queue, 0); }

struct kevent next(int queue)
{
    struct kevent event = within(queue, rig_patience(5));
    CHECK_NE_INT(event.filter, 0);
    return event;
}

int waiting(int queue)
{
    struct kevent events[16];
    struct timespec at_once = {0, 0};
    return kevent(queue, NULL, 0, events, (int)RIG_COUNT(events), &at_once);
}
