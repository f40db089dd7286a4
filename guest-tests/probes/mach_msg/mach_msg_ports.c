/* mach_msg_ports.c - port rights in the body: descriptors, arrays out of line, rights that go with a message.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c, by the function that the manifest names. */
#include "letter.h"

/* Sends one right from this task to itself and returns the descriptor as received. */
static mach_msg_port_descriptor_t pass_on(mach_port_t through, mach_port_t port, mach_msg_type_name_t how)
{
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, how);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    parcel_take(through, &parcel);
    return parcel.port;
}

CASE(port_descriptor_of_each_disposition)
{
    mach_port_t through = rig_port(true), port = rig_port(true);
    mach_msg_port_descriptor_t got;

    got = pass_on(through, port, MACH_MSG_TYPE_COPY_SEND);
    CHECK_EQ_INT(got.type, MACH_MSG_PORT_DESCRIPTOR);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ_INT(got.name, port); /* send rights to one port share a name */
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 2);

    got = pass_on(through, port, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 3);

    got = pass_on(through, port, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 3); /* one out, one in */

    got = pass_on(through, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK(got.name != port);
    CHECK_EQ_INT(rig_port_type(got.name), MACH_PORT_TYPE_SEND_ONCE);
    mach_port_t once = got.name;

    got = pass_on(through, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ_INT(rig_port_type(got.name), MACH_PORT_TYPE_SEND_ONCE);

    got = pass_on(through, port, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_RECEIVE);
    CHECK_EQ_INT(got.name, port); /* back under the name of the send rights */
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_SEND_RECEIVE);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 3);
}

CASE(moved_rights_are_gone_while_queued)
{
    mach_port_t through = rig_port(true), port = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_MOVE_RECEIVE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_SEND); /* alive in the message */
    LETTER_SEND(port, 8);
    struct letter letter;
    CHECK_KERN(letter_take(port, &letter, 0), MACH_RCV_INVALID_NAME);
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_MOVE_SEND);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_EQ_INT(rig_port_type(port), 0);
    parcel_take(through, &parcel);
    mach_port_t back = parcel.port.name;
    CHECK_EQ_INT(rig_port_type(back), MACH_PORT_TYPE_RECEIVE);
    LETTER_ARRIVES(back, 8); /* the queue came with it */
    parcel_take(through, &parcel);
    CHECK_EQ_INT(parcel.port.name, back);
    CHECK_EQ_INT(refs(back, MACH_PORT_RIGHT_SEND), 1);
}

CASE(null_and_dead_ports_in_descriptors)
{
    mach_port_t through = rig_port(true), dead = rig_port(true);
    CHECK_EQ_INT(pass_on(through, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND).name, MACH_PORT_NULL);
    CHECK_EQ_INT(pass_on(through, MACH_PORT_DEAD, MACH_MSG_TYPE_MAKE_SEND).name, MACH_PORT_DEAD);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    mach_msg_port_descriptor_t got = pass_on(through, dead, MACH_MSG_TYPE_COPY_SEND);
    CHECK_EQ_INT(got.name, MACH_PORT_DEAD);
    CHECK_EQ_INT(got.disposition, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ_INT(refs(dead, MACH_PORT_RIGHT_DEAD_NAME), 1);
}

/* A port that dies in the queue arrives as MACH_PORT_DEAD. */
CASE(port_that_dies_on_the_way)
{
    mach_port_t through = rig_port(true), port = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_COPY_SEND);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    parcel_take(through, &parcel);
    CHECK_EQ_INT(parcel.port.name, MACH_PORT_DEAD);
}

static mach_msg_return_t try_right(mach_port_t through, mach_port_t port, mach_msg_type_name_t how)
{
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, how);
    return rig_msg_send(&parcel.base.header, 0);
}

CASE(rights_not_held_are_refused)
{
    mach_port_t through = rig_port(true), receive_only = rig_port(false), gone = rig_port(false);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), gone, MACH_PORT_RIGHT_RECEIVE, -1));
    CHECK_KERN(try_right(through, receive_only, MACH_MSG_TYPE_COPY_SEND), MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(try_right(through, receive_only, MACH_MSG_TYPE_MOVE_SEND), MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(try_right(through, receive_only, MACH_MSG_TYPE_MOVE_SEND_ONCE), MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(try_right(through, rig_task(), MACH_MSG_TYPE_MAKE_SEND), MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(try_right(through, rig_task(), MACH_MSG_TYPE_MOVE_RECEIVE), MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(try_right(through, gone, MACH_MSG_TYPE_COPY_SEND), MACH_SEND_INVALID_RIGHT);
    NO_LETTER(through);
    CHECK_EQ_INT(rig_port_type(receive_only), MACH_PORT_TYPE_RECEIVE);
}

/* What the refused body had already given away is not given back. */
CASE(refused_body_loses_earlier_rights)
{
    mach_port_t through = rig_port(true), moved = rig_port(true), receive_only = rig_port(false);
    struct {
        mach_msg_base_t base;
        mach_msg_port_descriptor_t port[2];
    } two;
    rig_msg_to(&two.base.header, through, MACH_MSG_TYPE_COPY_SEND, 1, sizeof two);
    rig_msg_complex(&two.base, 2);
    two.port[0] = rig_port_item(moved, MACH_MSG_TYPE_MOVE_SEND);
    two.port[1] = rig_port_item(receive_only, MACH_MSG_TYPE_COPY_SEND);
    CHECK_KERN(rig_msg_send(&two.base.header, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ_INT(rig_port_type(moved), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ_INT(refs(through, MACH_PORT_RIGHT_SEND), 1);
    NO_LETTER(through);
}

/* A receive right on its way to itself could never be received: the message is destroyed. */
CASE(receive_right_sent_to_itself)
{
    mach_port_t port = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_DEAD_NAME);
}

CASE(two_receive_rights_in_a_circle)
{
    mach_port_t a = rig_port(true), b = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, a, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(b, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_MSG_SUCCESS); /* b in a's queue */
    parcel_write(&parcel, b, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(a, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_MSG_SUCCESS); /* a to b: destroyed, and b with it */
    CHECK_EQ_INT(rig_port_type(a), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ_INT(rig_port_type(b), MACH_PORT_TYPE_DEAD_NAME);
}

CASE(rights_die_with_the_queue)
{
    mach_port_t through = rig_port(true), inside = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(inside, MACH_MSG_TYPE_MOVE_RECEIVE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_EQ_INT(rig_port_type(inside), MACH_PORT_TYPE_SEND);
    CHECK_KERN(mach_port_mod_refs(rig_task(), through, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_type(inside), MACH_PORT_TYPE_DEAD_NAME);
}

CASE(descriptors_of_all_kinds_keep_their_order)
{
    mach_port_t through = rig_port(true), port = rig_port(true);
    struct mixed {
        mach_msg_base_t base;
        mach_msg_port_descriptor_t first;
        mach_msg_ool_descriptor_t memory;
        mach_msg_port_descriptor_t null;
        mach_msg_ool_ports_descriptor_t ports;
        mach_msg_ool_descriptor_t empty;
        mach_msg_port_descriptor_t last;
        char after[16];
        mach_msg_max_trailer_t trailer;
    } mixed;
    const mach_port_t array[] = {port, MACH_PORT_NULL, port};
    enum { SIZE = offsetof(struct mixed, trailer) };
    rig_msg_to(&mixed.base.header, through, MACH_MSG_TYPE_COPY_SEND, 1, SIZE);
    rig_msg_complex(&mixed.base, 6);
    mixed.first = rig_port_item(port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    mixed.memory = rig_memory_item("out of line", 12, false, MACH_MSG_PHYSICAL_COPY);
    mixed.null = rig_port_item(MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
    mixed.ports = rig_ports_item(array, 3, MACH_MSG_TYPE_COPY_SEND, false);
    mixed.empty = rig_memory_item(NULL, 0, false, MACH_MSG_VIRTUAL_COPY);
    mixed.last = rig_port_item(port, MACH_MSG_TYPE_COPY_SEND);
    memcpy(mixed.after, "inline, after it", 16);
    REQUIRE_KERN(rig_msg_send(&mixed.base.header, 0));
    memset(&mixed, 0, sizeof mixed);
    REQUIRE_KERN(rig_msg_receive(&mixed.base.header, sizeof mixed, through, 0));
    CHECK_EQ_INT(mixed.base.header.msgh_size, SIZE);
    CHECK_EQ_INT(mixed.base.body.msgh_descriptor_count, 6);
    CHECK_EQ_INT(rig_port_type(mixed.first.name), MACH_PORT_TYPE_SEND_ONCE);
    CHECK_EQ_INT(mixed.memory.type, MACH_MSG_OOL_DESCRIPTOR);
    CHECK_EQ_INT(mixed.memory.size, 12);
    CHECK_EQ_STR(mixed.memory.address, "out of line");
    CHECK_EQ_INT(mixed.null.type, MACH_MSG_PORT_DESCRIPTOR);
    CHECK_EQ_INT(mixed.null.name, MACH_PORT_NULL);
    CHECK_EQ_INT(mixed.ports.type, MACH_MSG_OOL_PORTS_DESCRIPTOR);
    CHECK_EQ_INT(mixed.ports.count, 3);
    CHECK_EQ_INT(mixed.empty.size, 0);
    CHECK_EQ_INT(mixed.last.name, port);
    CHECK_EQ_BYTES(mixed.after, "inline, after it", 16);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 4);
}
