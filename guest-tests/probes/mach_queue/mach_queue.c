/* mach_queue.c - timeouts, and blocking on an empty and on a full queue.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_send, ipc_mqueue_receive_on_thread. */
#include "receiver.h"

PROBE("mach_queue", "1");

enum { QUEUE = MACH_PORT_QLIMIT_DEFAULT, WHILE_MS = 60 };

static double elapsed_ms(uint64_t since) { return (double)(rig_now_ns() - since) / 1e6; }

CASE(receive_from_an_empty_queue_times_out)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    uint64_t start = rig_now_ns();
    CHECK_KERN(letter_take(port, &letter, 0), MACH_RCV_TIMED_OUT); /* at once */
    CHECK(elapsed_ms(start) < rig_patience(1) * 1000);
    start = rig_now_ns();
    CHECK_KERN(letter_take(port, &letter, WHILE_MS), MACH_RCV_TIMED_OUT);
    CHECK(elapsed_ms(start) >= WHILE_MS - 1);
    LETTER_SEND(port, 1);
    LETTER_ARRIVES(port, 1); /* none the worse for it */
}

CASE(send_to_a_full_queue_times_out)
{
    mach_port_t port = rig_port(true);
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    uint64_t start = rig_now_ns();
    CHECK_KERN(letter_post(port, 9, 0), MACH_SEND_TIMED_OUT);
    CHECK(elapsed_ms(start) < rig_patience(1) * 1000);
    start = rig_now_ns();
    CHECK_KERN(letter_post(port, 9, WHILE_MS), MACH_SEND_TIMED_OUT);
    CHECK(elapsed_ms(start) >= WHILE_MS - 1);
    for (int i = 0; i < QUEUE; i++)
        LETTER_ARRIVES(port, i);
    NO_LETTER(port); /* what timed out was not sent */
    LETTER_SEND(port, 10);
}

CASE(queue_takes_as_many_as_its_limit)
{
    static const mach_port_msgcount_t limits[] = {1, 16, 100, MACH_PORT_QLIMIT_MAX};
    for (size_t i = 0; i < RIG_COUNT(limits); i++) {
        mach_port_t port = rig_port(true);
        rig_port_set_limit(port, limits[i]);
        CHECK_EQ_INT(letters_fill(port), limits[i]);
        CHECK_EQ_INT(rig_port_status(port).mps_msgcount, limits[i]);
        LETTER_ARRIVES(port, 0);
        LETTER_SEND(port, 5); /* one out, one in */
        CHECK_KERN(letter_post(port, 6, 0), MACH_SEND_TIMED_OUT);
        CHECK_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    }
}

CASE(queue_of_limit_zero_takes_nothing)
{
    mach_port_t port = rig_port(true);
    rig_port_set_limit(port, 0);
    CHECK_KERN(letter_post(port, 1, 0), MACH_SEND_TIMED_OUT);
    NO_LETTER(port);
}

CASE(send_once_messages_pass_the_limit)
{
    mach_port_t port = rig_port(true);
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    struct letter letter;
    for (int i = 0; i < 3; i++) {
        letter_write(&letter, port, MACH_MSG_TYPE_MAKE_SEND_ONCE, 100 + i);
        CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
    }
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, QUEUE + 3);
    CHECK_KERN(letter_post(port, 9, 0), MACH_SEND_TIMED_OUT);
    for (int i = 0; i < QUEUE; i++)
        LETTER_ARRIVES(port, i);
    for (int i = 0; i < 3; i++)
        LETTER_ARRIVES(port, 100 + i);
}

CASE(message_wakes_a_blocked_receiver)
{
    struct receiver receiver = {.from = rig_port(true)};
    receiver_start(&receiver);
    LETTER_SEND(receiver.from, 3);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_MSG_SUCCESS);
    CHECK(letter_is(&receiver.letter, 3));
    NO_LETTER(receiver.from);
}

CASE(each_message_wakes_one_receiver)
{
    struct receiver receiver[3];
    mach_port_t port = rig_port(true);
    memset(receiver, 0, sizeof receiver);
    for (int i = 0; i < 3; i++) {
        receiver[i].from = port;
        receiver_start(&receiver[i]);
    }
    for (int i = 0; i < 3; i++)
        LETTER_SEND(port, i);
    unsigned seen = 0;
    for (int i = 0; i < 3; i++) {
        receiver_join(&receiver[i]);
        CHECK_KERN(receiver[i].result, MACH_MSG_SUCCESS);
        if (receiver[i].letter.head.msgh_id >= 0 && receiver[i].letter.head.msgh_id < 3)
            seen |= 1u << receiver[i].letter.head.msgh_id;
    }
    CHECK_EQ_INT(seen, 7);
}

/* ---- A child that blocks in a send --------------------------------------------------------------------------- */

static void fill_and_send_one_more(struct rig_partner *parent, void *arg)
{
    const mach_msg_return_t *want = arg;
    CHECK_EQ_INT(letters_fill(parent->to), QUEUE);
    CHECK_KERN(letter_post(parent->to, QUEUE, rig_msg_patience()), *want);
}

static struct rig_partner blocked_sender(const mach_msg_return_t *want)
{
    struct rig_partner partner;
    rig_partner_start(&partner, fill_and_send_one_more, (void *)(uintptr_t)want);
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    while (rig_port_status(partner.mine).mps_msgcount < QUEUE && rig_now_ns() < end)
        rig_sleep_ms(1);
    CHECK(rig_wait_blocked(partner.pid));
    return partner;
}

CASE(receive_wakes_a_blocked_sender)
{
    static const mach_msg_return_t want = MACH_MSG_SUCCESS;
    struct rig_partner partner = blocked_sender(&want);
    CHECK_EQ_INT(rig_port_status(partner.mine).mps_msgcount, QUEUE);
    LETTER_ARRIVES(partner.mine, 0);
    CHECK_EXITED(partner.pid, 0);
    for (int i = 1; i <= QUEUE; i++)
        LETTER_ARRIVES(partner.mine, i);
    NO_LETTER(partner.mine);
}

CASE(larger_limit_wakes_a_blocked_sender)
{
    static const mach_msg_return_t want = MACH_MSG_SUCCESS;
    struct rig_partner partner = blocked_sender(&want);
    rig_port_set_limit(partner.mine, QUEUE + 1);
    CHECK_EXITED(partner.pid, 0);
    CHECK_EQ_INT(rig_port_status(partner.mine).mps_msgcount, QUEUE + 1);
}

/* A message to a port that dies counts as delivered and destroyed at once. */
CASE(port_dies_under_a_blocked_sender)
{
    static const mach_msg_return_t want = MACH_MSG_SUCCESS;
    struct rig_partner partner = blocked_sender(&want);
    CHECK_KERN(mach_port_mod_refs(rig_task(), partner.mine, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EXITED(partner.pid, 0);
}

CASE(smaller_limit_keeps_what_is_queued)
{
    mach_port_t port = rig_port(true);
    CHECK_EQ_INT(letters_fill(port), QUEUE);
    rig_port_set_limit(port, 2);
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, QUEUE);
    for (int i = 0; i < QUEUE - 2; i++) {
        LETTER_ARRIVES(port, i);
        CHECK_KERN(letter_post(port, 50, 0), MACH_SEND_TIMED_OUT); /* still at the limit or above */
    }
    LETTER_ARRIVES(port, QUEUE - 2);
    LETTER_SEND(port, 51);
}
