/* posix_mq.h - mutants of the probe posix_mq; Darwin has no queues. */
#include "mutant.h"

#include "ipc_support.h"

#ifdef __linux__

#include <mqueue.h>
#include <poll.h>
#include <stdarg.h>

static inline int mutant_mq_send(mqd_t queue, const char *text, size_t size, unsigned priority)
{
    if (LINUX_MUTANT(send_ignores_priority, "every message has priority 0") && priority < 32768)
        priority = 0;
    if (LINUX_MUTANT(send_loses_the_message, "a message that was taken is gone"))
        return 0;
    if (LINUX_MUTANT(send_cuts_the_last_byte, "a message arrives without its last byte") && size > 1 && size <= 32)
        size--;
    int result = mq_send(queue, text, size, priority);
    if (LINUX_MUTANT(send_full_is_enospc, "a send to a full queue fails with ENOSPC") && result == -1 && errno == EAGAIN)
        return mutant_fails(ENOSPC);
    if (LINUX_MUTANT(send_too_large_is_cut, "a message that is too large is cut") && result == -1 && errno == EMSGSIZE)
        return mq_send(queue, text, 32, priority);
    return result;
}
#define mq_send(...) mutant_mq_send(__VA_ARGS__)

static inline ssize_t mutant_mq_receive(mqd_t queue, char *text, size_t size, unsigned *priority)
{
    if (LINUX_MUTANT(receive_never_waits, "a receive from an empty queue fails with EAGAIN though it may wait")) {
        struct pollfd now = {.fd = (int)queue, .events = POLLIN};
        if (poll(&now, 1, 0) == 0)
            return mutant_fails(EAGAIN);
    }
    ssize_t n = mq_receive(queue, text, size, priority);
    if (LINUX_MUTANT(receive_leaves_the_message, "a message that was received stays in the queue") && n >= 0)
        (mq_send)(queue, text, (size_t)n, 0);
    if (LINUX_MUTANT(receive_tells_no_priority, "the priority told is 0") && n >= 0 && priority)
        *priority = 0;
    if (LINUX_MUTANT(receive_empty_is_zero, "a receive from an empty queue returns 0") && n == -1 && errno == EAGAIN)
        return 0;
    if (LINUX_MUTANT(receive_restarts, "a signal does not end a receive, SA_RESTART or not"))
        while (n == -1 && errno == EINTR)
            n = mq_receive(queue, text, size, priority);
    return n;
}
#define mq_receive(...) mutant_mq_receive(__VA_ARGS__)

static inline mqd_t mutant_mq_open(const char *name, int flags, ...)
{
    mode_t mode = 0;
    struct mq_attr *attributes = NULL;
    if (flags & O_CREAT) {
        va_list given;
        va_start(given, flags);
        mode = va_arg(given, mode_t);
        attributes = va_arg(given, struct mq_attr *);
        va_end(given);
    }
    if (LINUX_MUTANT(open_excl_opens, "O_CREAT | O_EXCL opens a queue that exists"))
        flags &= ~O_EXCL;
    if (LINUX_MUTANT(open_always_both_ways, "a queue opened for reading can be written"))
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    if (LINUX_MUTANT(open_ignores_the_attributes, "a new queue has room for ten messages, whatever was asked"))
        attributes = NULL;
    return mq_open(name, flags, mode, attributes);
}
#define mq_open(...) mutant_mq_open(__VA_ARGS__)

static inline int mutant_mq_notify(mqd_t queue, const struct sigevent *event)
{
    if (LINUX_MUTANT(notify_never_comes, "mq_notify succeeds and no notice comes"))
        return 0;
    if (LINUX_MUTANT(notify_cannot_be_taken_back, "mq_notify(NULL) leaves the notice asked for") && !event)
        return 0;
    int result = mq_notify(queue, event);
    if (LINUX_MUTANT(notify_second_is_eagain, "a second process's request fails with EAGAIN") && result == -1 && errno == EBUSY)
        return mutant_fails(EAGAIN);
    return result;
}
#define mq_notify(...) mutant_mq_notify(__VA_ARGS__)

static inline int mutant_mq_unlink(const char *name)
{
    if (LINUX_MUTANT(unlink_keeps_the_name, "an unlinked name can still be opened")) {
        rig_own_posix(RIG_POSIX_MQ, name);
        return 0;
    }
    return mq_unlink(name);
}
#define mq_unlink(...) mutant_mq_unlink(__VA_ARGS__)

static inline ssize_t mutant_mq_timedreceive(mqd_t queue, char *text, size_t size, unsigned *priority, const struct timespec *until)
{
    if (LINUX_MUTANT(timed_receive_is_early, "mq_timedreceive gives up at once")) {
        struct pollfd now = {.fd = (int)queue, .events = POLLIN};
        if (poll(&now, 1, 0) == 0)
            return mutant_fails(ETIMEDOUT);
    }
    return mq_timedreceive(queue, text, size, priority, until);
}
#define mq_timedreceive(...) mutant_mq_timedreceive(__VA_ARGS__)

#endif
