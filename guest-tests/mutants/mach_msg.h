/* mach_msg.h - mutants of the probe mach_msg: what a message carries, broken on its way into the kernel or out of it. */
#include "mutant.h"

#include "mach_message.h"

/* A complex message of one descriptor, whichever it is. */
struct mutant_parcel {
    mach_msg_base_t base;
    union {
        mach_msg_type_descriptor_t type;
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t memory;
        mach_msg_ool_ports_descriptor_t ports;
    };
};

static inline struct mutant_parcel *mutant_parcel_of(mach_msg_header_t *message, mach_msg_descriptor_type_t type)
{
    struct mutant_parcel *parcel = (struct mutant_parcel *)(void *)message;
    bool is_one = (message->msgh_bits & MACH_MSGH_BITS_COMPLEX) && parcel->base.body.msgh_descriptor_count > 0;
    return is_one && parcel->type.type == type ? parcel : NULL;
}

MUTANT_SHARED const void *mutant_sent_memory; /* the last that was sent by copy, and its size */
MUTANT_SHARED size_t mutant_sent_size;

/* Breaks a message that is about to be sent. */
static inline void mutant_before_send(mach_msg_header_t *message)
{
    struct mutant_parcel *port = mutant_parcel_of(message, MACH_MSG_PORT_DESCRIPTOR);
    struct mutant_parcel *memory = mutant_parcel_of(message, MACH_MSG_OOL_DESCRIPTOR);
    struct mutant_parcel *ports = mutant_parcel_of(message, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    if (port && port->port.disposition == MACH_MSG_TYPE_COPY_SEND &&
        MUTANT(copied_right_is_moved, "a send right that is sent by copy is taken from the sender"))
        port->port.disposition = MACH_MSG_TYPE_MOVE_SEND;
    if (port && port->port.disposition == MACH_MSG_TYPE_MOVE_SEND &&
        MUTANT(moved_right_is_copied, "a send right that is moved stays with the sender, too"))
        port->port.disposition = MACH_MSG_TYPE_COPY_SEND;
    if (memory && memory->memory.deallocate && MUTANT(moved_memory_stays, "memory sent with deallocate stays mapped at the sender"))
        memory->memory.deallocate = false;
    if (memory && memory->memory.size > 4096 && MUTANT(last_page_is_lost, "memory of several pages arrives without the last byte"))
        memory->memory.size--;
    if (memory && !memory->memory.deallocate) {
        mutant_sent_memory = memory->memory.address;
        mutant_sent_size = memory->memory.size;
    }
    if (ports && ports->ports.deallocate && MUTANT(given_array_stays, "an array of ports sent with deallocate stays mapped"))
        ports->ports.deallocate = false;
}

/* Breaks what a send said. */
static inline mach_msg_return_t mutant_after_send(mach_msg_header_t *message, const mach_msg_header_t *as_it_was,
                                                  mach_msg_return_t result)
{
    if (result == MACH_SEND_INVALID_REPLY && MUTANT(bad_reply_port_is_bad_destination, "a bad reply port is MACH_SEND_INVALID_DEST"))
        return MACH_SEND_INVALID_DEST;
    if (result == MACH_SEND_INVALID_RIGHT && MUTANT(bad_right_is_bad_type, "a right not held is MACH_SEND_INVALID_TYPE"))
        return MACH_SEND_INVALID_TYPE;
    if (result == MACH_SEND_INVALID_MEMORY && MUTANT(bad_memory_is_sent, "unmapped memory is sent, says the call, and nothing is"))
        return MACH_MSG_SUCCESS;
    if (result == MACH_SEND_TIMED_OUT && MUTANT(timed_out_header_is_as_sent, "a message that timed out is left as it was sent"))
        *message = *as_it_was;
    return result;
}

/* Breaks the trailer, which lies behind a message just received. */
static inline void mutant_trailer(mach_msg_header_t *message, mach_msg_option_t options)
{
    mach_msg_mac_trailer_t *trailer = (void *)((uint8_t *)message + round_msg(message->msgh_size));
    if (!(options & MACH_RCV_TRAILER_MASK))
        return;
    if (MUTANT(sequence_number_stands_still, "every message has the sequence number 0"))
        trailer->msgh_seqno = 0;
    if (trailer->msgh_trailer_size >= sizeof(mach_msg_audit_trailer_t)) {
        if (MUTANT(audit_token_is_the_receivers, "the audit token tells the receiver's process"))
            trailer->msgh_audit.val[5] = (unsigned)getpid();
        if (MUTANT(audit_token_keeps_the_first_user, "the audit token's effective user is the real one"))
            trailer->msgh_audit.val[1] = trailer->msgh_audit.val[3];
    }
    if (trailer->msgh_trailer_size >= sizeof(mach_msg_context_trailer_t) && MUTANT(context_is_lost, "the context is always 0"))
        trailer->msgh_context = 0;
    if (MUTANT(trailer_size_is_minimal, "a trailer says that it has 8 bytes, whatever was asked for"))
        trailer->msgh_trailer_size = sizeof(mach_msg_trailer_t);
}

/* Breaks a message just received. */
static inline void mutant_after_receive(mach_msg_header_t *message)
{
    struct mutant_parcel *port = mutant_parcel_of(message, MACH_MSG_PORT_DESCRIPTOR);
    struct mutant_parcel *memory = mutant_parcel_of(message, MACH_MSG_OOL_DESCRIPTOR);
    struct mutant_parcel *ports = mutant_parcel_of(message, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    if (MUTANT(ports_do_not_change_places, "a received header has its ports where the sender put them")) {
        mach_port_t local = message->msgh_local_port;
        message->msgh_local_port = message->msgh_remote_port;
        message->msgh_remote_port = local;
    }
    if (MACH_MSGH_BITS_REMOTE(message->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE &&
        MUTANT(reply_right_is_told_as_send_right, "the bits of a send-once reply port say that it is a send right"))
        message->msgh_bits = (message->msgh_bits & ~0xffu) | MACH_MSG_TYPE_PORT_SEND;
    if (message->msgh_size > 4096 && MUTANT(large_body_is_changed, "in a body of more than 4 KiB a bit is wrong"))
        ((uint8_t *)message)[message->msgh_size - 1] ^= 1;
    if (port && port->port.name == MACH_PORT_DEAD && MUTANT(dead_port_arrives_as_null, "a dead port arrives as MACH_PORT_NULL"))
        port->port.name = MACH_PORT_NULL;
    if (port && MUTANT(disposition_is_as_sent, "a port descriptor arrives with the disposition COPY_SEND"))
        port->port.disposition = MACH_MSG_TYPE_COPY_SEND;
    if (memory && memory->memory.size > 0 && memory->memory.size == mutant_sent_size && mutant_may_read(mutant_sent_memory) &&
        MUTANT(memory_is_shared_until_received, "memory sent by copy shows what the sender wrote after the send"))
        memcpy(memory->memory.address, mutant_sent_memory, mutant_sent_size);
    if (memory && MUTANT(memory_is_not_the_receivers, "a memory descriptor arrives with deallocate unset"))
        memory->memory.deallocate = false;
    if (ports && ports->ports.count > 1 && MUTANT(array_is_short, "an array of ports arrives without its last"))
        ports->ports.count--;
}

static inline mach_msg_return_t mutant_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                                           mach_msg_size_t receive_size, mach_port_t from, mach_msg_timeout_t timeout_ms)
{
    mach_msg_header_t as_it_was = {0};
    bool sends = (options & MACH_SEND_MSG) && mutant_may_read(message);
    if ((options & MACH_SEND_MSG) && send_size % 4 && MUTANT(odd_sizes_are_rounded, "a size that is no multiple of 4 is rounded down"))
        send_size -= send_size % 4;
    if (sends && send_size >= sizeof as_it_was) {
        as_it_was = *message;
        mutant_before_send(message);
    }
    mach_msg_return_t result = rig_msg(message, options, send_size, receive_size, from, timeout_ms);
    if (sends && !(options & MACH_RCV_MSG))
        return mutant_after_send(message, &as_it_was, result);
    if (sends && result == MACH_SEND_INVALID_DEST && MUTANT(failed_send_receives, "a call whose send fails receives nevertheless"))
        return rig_msg(message, options & ~MACH_SEND_MSG, 0, receive_size, from, timeout_ms);
    if (result == MACH_MSG_SUCCESS && (options & MACH_RCV_MSG)) {
        if (message->msgh_id == MACH_NOTIFY_SEND_ONCE && MUTANT(send_once_notice_is_lost, "an unused send-once right says nothing"))
            return MACH_RCV_TIMED_OUT;
        mutant_trailer(message, options);
        mutant_after_receive(message);
        if (MUTANT(size_counts_the_trailer, "the size of a received message counts its trailer"))
            message->msgh_size += sizeof(mach_msg_trailer_t);
    }
    return result;
}

static inline mach_msg_return_t mutant_msg_send(mach_msg_header_t *message, mach_msg_timeout_t timeout_ms)
{
    return mutant_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message->msgh_size, 0, MACH_PORT_NULL, timeout_ms);
}

static inline mach_msg_return_t mutant_msg_receive(mach_msg_header_t *message, size_t room, mach_port_t from,
                                                   mach_msg_timeout_t timeout_ms)
{
    return mutant_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, (mach_msg_size_t)room, from, timeout_ms);
}

static inline void mutant_msg_destroy(mach_msg_header_t *message)
{
    if (MUTANT(destroy_leaks_the_body, "mach_msg_destroy frees the header's rights alone"))
        message->msgh_bits &= ~MACH_MSGH_BITS_COMPLEX;
    if (MUTANT(destroy_leaks_the_reply_right, "mach_msg_destroy keeps the reply right"))
        message->msgh_bits &= ~0xffu;
    mach_msg_destroy(message);
}

#define rig_msg(...) mutant_msg(__VA_ARGS__)
#define rig_msg_send(...) mutant_msg_send(__VA_ARGS__)
#define rig_msg_receive(...) mutant_msg_receive(__VA_ARGS__)
#define mach_msg_destroy(...) mutant_msg_destroy(__VA_ARGS__)
