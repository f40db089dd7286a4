/* mach_queue.h - mutants of the probe mach_queue: queues that wait, wake, count and keep wrongly. */
#include "mutant.h"

#include "mach_message.h"

#include <sys/event.h>
#include <time.h>

/* A letter that is kept back, or that comes twice. */
struct mutant_letter {
    mach_msg_header_t head;
    uint8_t rest[512];
};
MUTANT_SHARED struct mutant_letter mutant_kept;
MUTANT_SHARED bool mutant_has_kept;

static inline mach_msg_return_t mutant_receive(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t room,
                                               mach_port_t from, mach_msg_timeout_t timeout_ms)
{
    if (timeout_ms == 0 && MUTANT(receive_of_no_wait_waits, "a receive with timeout 0 waits two seconds for a message"))
        timeout_ms = 2000;
    else if (timeout_ms > 0 && timeout_ms < 1000 && MUTANT(receive_times_out_early, "a receive waits half of its time"))
        timeout_ms /= 2;
    if ((options & MACH_RCV_LARGE) && MUTANT(too_large_is_lost, "what is too large is destroyed in spite of MACH_RCV_LARGE"))
        options &= ~MACH_RCV_LARGE;
    else if (!(options & MACH_RCV_LARGE) && MUTANT(too_large_stays, "what is too large stays without MACH_RCV_LARGE"))
        options |= MACH_RCV_LARGE;
    if (mutant_has_kept && mutant_kept.head.msgh_local_port == from && room >= mutant_kept.head.msgh_size + 8) {
        mutant_has_kept = false;
        memcpy(message, &mutant_kept, mutant_kept.head.msgh_size + 8);
        return MACH_MSG_SUCCESS;
    }
    mach_msg_return_t result = rig_msg(message, MACH_RCV_MSG | options, 0, room, from, timeout_ms);
    if (result == MACH_RCV_INTERRUPTED && MUTANT(interrupted_receive_goes_on, "a signal does not end a receive"))
        result = rig_msg(message, MACH_RCV_MSG | options, 0, room, from, timeout_ms);
    if (result == MACH_RCV_PORT_CHANGED && MUTANT(port_changed_is_port_died, "a receiver whose port goes is told MACH_RCV_PORT_DIED"))
        return MACH_RCV_PORT_DIED;
    if (result == MACH_RCV_TOO_LARGE && room >= sizeof *message && MUTANT(needed_size_is_not_told, "what is too large has the size 0"))
        message->msgh_size = 0;
    if (result == MACH_RCV_TOO_LARGE && (options & MACH_RCV_LARGE_IDENTITY) && MUTANT(identity_is_the_set, "the port named is the one asked"))
        message->msgh_local_port = from;
    if (result != MACH_MSG_SUCCESS || message->msgh_size > 256)
        return result;
    if (message->msgh_local_port != from && MUTANT(set_hides_its_member, "a message received through a set names the set"))
        message->msgh_local_port = from;
    if (message->msgh_id == 2 && message->msgh_local_port == from && MUTANT(message_comes_twice, "one message comes twice")) {
        memcpy(&mutant_kept, message, message->msgh_size + 8);
        mutant_has_kept = true;
    }
    if (message->msgh_id == 1 && message->msgh_local_port == from && MUTANT(messages_change_places, "one message is overtaken by the next")) {
        memcpy(&mutant_kept, message, message->msgh_size + 8);
        mutant_has_kept = rig_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, room, from, 0) == MACH_MSG_SUCCESS;
        if (!mutant_has_kept)
            memcpy(message, &mutant_kept, mutant_kept.head.msgh_size + 8);
    }
    return MACH_MSG_SUCCESS;
}

static inline mach_msg_return_t mutant_send(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t size,
                                            mach_msg_timeout_t timeout_ms)
{
    bool once = MACH_MSGH_BITS_REMOTE(message->msgh_bits) == MACH_MSG_TYPE_MAKE_SEND_ONCE;
    if (timeout_ms > 0 && timeout_ms < 1000 && MUTANT(send_times_out_early, "a send waits half of its time"))
        timeout_ms /= 2;
    if (timeout_ms >= 1000 && MUTANT(send_does_not_wait, "a send to a full queue does not wait, whatever its timeout"))
        timeout_ms = 0;
    if (once && MUTANT(send_once_obeys_the_limit, "messages to send-once rights stop at the queue's limit"))
        message->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0);
    mach_port_t to = message->msgh_remote_port;
    mach_msg_return_t result = rig_msg(message, MACH_SEND_MSG | options, size, 0, MACH_PORT_NULL, timeout_ms);
    if (result == MACH_SEND_TIMED_OUT && MUTANT(full_queue_swallows, "a message to a full queue is lost, and the send says that it went"))
        return MACH_MSG_SUCCESS;
    if (result == MACH_SEND_INTERRUPTED && MUTANT(interrupted_send_is_timed_out, "an interrupted send is MACH_SEND_TIMED_OUT"))
        return MACH_SEND_TIMED_OUT;
    if (result == MACH_SEND_INVALID_DEST && MACH_PORT_VALID(to) && MUTANT(dead_name_takes_messages, "sending to a dead name succeeds"))
        return MACH_MSG_SUCCESS;
    return result;
}

static inline mach_msg_return_t mutant_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                                           mach_msg_size_t receive_size, mach_port_t from, mach_msg_timeout_t timeout_ms)
{
    if ((options & (MACH_SEND_MSG | MACH_RCV_MSG)) == MACH_SEND_MSG)
        return mutant_send(message, options, send_size, timeout_ms);
    if ((options & (MACH_SEND_MSG | MACH_RCV_MSG)) == MACH_RCV_MSG)
        return mutant_receive(message, options & ~MACH_RCV_MSG, receive_size, from, timeout_ms);
    return rig_msg(message, options, send_size, receive_size, from, timeout_ms);
}

static inline mach_msg_return_t mutant_msg_send(mach_msg_header_t *message, mach_msg_timeout_t timeout_ms)
{
    return mutant_send(message, MACH_SEND_TIMEOUT, message->msgh_size, timeout_ms);
}

static inline mach_msg_return_t mutant_msg_receive(mach_msg_header_t *message, size_t room, mach_port_t from,
                                                   mach_msg_timeout_t timeout_ms)
{
    return mutant_receive(message, MACH_RCV_TIMEOUT, (mach_msg_size_t)room, from, timeout_ms);
}

/* The library's own mach_msg, which repeats what was interrupted. */
static inline mach_msg_return_t mutant_mach_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                                                mach_msg_size_t receive_size, mach_port_t from,
                                                mach_msg_timeout_t timeout_ms, mach_port_t notify)
{
    if (MUTANT(library_does_not_repeat, "the library does not repeat an interrupted receive"))
        options |= MACH_RCV_INTERRUPT;
    if (MUTANT(library_does_not_send_again, "the library does not repeat an interrupted send"))
        options |= MACH_SEND_INTERRUPT;
    return mach_msg(message, options, send_size, receive_size, from, timeout_ms, notify);
}

static inline int mutant_kevent(int kq, const struct kevent *changes, int count, struct kevent *events, int room,
                                const struct timespec *timeout)
{
    int result = kevent(kq, changes, count, events, room, timeout);
    if (result > 0 && events->data != (intptr_t)events->ident && MUTANT(kqueue_hides_the_member, "the event's data is the set, not the member"))
        events->data = (intptr_t)events->ident;
    if (result > 0 && MUTANT(kqueue_loses_the_end, "the last event of a dead port lacks EV_EOF"))
        events->flags &= (uint16_t)~EV_EOF;
    if (result > 0 && timeout && timeout->tv_sec == 0 && MUTANT(kqueue_tells_once, "a message that stays queued is told of once only"))
        return 0;
    return result;
}

static inline void mutant_set_limit(mach_port_name_t name, mach_port_msgcount_t limit)
{
    if (limit == MACH_PORT_QLIMIT_DEFAULT + 1 && MUTANT(larger_limit_wakes_nobody, "a larger limit is ignored"))
        return;
    rig_port_set_limit(name, limit);
}

static inline kern_return_t mutant_ports_lookup(mach_port_t task, mach_port_array_t *ports, mach_msg_type_number_t *count)
{
    kern_return_t result = rig_ports_lookup(task, ports, count);
    if (result == KERN_SUCCESS && *count == 3 && MUTANT(third_registered_port_is_lost, "a child has two registered ports only"))
        (*ports)[2] = MACH_PORT_NULL;
    return result;
}

#define rig_msg(...) mutant_msg(__VA_ARGS__)
#define rig_msg_send(...) mutant_msg_send(__VA_ARGS__)
#define rig_msg_receive(...) mutant_msg_receive(__VA_ARGS__)
#define mach_msg(...) mutant_mach_msg(__VA_ARGS__)
#define kevent(...) mutant_kevent(__VA_ARGS__)
#define rig_port_set_limit(...) mutant_set_limit(__VA_ARGS__)
#define rig_ports_lookup(...) mutant_ports_lookup(__VA_ARGS__)
