/* mach_port_rights.c - rights made, copied, moved, inserted and extracted; dead names.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_right.c ipc_right_copyin, ipc_right_copyout, ipc_object.c
 * ipc_object_copyout_name unless the manifest names another. */
#include "port_words.h"

static kern_return_t extract(mach_port_t name, mach_msg_type_name_t want, mach_port_t *port)
{
    mach_msg_type_name_t got = 0;
    *port = MACH_PORT_NULL;
    return rig_port_extract_right(TASK, name, want, port, &got);
}

CASE(make_send_is_counted)
{
    mach_port_t port = rig_port(false);
    port_add_send(port, 3);
    CHECK_TYPE(port, TYPE(SEND_RECEIVE)); /* send and receive right of one port share one name */
    mach_port_status_t status = rig_port_status(port);
    CHECK_EQ_INT(status.mps_mscount, 3);
    CHECK_EQ_INT(status.mps_srights, 1); /* the kernel's word for "some": see the header */
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -3), KERN_SUCCESS);
    status = rig_port_status(port);
    CHECK_EQ_INT(status.mps_mscount, 3); /* it counts rights made, not rights that are */
    CHECK_EQ_INT(status.mps_srights, 0);
    CHECK_KERN(rig_port_set_mscount(TASK, port, 77), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_mscount, 77);
    port_add_send(port, 1);
    CHECK_EQ_INT(rig_port_status(port).mps_mscount, 78);
    CHECK_KERN(rig_port_set_mscount(TASK, port_send_once(port), 1), KERN_INVALID_RIGHT);
}

CASE(copy_send_needs_a_send_right)
{
    mach_port_t port = rig_port(false), other;
    CHECK_KERN(extract(port, HOW(COPY_SEND), &other), KERN_INVALID_RIGHT);
    port_add_send(port, 1);
    CHECK_KERN(extract(port, HOW(COPY_SEND), &other), KERN_SUCCESS);
    CHECK_EQ_INT(other, port); /* arrives where the task has it already */
    CHECK_REFS(port, RIGHT(SEND), 2);
    CHECK_EQ_INT(rig_port_status(port).mps_mscount, 1);
}

CASE(move_send_takes_one_reference)
{
    mach_port_t port = rig_port(false), mail = rig_port(true);
    struct rig_letter letter;
    port_add_send(port, 2);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_REFS(port, RIGHT(SEND), 1);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_TYPE(port, TYPE(RECEIVE));
    CHECK_NE_INT(rig_port_status(port).mps_srights, 0); /* they live in the queue */
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_SEND_INVALID_RIGHT);
    for (mach_port_urefs_t refs = 1; refs <= 2; refs++) {
        rig_expect(mail, RIG_HELLO, &letter);
        CHECK_EQ_INT(letter.carried.port.name, port);
        CHECK_EQ_INT(letter.carried.port.disposition, HOW(PORT_SEND));
        CHECK_REFS(port, RIGHT(SEND), refs);
    }
}

CASE(send_once_rights_have_names_of_their_own)
{
    mach_port_t port = rig_port(true), first = port_send_once(port), second = port_send_once(port);
    CHECK(first != second && first != port && second != port);
    CHECK_TYPE(first, TYPE(SEND_ONCE));
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 2);
    CHECK_EQ_INT(rig_port_status(port).mps_mscount, 1); /* not a make-send */
    mach_port_t other;
    CHECK_KERN(extract(first, HOW(COPY_SEND), &other), KERN_INVALID_RIGHT);
    CHECK_KERN(extract(first, HOW(MOVE_SEND), &other), KERN_INVALID_RIGHT);
    CHECK_KERN(extract(first, HOW(MAKE_SEND_ONCE), &other), KERN_INVALID_RIGHT);
    CHECK_KERN(extract(port, HOW(MOVE_SEND_ONCE), &other), KERN_INVALID_RIGHT);
    CHECK_KERN(extract(first, HOW(MOVE_SEND_ONCE), &other), KERN_SUCCESS);
    CHECK_TYPE(other, TYPE(SEND_ONCE));
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 2);
}

CASE(send_once_right_is_used_up)
{
    mach_port_t port = rig_port(false), once = port_send_once(port);
    struct rig_letter letter;
    CHECK_KERN(rig_send(once, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(once, HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_MSG_SUCCESS);
    CHECK_GONE(once);
    CHECK_KERN(rig_send(once, HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 1); /* in the message's header, until it is received */
    rig_expect(port, RIG_HELLO, &letter);
    CHECK_EQ_INT(rig_port_status(port).mps_sorights, 0);
    CHECK_NO_MESSAGE(port);
}

CASE(only_a_receiver_makes_rights)
{
    /* the set and the dead name are rights, too, but not a port's */
    mach_port_t port = rig_port(true), once = port_send_once(port), dead = port_new(RIGHT(DEAD_NAME)), other;
    mach_port_t set = port_new(RIGHT(PORT_SET));
    static const mach_msg_type_name_t makers[] = {HOW(MAKE_SEND), HOW(MAKE_SEND_ONCE), HOW(MOVE_RECEIVE)};
    for (size_t i = 0; i < RIG_COUNT(makers); i++) {
        CHECK_KERN(extract(once, makers[i], &other), KERN_INVALID_RIGHT);
        CHECK_KERN(extract(dead, makers[i], &other), KERN_INVALID_RIGHT);
        CHECK_KERN(extract(set, makers[i], &other), KERN_INVALID_RIGHT);
        CHECK_KERN(extract(TASK, makers[i], &other), KERN_INVALID_RIGHT); /* a send right; the kernel receives */
        CHECK_KERN(extract(CHOSEN(1), makers[i], &other), KERN_INVALID_NAME);
        CHECK_KERN(extract(MACH_PORT_NULL, makers[i], &other), KERN_INVALID_RIGHT);
    }
    CHECK_KERN(extract(port, 99, &other), KERN_INVALID_VALUE);
}

CASE(receive_right_moves_within_the_task)
{
    mach_port_t port = rig_port(false), moved;
    struct rig_letter letter;
    port_fill(port, 2);
    CHECK_KERN(rig_port_set_seqno(TASK, port, 9), KERN_SUCCESS);
    CHECK_KERN(rig_port_set_mscount(TASK, port, 9), KERN_SUCCESS);
    CHECK_KERN(extract(port, HOW(MOVE_RECEIVE), &moved), KERN_SUCCESS);
    CHECK_TYPE(moved, TYPE(RECEIVE));
    mach_port_status_t status = rig_port_status(moved);
    CHECK_EQ_INT(status.mps_seqno, 0); /* both counts begin anew in a new place */
    CHECK_EQ_INT(status.mps_mscount, 0);
    CHECK_EQ_INT(status.mps_msgcount, 2);
    rig_expect(moved, RIG_HELLO, &letter);
    rig_expect(moved, RIG_HELLO + 1, &letter);
    /* with a send right held, it comes back to that name */
    port_add_send(moved, 1);
    mach_port_t again;
    CHECK_KERN(extract(moved, HOW(MOVE_RECEIVE), &again), KERN_SUCCESS);
    CHECK_EQ_INT(again, moved);
    CHECK_TYPE(again, TYPE(SEND_RECEIVE));
}

CASE(insert_under_a_chosen_name)
{
    mach_port_t port = rig_port(false);
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(1), port, HOW(MAKE_SEND_ONCE)), KERN_SUCCESS);
    CHECK_TYPE(CHOSEN(1), TYPE(SEND_ONCE));
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(2), port, HOW(MOVE_RECEIVE)), KERN_SUCCESS);
    CHECK_TYPE(CHOSEN(2), TYPE(RECEIVE));
    CHECK_GONE(port);
    CHECK_KERN(rig_send(CHOSEN(1), HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_MSG_SUCCESS);
    struct rig_letter letter;
    rig_expect(CHOSEN(2), RIG_HELLO, &letter);
}

CASE(insert_refuses_a_second_name_for_a_port)
{
    mach_port_t port = rig_port(true);
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(1), port, HOW(COPY_SEND)), KERN_RIGHT_EXISTS);
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(1), port, HOW(MAKE_SEND)), KERN_RIGHT_EXISTS);
    CHECK_GONE(CHOSEN(1));
    CHECK_REFS(port, RIGHT(SEND), 1);
    CHECK_KERN(mach_port_insert_right(TASK, port, port, HOW(COPY_SEND)), KERN_SUCCESS);
    CHECK_REFS(port, RIGHT(SEND), 2);
}

CASE(insert_refuses_a_name_in_use)
{
    mach_port_t port = rig_port(false), other = rig_port(true);
    CHECK_KERN(mach_port_insert_right(TASK, other, port, HOW(MAKE_SEND_ONCE)), KERN_NAME_EXISTS);
    CHECK_KERN(mach_port_insert_right(TASK, port, port, HOW(MAKE_SEND_ONCE)), KERN_NAME_EXISTS);
    CHECK_REFS(other, RIGHT(SEND), 1);
    CHECK_TYPE(port, TYPE(RECEIVE));
}

CASE(insert_refuses_what_is_no_right)
{
    mach_port_t port = rig_port(false), dead = port_new(RIGHT(DEAD_NAME));
    CHECK_KERN(mach_port_insert_right(TASK, port, port, HOW(COPY_SEND)), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(1), dead, HOW(COPY_SEND)), KERN_INVALID_CAPABILITY);
    CHECK_KERN(mach_port_insert_right(TASK, CHOSEN(1), CHOSEN(2), HOW(COPY_SEND)), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_insert_right(TASK, MACH_PORT_NULL, port, HOW(MAKE_SEND)), KERN_INVALID_VALUE);
    CHECK_KERN(mach_port_insert_right(TASK, MACH_PORT_DEAD, port, HOW(MAKE_SEND)), KERN_INVALID_VALUE);
    CHECK_GONE(CHOSEN(1));
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 0); /* what was made for nothing is given back */
}

CASE(port_death_makes_dead_names)
{
    mach_port_t port = rig_port(false), once = port_send_once(port);
    port_add_send(port, 3);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_TYPE(port, TYPE(DEAD_NAME));
    CHECK_REFS(port, RIGHT(DEAD_NAME), 3); /* one for each reference to the send right */
    CHECK_REFS(port, RIGHT(SEND), 0);
    CHECK_TYPE(once, TYPE(DEAD_NAME));
    CHECK_REFS(once, RIGHT(DEAD_NAME), 1);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(DEAD_NAME), -2), KERN_SUCCESS);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_GONE(port);
    CHECK_KERN(mach_port_deallocate(TASK, once), KERN_SUCCESS);
    CHECK_GONE(once);
}

CASE(sending_to_no_port_is_refused)
{
    mach_port_t port = rig_port(true), receive_only = rig_port(false), set = port_new(RIGHT(PORT_SET));
    REQUIRE_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1));
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST); /* a dead name */
    CHECK_KERN(rig_send(receive_only, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(receive_only, HOW(MOVE_SEND_ONCE), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(set, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(CHOSEN(1), HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(MACH_PORT_NULL, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_send(MACH_PORT_DEAD, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    CHECK_NO_MESSAGE(receive_only);
    CHECK_REFS(port, RIGHT(DEAD_NAME), 1);
}

CASE(a_right_that_dies_in_a_message_arrives_dead)
{
    mach_port_t mail = rig_port(true), port = rig_port(true);
    struct rig_letter letter;
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_GONE(port);
    rig_expect(mail, RIG_HELLO, &letter);
    CHECK_EQ_INT(letter.carried.port.name, MACH_PORT_DEAD);
    /* a dead name goes into a message, and arrives as the dead port */
    mach_port_t dead = port_new(RIGHT(DEAD_NAME));
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, dead, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_GONE(dead);
    rig_expect(mail, RIG_HELLO, &letter);
    CHECK_EQ_INT(letter.carried.port.name, MACH_PORT_DEAD);
}

CASE(rights_in_messages_not_received_are_freed)
{
    mach_port_t mail = rig_port(true), port = rig_port(true), held = rig_port(true);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)), MACH_MSG_SUCCESS);
    CHECK_KERN(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, held, HOW(MOVE_RECEIVE)), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 1);
    CHECK_TYPE(held, TYPE(SEND));
    CHECK_KERN(rig_port_destroy(TASK, mail), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 0);
    CHECK_TYPE(held, TYPE(DEAD_NAME)); /* the receive right was destroyed with the message */
}
