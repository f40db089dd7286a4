/* mach_port_notify.c - notifications: no-senders, dead-name, port-deleted, port-destroyed, send-once, send-possible.
 * Contracts: xnu-4570.41.2 osfmk/ipc/mach_port.c mach_port_request_notification, ipc_right.c, ipc_port.c, ipc_notify.c;
 * the messages are those of osfmk/mach/notify.h. */
#include "ipc_support.h"
#include "port_words.h"

static kern_return_t ask(mach_port_t name, mach_msg_id_t which, mach_port_mscount_t sync, mach_port_t notify,
                         mach_msg_type_name_t how)
{
    mach_port_t previous = MACH_PORT_NULL;
    return rig_port_request_notification(TASK, name, which, sync, notify, how, &previous);
}

CASE(no_senders_when_the_last_send_right_goes)
{
    mach_port_t port = rig_port(false), told = rig_port(false);
    struct rig_letter letter;
    port_add_send(port, 2);
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 2, told), MACH_PORT_NULL);
    CHECK_EQ_INT(rig_port_status(port).mps_nsrequest, 1);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS); /* one reference of two */
    CHECK_NO_MESSAGE(told);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_EQ_INT(letter.notified.value, 2); /* the make-send count */
    CHECK_EQ_INT(letter.header.msgh_size, offsetof(mach_no_senders_notification_t, trailer));
    CHECK_EQ_INT(letter.header.msgh_local_port, told);
    CHECK_EQ_INT(letter.header.msgh_remote_port, MACH_PORT_NULL); /* no one to answer */
    CHECK_EQ_INT(rig_port_status(port).mps_nsrequest, 0);
    port_add_send(port, 1); /* one request, one notification */
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_NO_MESSAGE(told);
}

CASE(no_senders_at_once_when_there_are_none)
{
    mach_port_t port = rig_port(false), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told), MACH_PORT_NULL);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_EQ_INT(letter.notified.value, 0);
    port_add_send(port, 1);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 1, told), MACH_PORT_NULL);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_EQ_INT(letter.notified.value, 1);
}

CASE(no_senders_waits_for_the_sync_count)
{
    /* sync 1: "tell me of a sender that I have not heard of yet" */
    mach_port_t port = rig_port(false), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 1, told), MACH_PORT_NULL);
    CHECK_NO_MESSAGE(told);
    port_add_send(port, 1);
    CHECK_NO_MESSAGE(told);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_EQ_INT(letter.notified.value, 1);
}

CASE(no_senders_waits_for_rights_in_messages)
{
    mach_port_t port = rig_port(true), mail = rig_port(true), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told), MACH_PORT_NULL);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_TYPE(port, TYPE(RECEIVE));
    CHECK_NO_MESSAGE(told);
    CHECK_KERN(rig_port_destroy(TASK, mail), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
}

CASE(no_senders_does_not_count_send_once_rights)
{
    mach_port_t port = rig_port(true), told = rig_port(false), once = port_send_once(port);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told), MACH_PORT_NULL);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_TYPE(once, TYPE(SEND_ONCE));
}

CASE(no_senders_request_is_replaced_and_cancelled)
{
    mach_port_t port = rig_port(true), first = rig_port(false), second = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, first), MACH_PORT_NULL);
    mach_port_t previous = port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, second);
    CHECK_TYPE(previous, TYPE(SEND_ONCE)); /* the right that was given before */
    CHECK_KERN(rig_send(previous, HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_MSG_SUCCESS);
    rig_expect(first, RIG_HELLO, &letter);
    previous = port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, MACH_PORT_NULL); /* cancels */
    CHECK_TYPE(previous, TYPE(SEND_ONCE));
    CHECK_EQ_INT(rig_port_status(port).mps_nsrequest, 0);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_NO_MESSAGE(first);
    CHECK_NO_MESSAGE(second);
}

CASE(no_senders_request_ends_with_its_port)
{
    mach_port_t port = rig_port(true), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told), MACH_PORT_NULL);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_SEND_ONCE, &letter); /* the right given for it dies unused */
    CHECK_NO_MESSAGE(told);
}

CASE(dead_name_when_the_port_dies)
{
    mach_port_t port = rig_port(true), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, told), MACH_PORT_NULL);
    CHECK_TYPE(port, TYPE(SEND_RECEIVE) | TYPE(DNREQUEST));
    CHECK_NO_MESSAGE(told);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_DEAD_NAME, &letter);
    CHECK_EQ_INT(letter.notified.value, port);
    CHECK_EQ_INT(letter.header.msgh_size, offsetof(mach_dead_name_notification_t, trailer));
    CHECK_TYPE(port, TYPE(DEAD_NAME));
    CHECK_REFS(port, RIGHT(DEAD_NAME), 2); /* the notification brings a reference of its own */
    CHECK_NO_MESSAGE(told);
}

CASE(dead_name_of_a_dead_name)
{
    mach_port_t dead = port_new(RIGHT(DEAD_NAME)), told = rig_port(false);
    struct rig_letter letter;
    CHECK_KERN(ask(dead, MACH_NOTIFY_DEAD_NAME, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_ARGUMENT);
    rig_expect(told, MACH_NOTIFY_SEND_ONCE, &letter); /* the right given for it was destroyed with the request */
    CHECK_REFS(dead, RIGHT(DEAD_NAME), 1);
    CHECK_KERN(ask(dead, MACH_NOTIFY_DEAD_NAME, 1, told, HOW(MAKE_SEND_ONCE)), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_DEAD_NAME, &letter);
    CHECK_EQ_INT(letter.notified.value, dead);
    CHECK_REFS(dead, RIGHT(DEAD_NAME), 2);
}

CASE(dead_name_request_is_replaced_and_cancelled)
{
    mach_port_t port = rig_port(true), first = rig_port(false), second = rig_port(false);
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, first), MACH_PORT_NULL);
    CHECK_TYPE(port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, second), TYPE(SEND_ONCE));
    CHECK_TYPE(port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL), TYPE(SEND_ONCE));
    CHECK_TYPE(port, TYPE(SEND_RECEIVE));
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL), MACH_PORT_NULL);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_REFS(port, RIGHT(DEAD_NAME), 1);
    CHECK_NO_MESSAGE(first);
    CHECK_NO_MESSAGE(second);
}

CASE(dead_name_of_a_send_once_right)
{
    mach_port_t port = rig_port(false), told = rig_port(false), once = port_send_once(port);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(once, MACH_NOTIFY_DEAD_NAME, 0, told), MACH_PORT_NULL);
    CHECK_TYPE(once, TYPE(SEND_ONCE) | TYPE(DNREQUEST));
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_DEAD_NAME, &letter);
    CHECK_EQ_INT(letter.notified.value, once);
    CHECK_TYPE(once, TYPE(DEAD_NAME));
}

CASE(port_deleted_when_the_name_goes_first)
{
    mach_port_t port = rig_port(false), told = rig_port(false), once = port_send_once(port);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(once, MACH_NOTIFY_DEAD_NAME, 0, told), MACH_PORT_NULL);
    CHECK_KERN(rig_send(once, HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_MSG_SUCCESS); /* the right leaves the task */
    rig_expect(told, MACH_NOTIFY_PORT_DELETED, &letter);
    CHECK_EQ_INT(letter.notified.value, once);
    /* the same for a right that is dropped */
    once = port_send_once(port);
    CHECK_EQ_INT(port_notify(once, MACH_NOTIFY_DEAD_NAME, 0, told), MACH_PORT_NULL);
    CHECK_KERN(mach_port_deallocate(TASK, once), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_PORT_DELETED, &letter);
    CHECK_EQ_INT(letter.notified.value, once);
}

CASE(port_destroyed_hands_the_receive_right_back)
{
    mach_port_t port = rig_port(true), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_PORT_DESTROYED, 0, told), MACH_PORT_NULL);
    CHECK_EQ_INT(rig_port_status(port).mps_pdrequest, 1);
    port_fill(port, 2);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_TYPE(port, TYPE(SEND)); /* the port lives: no dead name */
    rig_expect(told, MACH_NOTIFY_PORT_DESTROYED, &letter);
    CHECK_EQ_INT(letter.header.msgh_size, offsetof(mach_port_destroyed_notification_t, trailer));
    CHECK(letter.header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
    CHECK_EQ_INT(letter.carried.port.disposition, HOW(PORT_RECEIVE));
    CHECK_EQ_INT(letter.carried.port.name, port); /* where the send right is */
    CHECK_TYPE(port, TYPE(SEND_RECEIVE));
    CHECK_EQ_INT(rig_port_status(port).mps_pdrequest, 0);
    rig_expect(port, RIG_HELLO, &letter); /* with what was in its queue */
    rig_expect(port, RIG_HELLO + 1, &letter);
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
}

CASE(port_destroyed_is_refused)
{
    mach_port_t port = rig_port(true), told = rig_port(false);
    CHECK_KERN(ask(port, MACH_NOTIFY_PORT_DESTROYED, 1, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_VALUE);
    CHECK_KERN(ask(MACH_PORT_NULL, MACH_NOTIFY_PORT_DESTROYED, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_RIGHT);
    CHECK_KERN(ask(port_send_once(port), MACH_NOTIFY_PORT_DESTROYED, 0, told, HOW(MAKE_SEND_ONCE)),
               KERN_INVALID_RIGHT);
    CHECK_EQ_INT(rig_port_status(port).mps_pdrequest, 0);
}

CASE(second_port_destroyed_request)
{
    /* Darwin 17 swaps them, as for the other notifications; from Darwin 20 on only one request is allowed. */
    mach_port_t port = rig_port(true), first = rig_port(false), second = rig_port(false), previous = MACH_PORT_NULL;
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_PORT_DESTROYED, 0, first), MACH_PORT_NULL);
    kern_return_t result = rig_port_request_notification(TASK, port, MACH_NOTIFY_PORT_DESTROYED, 0, second,
                                                         HOW(MAKE_SEND_ONCE), &previous);
    bool swapped = ipc_darwin_major() < 20;
    CHECK_KERN(result, swapped ? KERN_SUCCESS : KERN_FAILURE);
    if (swapped)
        CHECK_TYPE(previous, TYPE(SEND_ONCE));
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    rig_expect(swapped ? second : first, MACH_NOTIFY_PORT_DESTROYED, &letter);
}

CASE(send_once_when_a_right_dies_unused)
{
    mach_port_t port = rig_port(false), mail = rig_port(true);
    struct rig_letter letter;
    CHECK_KERN(mach_port_deallocate(TASK, port_send_once(port)), KERN_SUCCESS);
    rig_expect(port, MACH_NOTIFY_SEND_ONCE, &letter);
    CHECK_EQ_INT(letter.header.msgh_size, sizeof letter.header);
    CHECK_KERN(rig_port_destroy(TASK, port_send_once(port)), KERN_SUCCESS);
    rig_expect(port, MACH_NOTIFY_SEND_ONCE, &letter);
    /* in a message that no one receives */
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MAKE_SEND_ONCE)), MACH_MSG_SUCCESS);
    CHECK_KERN(rig_port_destroy(TASK, mail), KERN_SUCCESS);
    rig_expect(port, MACH_NOTIFY_SEND_ONCE, &letter);
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 0);
    CHECK_NO_MESSAGE(port);
}

CASE(send_possible_when_the_queue_has_room)
{
    mach_port_t port = rig_port(true), told = rig_port(false);
    struct rig_letter letter;
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_SEND_POSSIBLE, 1, told), MACH_PORT_NULL); /* there is room now */
    rig_expect(told, MACH_NOTIFY_SEND_POSSIBLE, &letter);
    CHECK_EQ_INT(letter.notified.value, port);
    port_fill(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_SEND_POSSIBLE, 1, told), MACH_PORT_NULL);
    CHECK_NO_MESSAGE(told);
    rig_expect(port, RIG_HELLO, &letter);
    rig_expect(told, MACH_NOTIFY_SEND_POSSIBLE, &letter);
    CHECK_EQ_INT(letter.notified.value, port);
    CHECK_NO_MESSAGE(told);
}

CASE(notifications_pass_a_full_queue)
{
    mach_port_t port = rig_port(true), told = rig_port(true);
    struct rig_letter letter;
    port_fill(told, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_KERN(rig_send(told, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_TIMED_OUT);
    CHECK_EQ_INT(port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told), MACH_PORT_NULL);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(told).mps_msgcount, MACH_PORT_QLIMIT_DEFAULT + 1);
    for (int i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++)
        rig_expect(told, RIG_HELLO + i, &letter);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
}

CASE(requests_are_refused)
{
    mach_port_t port = rig_port(true), told = rig_port(true), set = port_new(RIGHT(PORT_SET));
    static const mach_msg_id_t unknown[] = {0, MACH_NOTIFY_FIRST, MACH_NOTIFY_PORT_DELETED, MACH_NOTIFY_SEND_ONCE, 99};
    for (size_t i = 0; i < RIG_COUNT(unknown); i++)
        CHECK_KERN(ask(port, unknown[i], 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_VALUE);
    CHECK_KERN(ask(MACH_PORT_NULL, MACH_NOTIFY_NO_SENDERS, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_RIGHT);
    CHECK_KERN(ask(MACH_PORT_NULL, MACH_NOTIFY_DEAD_NAME, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_ARGUMENT);
    CHECK_KERN(ask(CHOSEN(1), MACH_NOTIFY_NO_SENDERS, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_NAME);
    CHECK_KERN(ask(CHOSEN(1), MACH_NOTIFY_DEAD_NAME, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_NAME);
    CHECK_KERN(ask(set, MACH_NOTIFY_DEAD_NAME, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_RIGHT);
    CHECK_KERN(ask(set, MACH_NOTIFY_NO_SENDERS, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_RIGHT);
    CHECK_KERN(ask(port_send_once(port), MACH_NOTIFY_NO_SENDERS, 0, told, HOW(MAKE_SEND_ONCE)), KERN_INVALID_RIGHT);
    mach_port_t dead = port_new(RIGHT(DEAD_NAME));
    CHECK_KERN(ask(port, MACH_NOTIFY_NO_SENDERS, 0, dead, HOW(MOVE_SEND_ONCE)), KERN_INVALID_CAPABILITY);
    CHECK_EQ_INT(rig_port_status(port).mps_nsrequest, 0);
}
