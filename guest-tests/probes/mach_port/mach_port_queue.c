/* mach_port_queue.c - a receive right's queue: its limit, its counts, its sequence numbers.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_send, ipc_mqueue_set_qlimit, mach_port.c
 * mach_port_get_attributes, mach_port_set_attributes; measured on Darwin 20.5 where the manifest says so. */
#include "port_words.h"

static mach_port_msgcount_t limit_of(mach_port_t port)
{
    mach_port_limits_t limits = {.mpl_qlimit = 77777};
    mach_msg_type_number_t count = MACH_PORT_LIMITS_INFO_COUNT;
    REQUIRE_KERN(rig_port_get_attributes(TASK, port, MACH_PORT_LIMITS_INFO, &limits, &count));
    CHECK_EQ_INT(count, MACH_PORT_LIMITS_INFO_COUNT);
    return limits.mpl_qlimit;
}

static kern_return_t set_limit(mach_port_t port, mach_port_msgcount_t limit)
{
    mach_port_limits_t limits = {.mpl_qlimit = limit};
    return rig_port_set_attributes(TASK, port, MACH_PORT_LIMITS_INFO, &limits, MACH_PORT_LIMITS_INFO_COUNT);
}

/* How many messages it takes before a send times out. */
static unsigned capacity(mach_port_t port)
{
    unsigned sent = 0;
    mach_msg_return_t result;
    while ((result = rig_send(port, HOW(MAKE_SEND), RIG_HELLO)) == MACH_MSG_SUCCESS && sent < 5000)
        sent++;
    CHECK_KERN(result, MACH_SEND_TIMED_OUT);
    return sent;
}

static void drain(mach_port_t port, unsigned messages)
{
    struct rig_letter letter;
    while (messages--)
        REQUIRE_KERN(rig_take(port, &letter));
    CHECK_NO_MESSAGE(port);
}

CASE(sixth_message_does_not_fit)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    for (int i = 0; i < 5; i++)
        CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO + i), MACH_MSG_SUCCESS);
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO + 5), MACH_SEND_TIMED_OUT);
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 5);
    CHECK_REFS(port, RIGHT(SEND), 2); /* the message came back to the sender, with a copy of the right it was sent by */
    rig_expect(port, RIG_HELLO, &letter);
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO + 5), MACH_MSG_SUCCESS);
    for (int i = 1; i <= 5; i++)
        rig_expect(port, RIG_HELLO + i, &letter);
    CHECK_NO_MESSAGE(port);
}

CASE(limits_are_kept_exactly)
{
    mach_port_t port = rig_port(false);
    static const mach_port_msgcount_t limits[] = {1, MACH_PORT_QLIMIT_BASIC, MACH_PORT_QLIMIT_SMALL, 100,
                                                  MACH_PORT_QLIMIT_LARGE};
    CHECK_EQ_INT(limit_of(port), MACH_PORT_QLIMIT_DEFAULT);
    for (size_t i = 0; i < RIG_COUNT(limits); i++) {
        CHECK_KERN(set_limit(port, limits[i]), KERN_SUCCESS);
        CHECK_EQ_INT(limit_of(port), limits[i]);
        unsigned room = capacity(port);
        CHECK_EQ_INT(room, limits[i]);
        CHECK_EQ_INT(rig_port_status(port).mps_msgcount, limits[i]);
        drain(port, room);
    }
}

CASE(limit_zero_takes_nothing)
{
    mach_port_t port = rig_port(false);
    CHECK_KERN(set_limit(port, MACH_PORT_QLIMIT_ZERO), KERN_SUCCESS);
    CHECK_EQ_INT(limit_of(port), 0);
    CHECK_EQ_INT(capacity(port), 0);
    CHECK_KERN(set_limit(port, 2), KERN_SUCCESS);
    CHECK_EQ_INT(capacity(port), 2);
}

CASE(limits_over_1024_are_refused)
{
    mach_port_t port = rig_port(false);
    CHECK_EQ_INT(MACH_PORT_QLIMIT_MAX, 1024);
    CHECK_KERN(set_limit(port, 1025), KERN_INVALID_VALUE);
    CHECK_KERN(set_limit(port, 2000), KERN_INVALID_VALUE);
    CHECK_KERN(set_limit(port, UINT32_MAX), KERN_INVALID_VALUE);
    CHECK_EQ_INT(limit_of(port), MACH_PORT_QLIMIT_DEFAULT);
}

CASE(a_lower_limit_drops_nothing)
{
    mach_port_t port = rig_port(false);
    struct rig_letter letter;
    port_fill(port, 5);
    CHECK_KERN(set_limit(port, 2), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 5);
    for (int i = 0; i < 3; i++) {
        rig_expect(port, RIG_HELLO + i, &letter);
        CHECK_KERN(rig_send(port, HOW(MAKE_SEND), RIG_HELLO), MACH_SEND_TIMED_OUT); /* 4, 3, 2 are there */
    }
    rig_expect(port, RIG_HELLO + 3, &letter);
    CHECK_KERN(rig_send(port, HOW(MAKE_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
    rig_expect(port, RIG_HELLO + 4, &letter);
}

ROLE(sends_without_timeout)
{
    mach_msg_header_t message = {.msgh_bits = MACH_MSGH_BITS(HOW(COPY_SEND), 0),
                                 .msgh_size = sizeof message,
                                 .msgh_remote_port = rig_parents_port(),
                                 .msgh_id = RIG_HELLO + 100};
    REQUIRE_KERN(rig_msg(&message, MACH_SEND_MSG, sizeof message, 0, MACH_PORT_NULL, 0));
}

CASE(a_higher_limit_lets_a_waiting_sender_go)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    port_fill(port, 5);
    pid_t child = rig_exec_role_with_port("sends_without_timeout", NULL, port);
    CHECK(rig_wait_blocked(child));
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 5);
    CHECK_KERN(set_limit(port, 6), KERN_SUCCESS);
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 6);
    for (int i = 0; i < 5; i++)
        rig_expect(port, RIG_HELLO + i, &letter);
    rig_expect(port, RIG_HELLO + 100, &letter);
}

CASE(a_receive_lets_a_waiting_sender_go)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    port_fill(port, 5);
    pid_t child = rig_exec_role_with_port("sends_without_timeout", NULL, port);
    CHECK(rig_wait_blocked(child));
    rig_expect(port, RIG_HELLO, &letter);
    CHECK_EXITED(child, 0);
    for (int i = 1; i < 5; i++)
        rig_expect(port, RIG_HELLO + i, &letter);
    rig_expect(port, RIG_HELLO + 100, &letter);
}

CASE(send_once_messages_pass_the_limit)
{
    mach_port_t port = rig_port(false);
    CHECK_EQ_INT(capacity(port), 5);
    for (unsigned i = 1; i <= 3; i++) {
        CHECK_KERN(rig_send(port_send_once(port), HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_MSG_SUCCESS);
        CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 5 + i);
    }
    CHECK_KERN(rig_send(port, HOW(MAKE_SEND), RIG_HELLO), MACH_SEND_TIMED_OUT);
    drain(port, 8);
}

CASE(status_tells_what_is_there)
{
    mach_port_t port = rig_port(false), told = rig_port(false), set = port_new(RIGHT(PORT_SET));
    struct rig_letter letter;
    mach_port_status_t status = rig_port_status(port);
    CHECK(!status.mps_pset && !status.mps_seqno && !status.mps_mscount && !status.mps_msgcount &&
          !status.mps_sorights && !status.mps_srights && !status.mps_pdrequest && !status.mps_nsrequest);
    port_fill(port, 3);                         /* three rights made, each in its message */
    CHECK_EQ_INT(rig_port_status(port).mps_mscount, 3);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 1);
    rig_expect(port, RIG_HELLO, &letter);
    mach_port_t once = port_send_once(port);
    port_notify(port, MACH_NOTIFY_NO_SENDERS, 99, told);
    port_notify(port, MACH_NOTIFY_PORT_DESTROYED, 0, told);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    status = rig_port_status(port);
    CHECK_NE_INT(status.mps_pset, 0);
    CHECK_EQ_INT(status.mps_seqno, 1);
    CHECK_EQ_INT(status.mps_mscount, 3);
    CHECK_EQ_INT(status.mps_qlimit, 5);
    CHECK_EQ_INT(status.mps_msgcount, 2);
    CHECK_EQ_INT(status.mps_sorights, 1);
    CHECK_EQ_INT(status.mps_srights, 1);
    CHECK_EQ_INT(status.mps_pdrequest, 1);
    CHECK_EQ_INT(status.mps_nsrequest, 1);
    CHECK_KERN(mach_port_deallocate(TASK, once), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 1); /* now in the send-once notification's header */
}

CASE(attributes_are_refused)
{
    mach_port_t port = rig_port(true), once = port_send_once(port);
    integer_t info[MACH_PORT_RECEIVE_STATUS_COUNT] = {5};
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT - 1;
    CHECK_KERN(rig_port_get_attributes(TASK, port, MACH_PORT_RECEIVE_STATUS, info, &count), KERN_FAILURE);
    count = 0;
    CHECK_KERN(rig_port_get_attributes(TASK, port, MACH_PORT_LIMITS_INFO, info, &count), KERN_FAILURE);
    CHECK_KERN(rig_port_set_attributes(TASK, port, MACH_PORT_LIMITS_INFO, info, 0), KERN_FAILURE);
    count = MACH_PORT_RECEIVE_STATUS_COUNT;
    CHECK_KERN(rig_port_get_attributes(TASK, port, 9999, info, &count), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_port_set_attributes(TASK, port, 9999, info, 1), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_port_get_attributes(TASK, once, MACH_PORT_RECEIVE_STATUS, info, &count), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_set_attributes(TASK, once, MACH_PORT_LIMITS_INFO, info, 1), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_get_attributes(TASK, CHOSEN(1), MACH_PORT_RECEIVE_STATUS, info, &count), KERN_INVALID_NAME);
    CHECK_KERN(rig_port_get_attributes(TASK, MACH_PORT_NULL, MACH_PORT_RECEIVE_STATUS, info, &count),
               KERN_INVALID_RIGHT);
    CHECK_EQ_INT(limit_of(port), 5);
}

CASE(sequence_numbers_count_receives)
{
    mach_port_t port = rig_port(false);
    struct rig_letter letter;
    port_fill(port, 4);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ_INT(rig_port_status(port).mps_seqno, i);
        rig_expect(port, RIG_HELLO + (mach_msg_id_t)i, &letter);
    }
    CHECK_KERN(rig_port_set_seqno(TASK, port, 1000), KERN_SUCCESS);
    struct {
        mach_msg_header_t header;
        mach_msg_seqno_trailer_t trailer;
    } message;
    CHECK_KERN(rig_msg(&message.header,
                       MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO), 0,
                       sizeof message, port, 0),
               MACH_MSG_SUCCESS);
    CHECK_EQ_INT(message.trailer.msgh_trailer_size, sizeof message.trailer);
    CHECK_EQ_INT(message.trailer.msgh_seqno, 1000);
    CHECK_EQ_INT(rig_port_status(port).mps_seqno, 1001);
    CHECK_KERN(rig_port_set_seqno(TASK, port_send_once(port), 1), KERN_INVALID_RIGHT);
}

CASE(receiving_needs_the_receive_right)
{
    mach_port_t port = rig_port(true), once = port_send_once(port), dead = port_new(RIGHT(DEAD_NAME));
    struct rig_letter letter;
    CHECK_KERN(rig_take(once, &letter), MACH_RCV_INVALID_NAME);
    CHECK_KERN(rig_take(dead, &letter), MACH_RCV_INVALID_NAME);
    CHECK_KERN(rig_take(TASK, &letter), MACH_RCV_INVALID_NAME);
    CHECK_KERN(rig_take(CHOSEN(1), &letter), MACH_RCV_INVALID_NAME);
    CHECK_KERN(rig_take(MACH_PORT_NULL, &letter), MACH_RCV_INVALID_NAME);
    CHECK_KERN(rig_take(port, &letter), MACH_RCV_TIMED_OUT);
}

CASE(send_rights_are_told)
{
    /* the number of all send rights is for the receiver alone */
    mach_port_t port = rig_port(false), mail = rig_port(true);
    mach_port_rights_t rights = 99;
    CHECK_KERN(rig_port_get_srights(TASK, port, &rights), KERN_SUCCESS);
    CHECK_EQ_INT(rights, 0);
    port_add_send(port, 3); /* three references to one right */
    CHECK_KERN(rig_port_get_srights(TASK, port, &rights), KERN_SUCCESS);
    CHECK_EQ_INT(rights, 1);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(COPY_SEND)), MACH_MSG_SUCCESS);
    CHECK_KERN(rig_port_get_srights(TASK, port, &rights), KERN_SUCCESS);
    CHECK_EQ_INT(rights, 2);
    CHECK_KERN(rig_port_get_srights(TASK, port_send_once(port), &rights), KERN_INVALID_RIGHT);
}
