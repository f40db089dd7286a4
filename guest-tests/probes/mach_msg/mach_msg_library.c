/* mach_msg_library.c - what libSystem makes of messages: which functions it has, mach_msg_destroy, mach_msg_overwrite.
 * Contracts: xnu-4570.41.2 libsyscall/mach/mach_msg.c. */
#include "letter.h"

RIG_MAKE_WEAK(mach_msg_overwrite);
RIG_MAKE_WEAK(mach_msg_send);
RIG_MAKE_WEAK(mach_msg_receive);
/* The traps themselves, in no header of newer SDKs. */
extern mach_msg_return_t mach_msg_trap(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                                       mach_msg_size_t receive_size, mach_port_name_t from, mach_msg_timeout_t timeout,
                                       mach_port_name_t notify) RIG_WEAK;
extern mach_msg_return_t mach_msg_overwrite_trap(mach_msg_header_t *message, mach_msg_option_t options,
                                                 mach_msg_size_t send_size, mach_msg_size_t receive_size,
                                                 mach_port_name_t from, mach_msg_timeout_t timeout,
                                                 mach_port_name_t notify, mach_msg_header_t *receive,
                                                 mach_msg_size_t scatter) RIG_WEAK;

CASE(wrappers_present)
{
    static const struct rig_wrapper wrappers[] = {
        RIG_WRAPPER(mach_msg),         RIG_WRAPPER(mach_msg_overwrite),      RIG_WRAPPER(mach_msg_trap),
        RIG_WRAPPER(mach_msg_destroy), RIG_WRAPPER(mach_msg_overwrite_trap), RIG_WRAPPER(mach_msg_send),
        RIG_WRAPPER(mach_msg_receive), {NULL, NULL},
    };
    rig_tell_wrappers(wrappers);
}

/* Sends from one place and receives into another. */
static mach_msg_return_t overwrite(mach_msg_header_t *send, mach_msg_option_t options, mach_msg_size_t size,
                                   mach_msg_header_t *receive, mach_msg_size_t room, mach_port_t from)
{
    if (RIG_HAVE(mach_msg_overwrite)) {
        rig_via("libsystem");
        return mach_msg_overwrite(send, options, size, room, from, 0, MACH_PORT_NULL, receive, 0);
    }
    if (!RIG_HAVE(mach_msg_overwrite_trap))
        UNSUPPORTED("neither mach_msg_overwrite nor its trap");
    rig_via("syscall");
    return mach_msg_overwrite_trap(send, options, size, room, from, 0, MACH_PORT_NULL, receive, 0);
}

CASE(receive_into_other_memory)
{
    mach_port_t port = rig_port(true);
    struct letter out, in;
    letter_write(&out, port, MACH_MSG_TYPE_COPY_SEND, 4);
    struct letter as_sent = out;
    memset(&in, 0, sizeof in);
    CHECK_KERN(overwrite(&out.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT, LETTER_SIZE, &in.head,
                         sizeof in, port),
               MACH_MSG_SUCCESS);
    CHECK(letter_is(&in, 4));
    CHECK_EQ_INT(in.head.msgh_local_port, port);
    CHECK_EQ_BYTES(&out, &as_sent, sizeof out); /* as it was */
    LETTER_SEND(port, 5);
    CHECK_KERN(overwrite(&out.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, NULL, sizeof out, port), MACH_MSG_SUCCESS);
    CHECK(letter_is(&out, 5)); /* no other memory: the first */
}

/* A received message with a right or memory in each place that can hold one. */
struct full {
    mach_msg_base_t base;
    mach_msg_port_descriptor_t send, receive;
    mach_msg_ool_descriptor_t memory;
    mach_msg_ool_ports_descriptor_t ports;
    mach_msg_max_trailer_t trailer;
};

static void receive_full(struct full *full, mach_port_t send, mach_port_t receive, mach_port_t reply)
{
    mach_port_t through = rig_port(true);
    const mach_port_t array[] = {send, MACH_PORT_NULL, send};
    rig_msg_to(&full->base.header, through, MACH_MSG_TYPE_MOVE_SEND, 1, offsetof(struct full, trailer));
    rig_msg_reply_to(&full->base.header, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    rig_msg_complex(&full->base, 4);
    full->send = rig_port_item(send, MACH_MSG_TYPE_COPY_SEND);
    full->receive = rig_port_item(receive, MACH_MSG_TYPE_MOVE_RECEIVE);
    full->memory = rig_memory_item("not needed any more", 20, false, MACH_MSG_VIRTUAL_COPY);
    full->ports = rig_ports_item(array, 3, MACH_MSG_TYPE_COPY_SEND, false);
    REQUIRE_KERN(rig_msg_send(&full->base.header, 0));
    memset(full, 0, sizeof *full);
    REQUIRE_KERN(rig_msg_receive(&full->base.header, sizeof *full, through, 0));
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), through, MACH_PORT_RIGHT_RECEIVE, -1));
}

CASE(destroy_gives_all_of_a_message_back)
{
    mach_port_t send = rig_port(true), receive = rig_port(true), reply = rig_port(false);
    struct full full;
    struct letter letter;
    mach_msg_type_number_t before = rig_port_count();
    receive_full(&full, send, receive, reply);
    CHECK_EQ_INT(refs(send, MACH_PORT_RIGHT_SEND), 4);
    mach_msg_destroy(&full.base.header);
    CHECK_EQ_INT(refs(send, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ_INT(rig_port_type(receive), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ_INT(rig_port_type(full.base.header.msgh_remote_port), 0);
    CHECK(!is_mapped(full.memory.address));
    CHECK(!is_mapped(full.ports.address));
    CHECK_EQ_INT(rig_port_count(), before); /* no name more, none less */
    CHECK_KERN(letter_take(reply, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
}

CASE(sending_and_receiving_leave_no_names)
{
    mach_port_t send = rig_port(true), receive = rig_port(true), reply = rig_port(false);
    mach_msg_type_number_t before = rig_port_count();
    for (int i = 0; i < 50; i++) {
        struct full full;
        struct letter letter;
        receive_full(&full, send, receive, reply);
        CHECK_EQ_INT(full.receive.name, receive);
        full.receive.name = MACH_PORT_NULL; /* this one is kept */
        mach_msg_destroy(&full.base.header);
        CHECK_KERN(letter_take(reply, &letter, 0), MACH_MSG_SUCCESS);
    }
    CHECK_EQ_INT(rig_port_count(), before);
    CHECK_EQ_INT(refs(send, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ_INT(refs(receive, MACH_PORT_RIGHT_SEND), 1);
}

/* Of a message that was not sent, it destroys what sending would have used up. */
CASE(destroy_undoes_a_message_not_sent)
{
    mach_port_t port = rig_port(true), moved = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.base.header.msgh_bits = MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0);
    parcel.port = rig_port_item(moved, MACH_MSG_TYPE_MOVE_SEND);
    mach_msg_destroy(&parcel.base.header);
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ_INT(rig_port_type(moved), MACH_PORT_TYPE_RECEIVE);
}

CASE(short_forms_send_and_receive)
{
    if (!RIG_HAVE(mach_msg_send) || !RIG_HAVE(mach_msg_receive))
        UNSUPPORTED("no wrapper: mach_msg_send, mach_msg_receive");
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 6);
    CHECK_KERN(mach_msg_send(&letter.head), MACH_MSG_SUCCESS); /* msgh_size bytes */
    memset(&letter, 0, sizeof letter);
    letter.head.msgh_size = sizeof letter; /* room, and the port, are read in the header */
    letter.head.msgh_local_port = port;
    CHECK_KERN(mach_msg_receive(&letter.head), MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 6));
}
