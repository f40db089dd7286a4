/* kqueue.h - mutants of the probe kqueue. */
#include "mutant.h"

#include <sys/event.h>
#include <sys/time.h>

static inline int mutant_kqueue(void)
{
    int queue = kqueue();
    if (queue >= 0 && MUTANT(kqueue_stays_on_exec, "a new kqueue has FD_CLOEXEC clear"))
        fcntl(queue, F_SETFD, 0);
    return queue;
}
#define kqueue(...) mutant_kqueue(__VA_ARGS__)

/* What goes in. */
static inline void mutate_change(struct kevent *change)
{
    if (MUTANT(clear_is_ignored, "EV_CLEAR is ignored"))
        change->flags &= (uint16_t)~EV_CLEAR;
    if (MUTANT(oneshot_is_ignored, "EV_ONESHOT is ignored"))
        change->flags &= (uint16_t)~EV_ONESHOT;
    if (MUTANT(dispatch_is_ignored, "EV_DISPATCH is ignored"))
        change->flags &= (uint16_t)~EV_DISPATCH;
    if (MUTANT(disable_is_ignored, "EV_DISABLE is ignored"))
        change->flags &= (uint16_t)~EV_DISABLE;
    if (MUTANT(receipt_is_ignored, "EV_RECEIPT is ignored"))
        change->flags &= (uint16_t)~EV_RECEIPT;
    if ((change->filter == EVFILT_READ || change->filter == EVFILT_WRITE) &&
        MUTANT(low_water_is_ignored, "NOTE_LOWAT is ignored"))
        change->fflags &= ~(uint32_t)NOTE_LOWAT;
    if (change->filter == EVFILT_USER && MUTANT(flags_trigger, "any change of an EVFILT_USER triggers it"))
        change->fflags |= NOTE_TRIGGER;
    if (change->filter == EVFILT_USER && MUTANT(or_is_copy, "NOTE_FFOR copies") &&
        (change->fflags & NOTE_FFCTRLMASK) == NOTE_FFOR)
        change->fflags |= NOTE_FFCOPY;
    if (change->filter == EVFILT_TIMER && MUTANT(microseconds_are_milliseconds, "a timer's units are ignored"))
        change->fflags &= ~(uint32_t)(NOTE_USECONDS | NOTE_NSECONDS);
    if (change->filter == EVFILT_PROC && MUTANT(track_is_taken, "NOTE_TRACK is accepted"))
        change->fflags &= ~(uint32_t)NOTE_TRACK;
}

/* What comes out. */
static inline void mutate_event(struct kevent *event)
{
    if (event->flags & EV_ERROR)
        return;
    if (MUTANT(end_is_not_told, "EV_EOF is never set"))
        event->flags &= (uint16_t)~EV_EOF;
    if (MUTANT(data_is_one, "data is always 1"))
        event->data = 1;
    if (MUTANT(data_is_one_more, "data tells one byte more") && event->filter != EVFILT_USER)
        event->data++;
    if (MUTANT(own_value_is_lost, "udata comes back as NULL"))
        event->udata = NULL;
    if (event->filter == EVFILT_PROC && MUTANT(status_is_lost, "NOTE_EXIT comes without the status"))
        event->data = 0;
    if (event->filter == EVFILT_PROC && MUTANT(fork_is_told_as_exec, "NOTE_FORK is told as NOTE_EXEC") &&
        (event->fflags & NOTE_FORK))
        event->fflags = NOTE_EXEC;
    if (event->filter == EVFILT_USER && MUTANT(user_flags_are_lost, "EVFILT_USER's flags do not come back"))
        event->fflags = 0;
}

static inline int mutant_kevent(int queue, const struct kevent *changes, int n, struct kevent *events, int room,
                                const struct timespec *timeout)
{
    struct kevent mine[8];
    struct timespec at_once = {0, 0};
    static int calls;
    if (n > (int)RIG_COUNT(mine))
        n = (int)RIG_COUNT(mine);
    for (int i = 0; i < n; i++) {
        mine[i] = changes[i];
        mutate_change(&mine[i]);
    }
    if (timeout && room > 0 && (timeout->tv_sec || timeout->tv_nsec) &&
        MUTANT(timeout_is_ignored, "a timed wait returns at once"))
        timeout = &at_once;
    int count = kevent(queue, mine, n, events, room, timeout);
    if (count == -1 && errno == ENOENT && MUTANT(nothing_to_change_is_well, "a change of what is not watched succeeds"))
        return 0;
    if (count == -1 && errno == EBADF && MUTANT(no_descriptor_is_einval, "a bad descriptor is EINVAL"))
        errno = EINVAL;
    if (count == -1 && errno == ESRCH && MUTANT(no_process_is_well, "a process that is gone can be watched"))
        return 0;
    if (count == -1 && errno == EINTR && MUTANT(interrupted_is_nothing, "an interrupted wait returns 0"))
        return 0;
    if (count == -1 && errno == EINVAL && timeout && timeout->tv_nsec < 0 &&
        MUTANT(negative_time_is_taken, "a negative timeout is taken"))
        return 0;
    for (int i = 0; i < count; i++)
        mutate_event(&events[i]);
    if (count > 0 && MUTANT(third_event_is_lost, "every third event is lost") && ++calls % 3 == 0)
        return count - 1;
    if (count > 1 && MUTANT(one_event_comes_twice, "the same event comes twice in one answer"))
        events[1] = events[0];
    return count;
}
#define kevent(...) MUTANT_KEVENT(__VA_ARGS__)
#define MUTANT_KEVENT(queue, ...) mutant_kevent(queue, __VA_ARGS__)
