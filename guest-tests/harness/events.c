/* events.c - see events.h */
#include "events.h"

#ifdef __APPLE__

#include <sys/event.h>
#include <sys/time.h>

int rig_events_open(void) { return kqueue(); }

bool rig_events_watch(int queue, int fd, bool for_write, long low_water)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, for_write ? EVFILT_WRITE : EVFILT_READ, EV_ADD, low_water > 0 ? NOTE_LOWAT : 0,
           low_water, NULL);
    return kevent(queue, &change, 1, NULL, 0, NULL) == 0;
}

struct rig_event rig_events_next(int queue, double ms)
{
    struct rig_event event = {.fd = -1};
    struct kevent got;
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms * 1e6) % 1000000000};
    if (kevent(queue, NULL, 0, &got, 1, &time) == 1) {
        event.fd = (int)got.ident;
        event.readable = got.filter == EVFILT_READ;
        event.writable = got.filter == EVFILT_WRITE;
        event.at_end = (got.flags & EV_EOF) != 0;
        event.data = (long long)got.data;
    }
    return event;
}

#else

#include <sys/epoll.h>

int rig_events_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

bool rig_events_watch(int queue, int fd, bool for_write, long low_water)
{
    struct epoll_event change;
    memset(&change, 0, sizeof change);
    change.events = for_write ? EPOLLOUT : EPOLLIN;
    change.data.fd = fd;
    return low_water <= 0 && epoll_ctl(queue, EPOLL_CTL_ADD, fd, &change) == 0;
}

struct rig_event rig_events_next(int queue, double ms)
{
    struct rig_event event = {.fd = -1, .data = -1};
    struct epoll_event got;
    if (epoll_wait(queue, &got, 1, (int)ms) == 1) {
        event.fd = got.data.fd;
        event.readable = (got.events & EPOLLIN) != 0;
        event.writable = (got.events & EPOLLOUT) != 0;
        event.at_end = (got.events & (EPOLLHUP | EPOLLERR)) != 0;
    }
    return event;
}

#endif
