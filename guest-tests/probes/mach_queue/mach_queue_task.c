/* mach_queue_task.c - messages between tasks: how they find each other, what a right is elsewhere, what outlives whom.
 * Contracts: xnu-4570.41.2 osfmk/kern/ipc_tt.c ipc_task_init (what a child inherits), osfmk/ipc/ipc_kmsg.c. */
#include "receiver.h"

enum { REGISTERED = 3 }; /* TASK_PORT_REGISTER_MAX, osfmk/mach/task_special_ports.h */

/* ---- How a child finds its parent -------------------------------------------------------------------------------- */

static void find_registered(void *arg)
{
    (void)arg;
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(rig_task(), &ports, &count));
    CHECK_EQ_INT(count, REGISTERED);
    CHECK_EQ_INT(rig_port_type(ports[0]), MACH_PORT_TYPE_SEND);
    LETTER_SEND(ports[0], 1);
    LETTER_SEND(ports[2], 3);
}

CASE(registered_ports_are_inherited)
{
    mach_port_t ports[REGISTERED] = {rig_port(true), MACH_PORT_NULL, rig_port(true)};
    REQUIRE_KERN(rig_ports_register(rig_task(), ports, REGISTERED));
    CHECK_EXITED(rig_spawn(find_registered, NULL), 0);
    LETTER_ARRIVES(ports[0], 1);
    LETTER_ARRIVES(ports[2], 3);
}

ROLE(find_registered) { find_registered(NULL); }

CASE(registered_ports_survive_exec)
{
    mach_port_t ports[REGISTERED] = {rig_port(true), MACH_PORT_NULL, rig_port(true)};
    REQUIRE_KERN(rig_ports_register(rig_task(), ports, REGISTERED));
    CHECK_EXITED(rig_exec_role("find_registered", NULL, -1), 0);
    LETTER_ARRIVES(ports[0], 1);
    LETTER_ARRIVES(ports[2], 3);
}

static void find_bootstrap(void *arg)
{
    (void)arg;
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_KERN(rig_task_get_special_port(rig_task(), TASK_BOOTSTRAP_PORT, &port));
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_SEND);
    LETTER_SEND(port, 2);
}

CASE(bootstrap_port_is_inherited)
{
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_task_set_special_port(rig_task(), TASK_BOOTSTRAP_PORT, port));
    CHECK_EXITED(rig_spawn(find_bootstrap, NULL), 0);
    LETTER_ARRIVES(port, 2);
}

static void use_the_parents_name(void *arg)
{
    mach_port_t name = *(mach_port_t *)arg;
    struct letter letter;
    CHECK_NE_INT(name, rig_task());
    CHECK_KERN(letter_post(name, 1, 0), MACH_SEND_INVALID_DEST);
    CHECK_KERN(letter_take(name, &letter, 0), MACH_RCV_INVALID_NAME);
}

CASE(rights_are_not_inherited)
{
    /* a name so far up that the child's new space cannot hold it by chance */
    mach_port_t port = MACH_PORT_NULL;
    for (int i = 0; i < 200; i++)
        port = rig_port(true);
    CHECK_EXITED(rig_spawn(use_the_parents_name, &port), 0);
    NO_LETTER(port);
}

/* ---- Rights that travel -------------------------------------------------------------------------------------------- */

/* Sends each letter back with its id turned round, until one of id 0. */
static void echo(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    do {
        REQUIRE_KERN(letter_take(parent->mine, &letter, rig_msg_patience()));
        REQUIRE_KERN(letter_post(parent->to, -letter.head.msgh_id, rig_msg_patience()));
    } while (letter.head.msgh_id != 0);
}

CASE(two_tasks_exchange_letters)
{
    struct rig_partner partner;
    rig_partner_start(&partner, echo, NULL);
    CHECK_EQ_INT(rig_port_type(partner.to), MACH_PORT_TYPE_SEND);
    for (int i = 100; i >= 0; i--) {
        REQUIRE_QUIET(letter_post(partner.to, i, rig_msg_patience()) == MACH_MSG_SUCCESS);
        struct letter letter;
        REQUIRE_QUIET(letter_take(partner.mine, &letter, rig_msg_patience()) == MACH_MSG_SUCCESS);
        REQUIRE_QUIET(letter_is(&letter, -i));
    }
    CHECK_EXITED(partner.pid, 0);
    NO_LETTER(partner.mine);
}

/* Answers one request to its reply port, by the right that came with it. */
static void serve_one(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    REQUIRE_KERN(letter_take(parent->mine, &letter, rig_msg_patience()));
    CHECK_EQ_INT(MACH_MSGH_BITS_REMOTE(letter.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ_INT(rig_port_type(letter.head.msgh_remote_port), MACH_PORT_TYPE_SEND_ONCE);
    mach_port_t reply = letter.head.msgh_remote_port;
    letter_write(&letter, reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, letter.head.msgh_id + 100);
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
}

CASE(request_and_reply_in_one_call)
{
    struct rig_partner partner;
    rig_partner_start(&partner, serve_one, NULL);
    mach_port_t reply = mach_reply_port();
    CHECK_EQ_INT(rig_port_type(reply), MACH_PORT_TYPE_RECEIVE);
    struct letter letter;
    letter_write(&letter, partner.to, MACH_MSG_TYPE_COPY_SEND, 200);
    rig_msg_reply_to(&letter.head, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, LETTER_SIZE, sizeof letter, reply,
                       rig_msg_patience()),
               MACH_MSG_SUCCESS);
    CHECK(letter_is(&letter, 300));
    CHECK_EQ_INT(letter.head.msgh_local_port, reply);
    CHECK_EXITED(partner.pid, 0);
}

/* The caller of a server that dies is told by the destruction of the reply right. */
static void take_and_die(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct letter letter;
    REQUIRE_KERN(letter_take(parent->mine, &letter, rig_msg_patience()));
    _exit(0);
}

CASE(server_that_dies_answers_by_notification)
{
    struct rig_partner partner;
    rig_partner_start(&partner, take_and_die, NULL);
    mach_port_t reply = rig_port(false);
    struct letter letter;
    letter_write(&letter, partner.to, MACH_MSG_TYPE_COPY_SEND, 200);
    rig_msg_reply_to(&letter.head, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, LETTER_SIZE, sizeof letter, reply,
                       rig_msg_patience()),
               MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    CHECK_EXITED(partner.pid, 0);
}

/* A receive right that goes to another task takes queue and senders along. */
static void serve_the_moved_right(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct parcel parcel;
    parcel_take(parent->mine, &parcel);
    CHECK_EQ_INT(parcel.port.disposition, MACH_MSG_TYPE_PORT_RECEIVE);
    CHECK_EQ_INT(rig_port_type(parcel.port.name), MACH_PORT_TYPE_RECEIVE);
    LETTER_ARRIVES(parcel.port.name, 1);
    LETTER_ARRIVES(parcel.port.name, 2);
    LETTER_SEND(parent->to, 3);
    LETTER_ARRIVES(parcel.port.name, 4);
}

CASE(receive_right_moves_to_another_task)
{
    struct rig_partner partner;
    mach_port_t port = rig_port(true);
    rig_partner_start(&partner, serve_the_moved_right, NULL);
    LETTER_SEND(port, 1);
    struct parcel parcel;
    parcel_write(&parcel, partner.to, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_MOVE_RECEIVE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    LETTER_SEND(port, 2); /* the send right left behind reaches it wherever it is */
    LETTER_ARRIVES(partner.mine, 3);
    LETTER_SEND(port, 4);
    CHECK_EXITED(partner.pid, 0);
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_DEAD_NAME); /* it died with its new owner */
}

/* Memory moved or copied to another task is that task's own. */
static void change_the_memory(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct parcel parcel;
    for (int i = 0; i < 2; i++) {
        parcel_take(parent->mine, &parcel);
        REQUIRE_EQ_INT(parcel.memory.size, 100000);
        CHECK(pattern_is(parcel.memory.address, 100000, 6));
        memset(parcel.memory.address, 0, 100000);
        LETTER_SEND(parent->to, i);
    }
}

CASE(memory_goes_to_another_task)
{
    struct rig_partner partner;
    rig_partner_start(&partner, change_the_memory, NULL);
    uint8_t *bytes = pages(100000, 6);
    for (int i = 0; i < 2; i++) {
        struct parcel parcel;
        parcel_write(&parcel, partner.to, MACH_MSG_OOL_DESCRIPTOR);
        parcel.memory = rig_memory_item(bytes, 100000, i > 0, MACH_MSG_VIRTUAL_COPY);
        REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
        LETTER_ARRIVES(partner.mine, i);
        if (i == 0)
            CHECK(pattern_is(bytes, 100000, 6)); /* its writes are not seen here */
        else
            CHECK(!is_mapped(bytes));
    }
    CHECK_EXITED(partner.pid, 0);
}

/* ---- Death on either side ------------------------------------------------------------------------------------------ */

static void leave(struct rig_partner *parent, void *arg)
{
    (void)arg;
    LETTER_ARRIVES(parent->mine, 1);
}

CASE(dead_task_leaves_a_dead_name)
{
    struct rig_partner partner;
    rig_partner_start(&partner, leave, NULL);
    CHECK_EQ_INT(rig_port_type(partner.to), MACH_PORT_TYPE_SEND);
    LETTER_SEND(partner.to, 1);
    CHECK_EXITED(partner.pid, 0);
    CHECK_EQ_INT(rig_port_type(partner.to), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_KERN(letter_post(partner.to, 2, 0), MACH_SEND_INVALID_DEST);
}

static void send_all_and_die(struct rig_partner *parent, void *arg)
{
    (void)arg;
    struct mixed {
        mach_msg_base_t base;
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t memory;
    } mixed;
    uint8_t *bytes = pages(50000, 5);
    LETTER_SEND(parent->to, 1);
    rig_msg_to(&mixed.base.header, parent->to, MACH_MSG_TYPE_COPY_SEND, 2, sizeof mixed);
    rig_msg_complex(&mixed.base, 2);
    mixed.port = rig_port_item(rig_port(false), MACH_MSG_TYPE_MAKE_SEND);
    mixed.memory = rig_memory_item(bytes, 50000, false, MACH_MSG_VIRTUAL_COPY);
    REQUIRE_KERN(rig_msg_send(&mixed.base.header, 0));
    kill(getpid(), SIGKILL);
}

CASE(messages_outlive_their_sender)
{
    struct rig_partner partner;
    struct {
        mach_msg_base_t base;
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t memory;
        mach_msg_max_trailer_t trailer;
    } mixed;
    rig_partner_start(&partner, send_all_and_die, NULL);
    CHECK_KILLED_BY(partner.pid, SIGKILL);
    LETTER_ARRIVES(partner.mine, 1);
    REQUIRE_KERN(rig_msg_receive(&mixed.base.header, sizeof mixed, partner.mine, 0));
    CHECK_EQ_INT(mixed.port.name, MACH_PORT_DEAD); /* its port is dead, */
    REQUIRE_EQ_INT(mixed.memory.size, 50000);      /* its memory is not */
    CHECK(pattern_is(mixed.memory.address, 50000, 5));
}

static void wait_to_be_killed(struct rig_partner *parent, void *arg)
{
    (void)arg;
    LETTER_ARRIVES(parent->mine, 0);
    rig_sleep_ms(rig_patience(20) * 1000);
}

CASE(rights_queued_at_a_task_die_with_it)
{
    struct rig_partner partner;
    mach_port_t inside = rig_port(true), reply = rig_port(false);
    struct parcel parcel;
    struct letter letter;
    rig_partner_start(&partner, wait_to_be_killed, NULL);
    parcel_write(&parcel, partner.to, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(inside, MACH_MSG_TYPE_MOVE_RECEIVE);
    rig_msg_reply_to(&parcel.base.header, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    LETTER_SEND(partner.to, 0);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    CHECK_EQ_INT(rig_port_type(inside), MACH_PORT_TYPE_SEND);
    rig_kill(partner.pid);
    CHECK_KERN(letter_take(reply, &letter, rig_msg_patience()), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    CHECK_EQ_INT(rig_port_type(inside), MACH_PORT_TYPE_DEAD_NAME);
}
