/* mach_queue_large.c - messages that do not fit the receiver's room.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_select_on_thread, mach_msg.c mach_msg_receive_results,
 * msg_receive_error. */
#include "receiver.h"

enum { SMALL = LETTER_SIZE + MINIMAL_TRAILER - 1 }; /* one byte too few */

static mach_msg_return_t take_into(struct letter *letter, size_t room, mach_port_t from, mach_msg_option_t options)
{
    memset(letter, 0, sizeof *letter);
    return rig_msg(&letter->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | options, 0, (mach_msg_size_t)room, from, 0);
}

CASE(room_for_message_and_trailer_is_enough)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 2);
    CHECK_KERN(take_into(&letter, SMALL + 1, port, 0), MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 2));
    /* the trailer that is asked for counts */
    LETTER_SEND(port, 3);
    mach_msg_option_t audit = MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT);
    size_t whole = LETTER_SIZE + sizeof(mach_msg_audit_trailer_t);
    CHECK_KERN(take_into(&letter, whole - 1, port, audit | MACH_RCV_LARGE), MACH_RCV_TOO_LARGE);
    CHECK_KERN(take_into(&letter, whole, port, audit), MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 3));
}

CASE(too_large_is_destroyed)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    LETTER_SEND(port, 2);
    CHECK_KERN(take_into(&letter, SMALL, port, 0), MACH_RCV_TOO_LARGE);
    /* a bare header tells whose message it was */
    CHECK_EQ_INT(letter.head.msgh_size, sizeof letter.head);
    CHECK_EQ_INT(letter.head.msgh_local_port, port);
    CHECK_EQ_INT(letter.head.msgh_id, 1);
    LETTER_ARRIVES(port, 2);
    NO_LETTER(port);
}

CASE(too_large_destroys_its_rights)
{
    mach_port_t port = rig_port(true), moved = rig_port(true), reply = rig_port(false);
    struct parcel parcel;
    struct letter letter;
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(moved, MACH_MSG_TYPE_MOVE_RECEIVE);
    rig_msg_reply_to(&parcel.base.header, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_KERN(take_into(&letter, sizeof letter.head, port, 0), MACH_RCV_TOO_LARGE);
    CHECK_EQ_INT(letter.head.msgh_remote_port, MACH_PORT_NULL);
    CHECK_EQ_INT(rig_port_type(moved), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_KERN(letter_take(reply, &letter, 0), MACH_MSG_SUCCESS); /* its send-once right was destroyed */
    CHECK_EQ_INT(letter.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
}

CASE(too_large_is_kept_if_asked)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_KERN(take_into(&letter, SMALL, port, MACH_RCV_LARGE), MACH_RCV_TOO_LARGE);
        CHECK_EQ_INT(letter.head.msgh_size, LETTER_SIZE); /* needed, the trailer not counted */
        CHECK_EQ_INT(letter.head.msgh_local_port, MACH_PORT_NULL); /* nothing else is written */
        CHECK_EQ_INT(letter.head.msgh_id, 0);
    }
    LETTER_ARRIVES(port, 1);
    NO_LETTER(port);
}

CASE(size_may_be_asked_for_with_no_room_at_all)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    CHECK_KERN(take_into(&letter, 0, port, MACH_RCV_LARGE), MACH_RCV_TIMED_OUT);
    LETTER_SEND(port, 1);
    memset(&letter, 0x5c, sizeof letter);
    CHECK_KERN(rig_msg(&letter.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_LARGE, 0, 0, port, 0), MACH_RCV_TOO_LARGE);
    CHECK_EQ_INT(letter.head.msgh_size, 0x5c5c5c5c); /* no room for the answer either */
    LETTER_ARRIVES(port, 1);
}

CASE(identity_of_the_port_is_told_if_asked)
{
    mach_port_t set = MACH_PORT_NULL, quiet = rig_port(true), member = rig_port(true);
    struct letter letter;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    REQUIRE_KERN(mach_port_insert_member(rig_task(), quiet, set));
    REQUIRE_KERN(mach_port_insert_member(rig_task(), member, set));
    LETTER_SEND(member, 1);
    CHECK_KERN(take_into(&letter, SMALL, set, MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY), MACH_RCV_TOO_LARGE);
    CHECK_EQ_INT(letter.head.msgh_local_port, member);
    CHECK_EQ_INT(letter.head.msgh_size, LETTER_SIZE);
    LETTER_ARRIVES(member, 1);
}

CASE(too_large_for_a_blocked_receiver)
{
    struct receiver receiver = {.from = rig_port(true), .room = SMALL, .options = MACH_RCV_LARGE};
    receiver_start(&receiver);
    LETTER_SEND(receiver.from, 1);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_RCV_TOO_LARGE);
    CHECK_EQ_INT(receiver.letter.head.msgh_size, LETTER_SIZE);
    LETTER_ARRIVES(receiver.from, 1);
    receiver.options = 0;
    receiver_start(&receiver);
    LETTER_SEND(receiver.from, 2);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_RCV_TOO_LARGE);
    NO_LETTER(receiver.from);
}

/* Of two that wait, the one with room gets what is too large for the other. */
CASE(too_large_goes_to_the_next_receiver)
{
    mach_port_t port = rig_port(true);
    struct receiver narrow = {.from = port, .room = SMALL, .options = MACH_RCV_LARGE}, wide = {.from = port};
    receiver_start(&narrow);
    receiver_start(&wide);
    LETTER_SEND(port, 5);
    receiver_join(&wide);
    CHECK_KERN(wide.result, MACH_MSG_SUCCESS);
    CHECK(letter_is(&wide.letter, 5));
    LETTER_SEND(port, 6); /* if the first was not asked before, it is now */
    receiver_join(&narrow);
    CHECK_KERN(narrow.result, MACH_RCV_TOO_LARGE);
}

CASE(receive_into_bad_memory_loses_the_message)
{
    mach_port_t port = rig_port(true), moved = rig_port(true);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *bytes = pages(page, 0);
    struct parcel parcel;
    pages_free(bytes, page);
    LETTER_SEND(port, 1);
    CHECK_KERN(rig_msg_receive((void *)bytes, page, port, 0), MACH_RCV_INVALID_DATA);
    parcel_write(&parcel, port, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(moved, MACH_MSG_TYPE_COPY_SEND);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_KERN(rig_msg_receive((void *)bytes, page, port, 0), MACH_RCV_INVALID_DATA);
    CHECK_EQ_INT(refs(moved, MACH_PORT_RIGHT_SEND), 2); /* the right had been received before the bytes were */
    NO_LETTER(port);
}
