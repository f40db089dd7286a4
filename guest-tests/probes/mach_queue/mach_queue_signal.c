/* mach_queue_signal.c - sends and receives that a signal, or a change of their port, ends early.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_send, ipc_mqueue_receive_results; libsyscall/mach/mach_msg.c
 * mach_msg, which repeats what was interrupted unless asked not to. */
#include "receiver.h"

enum { QUEUE = MACH_PORT_QLIMIT_DEFAULT, READY = 4711 };

/* Tells the parent that the handler is there. */
static void ready(const struct rig_partner *parent)
{
    rig_catch(SIGUSR1, SA_RESTART); /* no matter to Mach */
    CHECK_KERN(letter_post(parent->to, READY, rig_msg_patience()), MACH_MSG_SUCCESS);
}

static void receive_interrupted(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    ready(parent);
    CHECK_KERN(letter_take(parent->mine, &letter, rig_msg_patience()), MACH_RCV_INTERRUPTED);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_KERN(letter_post(parent->to, READY, 0), MACH_MSG_SUCCESS);
    LETTER_ARRIVES(parent->mine, 6); /* the queue is as good as before */
}

CASE(signal_interrupts_a_receive)
{
    struct rig_partner partner;
    rig_partner_start(&partner, receive_interrupted, NULL);
    LETTER_ARRIVES(partner.mine, READY);
    rig_interrupt(partner.pid, SIGUSR1);
    LETTER_ARRIVES(partner.mine, READY);
    LETTER_SEND(partner.to, 6);
    CHECK_EXITED(partner.pid, 0);
}

static void receive_repeated(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    ready(parent);
    CHECK_KERN(mach_msg(&letter.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof letter, parent->mine, rig_msg_patience(),
                        MACH_PORT_NULL),
               MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 7));
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(interrupted_receive_is_repeated_by_the_library)
{
    struct rig_partner partner;
    rig_partner_start(&partner, receive_repeated, NULL);
    LETTER_ARRIVES(partner.mine, READY);
    rig_interrupt(partner.pid, SIGUSR1);
    rig_sleep_ms(20);
    CHECK(rig_wait_blocked(partner.pid)); /* waits again */
    LETTER_SEND(partner.to, 7);
    CHECK_EXITED(partner.pid, 0);
}

static void send_interrupted(struct rig_partner *parent, void *arg)
{
    (void)arg;
    mach_port_t carried = rig_port(true);
    struct parcel parcel;
    ready(parent);
    CHECK_EQ_INT(letters_fill(parent->to), QUEUE - 1);
    parcel_write(&parcel, parent->to, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(carried, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_KERN(rig_msg_send(&parcel.base.header, rig_msg_patience()), MACH_SEND_INTERRUPTED);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
    CHECK_EQ_INT(refs(carried, MACH_PORT_RIGHT_SEND), 1); /* it came back */
}

CASE(signal_interrupts_a_send)
{
    struct rig_partner partner;
    rig_partner_start(&partner, send_interrupted, NULL);
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    while (rig_port_status(partner.mine).mps_msgcount < QUEUE && rig_now_ns() < end)
        rig_sleep_ms(1);
    rig_interrupt(partner.pid, SIGUSR1);
    CHECK_EXITED(partner.pid, 0);
    LETTER_ARRIVES(partner.mine, READY);
    for (int i = 0; i < QUEUE - 1; i++)
        LETTER_ARRIVES(partner.mine, i);
    NO_LETTER(partner.mine); /* the interrupted one was not sent */
}

static void send_repeated(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    ready(parent);
    CHECK_EQ_INT(letters_fill(parent->to), QUEUE - 1);
    letter_write(&letter, parent->to, MACH_MSG_TYPE_COPY_SEND, 40);
    CHECK_KERN(mach_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, LETTER_SIZE, 0, MACH_PORT_NULL, rig_msg_patience(),
                        MACH_PORT_NULL),
               MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_caught(SIGUSR1), 1);
}

CASE(interrupted_send_is_repeated_by_the_library)
{
    struct rig_partner partner;
    rig_partner_start(&partner, send_repeated, NULL);
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    while (rig_port_status(partner.mine).mps_msgcount < QUEUE && rig_now_ns() < end)
        rig_sleep_ms(1);
    rig_interrupt(partner.pid, SIGUSR1);
    rig_sleep_ms(20);
    CHECK(rig_wait_blocked(partner.pid));
    LETTER_ARRIVES(partner.mine, READY);
    CHECK_EXITED(partner.pid, 0);
    for (int i = 0; i < QUEUE - 1; i++)
        LETTER_ARRIVES(partner.mine, i);
    LETTER_ARRIVES(partner.mine, 40);
    NO_LETTER(partner.mine);
}

/* ---- The port changes under a blocked receiver ----------------------------------------------------------------- */

CASE(port_dies_under_a_blocked_receiver)
{
    struct receiver receiver = {.from = rig_port(true)};
    receiver_start(&receiver);
    CHECK_KERN(mach_port_mod_refs(rig_task(), receiver.from, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_RCV_PORT_CHANGED); /* MACH_RCV_PORT_DIED is in the comments only */
}

CASE(port_is_given_away_under_a_blocked_receiver)
{
    struct receiver receiver = {.from = rig_port(true)};
    mach_port_t through = rig_port(true);
    struct parcel parcel;
    receiver_start(&receiver);
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(receiver.from, MACH_MSG_TYPE_MOVE_RECEIVE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_RCV_PORT_CHANGED);
}

CASE(set_dies_under_a_blocked_receiver)
{
    struct receiver receiver = {.room = 0};
    mach_port_t member = rig_port(true);
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &receiver.from));
    REQUIRE_KERN(mach_port_insert_member(rig_task(), member, receiver.from));
    receiver_start(&receiver);
    CHECK_KERN(mach_port_mod_refs(rig_task(), receiver.from, MACH_PORT_RIGHT_PORT_SET, -1), KERN_SUCCESS);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_RCV_PORT_CHANGED);
    LETTER_SEND(member, 2); /* the member lives on */
    LETTER_ARRIVES(member, 2);
}

/* Since ports may be in several sets, a receiver of the port itself stays its receiver. */
CASE(port_joins_a_set_under_a_blocked_receiver)
{
    struct receiver receiver = {.from = rig_port(true)};
    mach_port_t set = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    receiver_start(&receiver);
    CHECK_KERN(mach_port_insert_member(rig_task(), receiver.from, set), KERN_SUCCESS);
    LETTER_SEND(receiver.from, 12);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_MSG_SUCCESS);
    CHECK(letter_is(&receiver.letter, 12));
    NO_LETTER(set);
}
