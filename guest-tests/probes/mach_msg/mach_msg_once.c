/* mach_msg_once.c - send-once rights, calls that send and receive at once, and what a failed send gives back.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c ipc_kmsg_copyout_pseudo, mach_msg.c mach_msg_overwrite_trap, ipc_port.c
 * ipc_port_release_sonce. */
#include "letter.h"

enum { QUEUE = MACH_PORT_QLIMIT_DEFAULT };

/* A send-once right to the port, as a reply port comes with a request. */
static mach_port_t reply_right(mach_port_t port)
{
    mach_port_t server = rig_port(true);
    struct letter letter;
    letter_write(&letter, server, MACH_MSG_TYPE_COPY_SEND, 1);
    rig_msg_reply_to(&letter.head, port, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
    REQUIRE_KERN(letter_take(server, &letter, 0));
    return letter.head.msgh_remote_port;
}

static mach_msg_return_t send_once(mach_port_t once, mach_msg_id_t id)
{
    struct letter letter;
    letter_write(&letter, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, id);
    return rig_msg_send(&letter.head, 0);
}

/* A notification that a send-once right was destroyed unused. */
static void check_send_once_notice(mach_port_t port)
{
    mach_send_once_notification_t notice; /* its trailer is in it */
    REQUIRE_KERN(rig_msg_receive(&notice.not_header, sizeof notice, port, rig_msg_patience()));
    CHECK_EQ_INT(notice.not_header.msgh_id, MACH_NOTIFY_SEND_ONCE);
    CHECK_EQ_INT(notice.not_header.msgh_size, sizeof(mach_msg_header_t));
    CHECK_EQ_INT(MACH_MSGH_BITS_LOCAL(notice.not_header.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ_INT(notice.not_header.msgh_remote_port, MACH_PORT_NULL);
}

CASE(send_once_right_serves_once)
{
    mach_port_t port = rig_port(false), once = reply_right(port);
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 1);
    CHECK_KERN(send_once(once, 1), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_port_type(once), 0); /* the name is gone at once */
    CHECK_KERN(send_once(once, 2), MACH_SEND_INVALID_DEST);
    LETTER_ARRIVES(port, 1);
    NO_LETTER(port); /* used: no notification */
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 0);
}

CASE(send_once_right_cannot_be_copied)
{
    mach_port_t port = rig_port(false), once = reply_right(port);
    struct letter letter;
    letter_write(&letter, once, MACH_MSG_TYPE_COPY_SEND, 1);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_SEND_INVALID_DEST);
    letter_write(&letter, once, MACH_MSG_TYPE_MOVE_SEND, 1);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ_INT(rig_port_type(once), MACH_PORT_TYPE_SEND_ONCE);
    CHECK_KERN(send_once(once, 1), MACH_MSG_SUCCESS);
}

CASE(unused_send_once_right_notifies)
{
    mach_port_t port = rig_port(false), once = reply_right(port);
    CHECK_KERN(mach_port_deallocate(rig_task(), once), KERN_SUCCESS);
    check_send_once_notice(port);
    NO_LETTER(port);
}

CASE(request_destroyed_in_its_queue_notifies)
{
    mach_port_t server = rig_port(true), reply = rig_port(false);
    struct letter letter;
    letter_write(&letter, server, MACH_MSG_TYPE_COPY_SEND, 1);
    rig_msg_reply_to(&letter.head, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
    CHECK_KERN(mach_port_mod_refs(rig_task(), server, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    check_send_once_notice(reply);
}

/* Room beyond the limit is found for the notification, too. */
CASE(notice_comes_to_a_full_queue)
{
    mach_port_t port = rig_port(true), once = reply_right(port);
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    CHECK_KERN(mach_port_deallocate(rig_task(), once), KERN_SUCCESS);
    for (int i = 0; i < QUEUE; i++)
        LETTER_ARRIVES(port, i);
    check_send_once_notice(port);
}

CASE(send_and_receive_in_one_call)
{
    mach_port_t port = rig_port(true), other = rig_port(true);
    struct letter letter;
    LETTER_SEND(other, 8);
    /* sent to one port, received from another, in the same memory */
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 9);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT, LETTER_SIZE,
                       sizeof letter, other, 0),
               MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 8));
    /* its own message back */
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 10);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT, LETTER_SIZE,
                       sizeof letter, port, 0),
               MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 9));
    LETTER_ARRIVES(port, 10);
}

CASE(failed_send_receives_nothing)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    letter_write(&letter, MACH_PORT_NULL, MACH_MSG_TYPE_COPY_SEND, 2);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, LETTER_SIZE, sizeof letter, port, 0),
               MACH_SEND_INVALID_DEST);
    LETTER_ARRIVES(port, 1);
}

CASE(failed_receive_has_sent)
{
    mach_port_t port = rig_port(true), empty = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 2);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, LETTER_SIZE, sizeof letter, empty, 20),
               MACH_RCV_TIMED_OUT);
    LETTER_ARRIVES(port, 2);
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 3);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, LETTER_SIZE, sizeof letter,
                       MACH_PORT_NULL, 0),
               MACH_RCV_INVALID_NAME);
    LETTER_ARRIVES(port, 3);
}

CASE(neither_send_nor_receive_does_nothing)
{
    struct letter letter;
    memset(&letter, 0, sizeof letter);
    CHECK_KERN(rig_msg(&letter.head, 0, LETTER_SIZE, sizeof letter, MACH_PORT_NULL, 0), MACH_MSG_SUCCESS);
}

/* ---- A send that timed out is received back ------------------------------------------------------------------ */

CASE(timed_out_send_gives_the_header_back)
{
    mach_port_t port = rig_port(true), reply = rig_port(true);
    struct letter letter;
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 77);
    rig_msg_reply_to(&letter.head, reply, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_SEND_TIMED_OUT);
    /* the ports are where they were, but now as rights that the message holds: it can be sent again as it is */
    CHECK_EQ_INT(letter.head.msgh_remote_port, port);
    CHECK_EQ_INT(letter.head.msgh_local_port, reply);
    CHECK_EQ_INT(letter.head.msgh_bits, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MOVE_SEND));
    CHECK(letter_is(&letter, 77));
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 2);
    CHECK_EQ_INT(refs(reply, MACH_PORT_RIGHT_SEND), 1);
    LETTER_ARRIVES(port, 0);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ_INT(refs(reply, MACH_PORT_RIGHT_SEND), 0);
}

CASE(timed_out_send_gives_rights_and_memory_back)
{
    enum { SIZE = 65536 };
    mach_port_t port = rig_port(true), carried = rig_port(true), listed = rig_port(true);
    uint8_t *bytes = pages(SIZE, 4);
    struct {
        mach_msg_base_t base;
        mach_msg_port_descriptor_t receive;
        mach_msg_ool_descriptor_t memory;
        mach_msg_ool_ports_descriptor_t ports;
    } big;
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    rig_msg_to(&big.base.header, port, MACH_MSG_TYPE_COPY_SEND, 1, sizeof big);
    rig_msg_complex(&big.base, 3);
    big.receive = rig_port_item(carried, MACH_MSG_TYPE_MOVE_RECEIVE);
    big.memory = rig_memory_item(bytes, SIZE, true, MACH_MSG_VIRTUAL_COPY);
    big.ports = rig_ports_item(&listed, 1, MACH_MSG_TYPE_MOVE_SEND, false);
    CHECK_KERN(rig_msg_send(&big.base.header, 10), MACH_SEND_TIMED_OUT);
    CHECK_EQ_INT(big.base.header.msgh_size, sizeof big);
    CHECK_EQ_INT(big.receive.name, carried);
    CHECK_EQ_INT(rig_port_type(carried), MACH_PORT_TYPE_SEND_RECEIVE);
    REQUIRE_EQ_INT(big.memory.size, SIZE);
    CHECK(is_mapped(big.memory.address)); /* perhaps elsewhere */
    CHECK(pattern_is(big.memory.address, SIZE, 4));
    REQUIRE_EQ_INT(big.ports.count, 1);
    CHECK(big.ports.address != &listed);
    CHECK_EQ_INT(*(mach_port_t *)big.ports.address, listed);
    CHECK_EQ_INT(refs(listed, MACH_PORT_RIGHT_SEND), 1);
}

/* MACH_NOTIFY_SEND_POSSIBLE: who could not send is told once when there is room. */
CASE(send_possible_is_notified)
{
    mach_port_t port = rig_port(true), notify = rig_port(false), previous = MACH_PORT_NULL;
    struct letter letter;
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    CHECK_KERN(rig_port_request_notification(rig_task(), port, MACH_NOTIFY_SEND_POSSIBLE, 0, notify,
                                             MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
               KERN_SUCCESS);
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 50);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY, LETTER_SIZE, 0, MACH_PORT_NULL, 0),
               MACH_SEND_TIMED_OUT);
    NO_LETTER(notify);
    LETTER_ARRIVES(port, 0);
    mach_port_deleted_notification_t notice; /* a send-possible one has the same form: header, NDR, name */
    REQUIRE_KERN(rig_msg_receive(&notice.not_header, sizeof notice, notify, rig_msg_patience()));
    CHECK_EQ_INT(notice.not_header.msgh_id, MACH_NOTIFY_SEND_POSSIBLE);
    CHECK_EQ_INT(notice.not_port, port);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
    LETTER_ARRIVES(port, 1);
    NO_LETTER(notify); /* once */
}
