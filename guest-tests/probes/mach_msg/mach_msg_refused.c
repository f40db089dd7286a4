/* mach_msg_refused.c - headers and names that mach_msg refuses, and that a refusal costs the sender nothing.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c ipc_kmsg_copyin_header, ipc_mqueue.c ipc_mqueue_copyin. */
#include "letter.h"

/* A name this task does not have. */
static mach_port_t free_name(void)
{
    mach_port_t name = rig_port(false);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), name, MACH_PORT_RIGHT_RECEIVE, -1));
    return name;
}

static mach_port_t dead_name(void)
{
    mach_port_t name = rig_port(true);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), name, MACH_PORT_RIGHT_RECEIVE, -1));
    REQUIRE_EQ_INT(rig_port_type(name), MACH_PORT_TYPE_DEAD_NAME);
    return name;
}

static mach_port_t port_set(void)
{
    mach_port_t set = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    return set;
}

static mach_msg_return_t send_with_bits(mach_msg_bits_t bits, mach_port_t to, mach_port_t reply)
{
    struct letter letter;
    letter_write(&letter, to, 0, 1);
    letter.head.msgh_bits = bits;
    letter.head.msgh_local_port = reply;
    return rig_msg_send(&letter.head, 0);
}

CASE(destination_must_be_a_send_disposition)
{
    mach_port_t port = rig_port(true);
    static const unsigned bad[] = {0, 1, MACH_MSG_TYPE_MOVE_RECEIVE, 15, 22, 31};
    for (size_t i = 0; i < RIG_COUNT(bad); i++)
        CHECK_KERN(send_with_bits(MACH_MSGH_BITS(bad[i], 0), port, MACH_PORT_NULL), MACH_SEND_INVALID_HEADER);
    NO_LETTER(port);
}

CASE(reply_must_be_a_send_disposition)
{
    mach_port_t port = rig_port(true), reply = rig_port(true);
    static const unsigned bad[] = {1, MACH_MSG_TYPE_MOVE_RECEIVE, 15, 22, 31};
    for (size_t i = 0; i < RIG_COUNT(bad); i++)
        CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, bad[i]), port, reply), MACH_SEND_INVALID_HEADER);
    /* a reply port without a disposition */
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), port, reply), MACH_SEND_INVALID_HEADER);
    NO_LETTER(port);
}

CASE(destination_must_name_such_a_right)
{
    mach_port_t receive_only = rig_port(false), both = rig_port(true);
    const struct {
        mach_port_t name;
        mach_msg_type_name_t how;
    } rows[] = {
        {MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND},
        {MACH_PORT_DEAD, MACH_MSG_TYPE_COPY_SEND},
        {free_name(), MACH_MSG_TYPE_COPY_SEND},
        {dead_name(), MACH_MSG_TYPE_COPY_SEND},
        {dead_name(), MACH_MSG_TYPE_MOVE_SEND},
        {port_set(), MACH_MSG_TYPE_COPY_SEND},
        {port_set(), MACH_MSG_TYPE_MAKE_SEND},
        {receive_only, MACH_MSG_TYPE_COPY_SEND},
        {receive_only, MACH_MSG_TYPE_MOVE_SEND_ONCE},
        {both, MACH_MSG_TYPE_MOVE_SEND_ONCE},
        {rig_task(), MACH_MSG_TYPE_MAKE_SEND}, /* a send right only */
    };
    for (size_t i = 0; i < RIG_COUNT(rows); i++)
        CHECK_KERN(send_with_bits(MACH_MSGH_BITS(rows[i].how, 0), rows[i].name, MACH_PORT_NULL), MACH_SEND_INVALID_DEST);
    NO_LETTER(receive_only);
    NO_LETTER(both);
}

CASE(reply_must_name_such_a_right)
{
    mach_port_t port = rig_port(true), receive_only = rig_port(false);
    const struct {
        mach_port_t name;
        mach_msg_type_name_t how;
    } rows[] = {
        {free_name(), MACH_MSG_TYPE_MAKE_SEND},
        {receive_only, MACH_MSG_TYPE_COPY_SEND},
        {receive_only, MACH_MSG_TYPE_MOVE_SEND},
        {receive_only, MACH_MSG_TYPE_MOVE_SEND_ONCE},
        {port_set(), MACH_MSG_TYPE_MAKE_SEND_ONCE},
        {rig_task(), MACH_MSG_TYPE_MAKE_SEND_ONCE},
    };
    for (size_t i = 0; i < RIG_COUNT(rows); i++)
        CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, rows[i].how), port, rows[i].name),
                   MACH_SEND_INVALID_REPLY);
    NO_LETTER(port);
}

CASE(null_and_dead_reply_ports_are_passed_on)
{
    mach_port_t port = rig_port(true), dead = dead_name();
    struct letter letter;
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), port, MACH_PORT_NULL),
               MACH_MSG_SUCCESS);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_remote_port, MACH_PORT_NULL);
    CHECK_EQ_INT(MACH_MSGH_BITS_REMOTE(letter.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE); /* the bits stay */
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_COPY_SEND), port, MACH_PORT_DEAD),
               MACH_MSG_SUCCESS);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_remote_port, MACH_PORT_DEAD);
    /* a dead name is as good as MACH_PORT_DEAD, and a moved one loses its reference */
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND), port, dead), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_port_type(dead), 0);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_remote_port, MACH_PORT_DEAD);
}

CASE(refused_header_takes_no_right)
{
    mach_port_t port = rig_port(true), receive_only = rig_port(false);
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_COPY_SEND), port, receive_only),
               MACH_SEND_INVALID_REPLY);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 1); /* the header is taken in whole or not at all */
    CHECK_KERN(send_with_bits(MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND), free_name(), port),
               MACH_SEND_INVALID_DEST);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 1);
    LETTER_SEND(port, 5);
    LETTER_ARRIVES(port, 5);
}

/* One reference cannot be moved twice. */
CASE(one_right_in_both_places)
{
    mach_port_t port = rig_port(true);
    mach_msg_bits_t both = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND);
    struct letter letter;
    mach_msg_return_t result = send_with_bits(both, port, port);
    CHECK_KERN(result, MACH_SEND_INVALID_DEST);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 1);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, 1));
    CHECK_KERN(send_with_bits(both, port, port), MACH_MSG_SUCCESS); /* two references can */
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 0);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_remote_port, port);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 1);
}

CASE(receive_needs_a_receive_right_or_a_set)
{
    struct letter letter;
    const mach_port_t names[] = {MACH_PORT_NULL, MACH_PORT_DEAD, free_name(), dead_name(), rig_task()};
    for (size_t i = 0; i < RIG_COUNT(names); i++)
        CHECK_KERN(letter_take(names[i], &letter, 0), MACH_RCV_INVALID_NAME);
    CHECK_KERN(letter_take(port_set(), &letter, 0), MACH_RCV_TIMED_OUT); /* an empty set */
}

CASE(complex_message_must_hold_its_descriptors)
{
    mach_port_t port = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND);
    mach_msg_size_t whole = parcel.base.header.msgh_size;
    /* no room for the count, for none, for less than one descriptor */
    static const mach_msg_size_t sizes[] = {sizeof(mach_msg_header_t), sizeof(mach_msg_base_t), sizeof(mach_msg_base_t) + 8};
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        parcel.base.header.msgh_size = sizes[i];
        CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_SEND_MSG_TOO_SMALL);
    }
    parcel.base.header.msgh_size = whole;
    parcel.base.body.msgh_descriptor_count = 2;
    CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_SEND_MSG_TOO_SMALL);
    NO_LETTER(port);
    parcel.base.body.msgh_descriptor_count = 1;
    CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_MSG_SUCCESS);
}

CASE(complex_message_without_descriptors)
{
    mach_port_t port = rig_port(true);
    struct parcel parcel;
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.base.body.msgh_descriptor_count = 0;
    memset(&parcel.port, 0x5a, sizeof parcel.port); /* plain bytes then */
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    memset(&parcel, 0, sizeof parcel);
    REQUIRE_KERN(rig_msg_receive(&parcel.base.header, sizeof parcel, port, 0));
    CHECK(parcel.base.header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
    CHECK_EQ_INT(parcel.base.body.msgh_descriptor_count, 0);
    uint8_t want[sizeof parcel.port];
    memset(want, 0x5a, sizeof want);
    CHECK_EQ_BYTES(&parcel.port, want, sizeof want);
}

CASE(unknown_descriptors_are_refused)
{
    mach_port_t port = rig_port(true);
    struct parcel parcel;
    static const unsigned types[] = {9, 77, 255};
    for (size_t i = 0; i < RIG_COUNT(types); i++) {
        parcel_write(&parcel, port, MACH_MSG_OOL_DESCRIPTOR);
        parcel.memory = rig_memory_item(&parcel, 4, false, MACH_MSG_VIRTUAL_COPY);
        parcel.memory.type = types[i];
        CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_SEND_INVALID_TYPE);
    }
    NO_LETTER(port);
}

CASE(unknown_copy_options_are_refused)
{
    mach_port_t port = rig_port(true);
    struct parcel parcel;
    static const unsigned options[] = {MACH_MSG_ALLOCATE, MACH_MSG_OVERWRITE, 9};
    for (size_t i = 0; i < RIG_COUNT(options); i++) {
        parcel_write(&parcel, port, MACH_MSG_OOL_DESCRIPTOR);
        parcel.memory = rig_memory_item(&parcel, 4, false, options[i]);
        CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_SEND_INVALID_TYPE);
        parcel_write(&parcel, port, MACH_MSG_OOL_PORTS_DESCRIPTOR);
        parcel.ports = rig_ports_item(&port, 1, MACH_MSG_TYPE_COPY_SEND, false);
        parcel.ports.copy = options[i];
        CHECK_KERN(rig_msg_send(&parcel.base.header, 0), MACH_SEND_INVALID_TYPE);
    }
    NO_LETTER(port);
}
