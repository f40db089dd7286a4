/* mach_port_tasks.c - rights and other tasks: what is inherited, what moves, what a task's end does to rights.
 * Contracts: xnu-4570.41.2 osfmk/kern/ipc_tt.c ipc_task_init, mach_ports_register, mach_ports_lookup,
 * task_get_special_port; osfmk/ipc/ipc_right.c ipc_right_terminate; the manifest says which. */
#include "port_words.h"

#include <stdio.h>

enum { REGISTERED = 3 }; /* TASK_PORT_REGISTER_MAX, osfmk/mach/mach_param.h */

/* A child in another task, which does what messages to its port bid (see the role). */
struct mate {
    pid_t pid;
    mach_port_t port; /* the child's */
    mach_port_t task; /* the child's task port */
};

enum { /* message ids: bids of the parent, and answers */
    GIVE = 0x2000, /* carries a receive right: receive all from it, answering each by its id, then GIVE */
    KEEP,          /* carries any right: keep it till death */
    LEAVE,         /* end */
    ITS_PORT = 0x3000,
    ITS_TASK,
    ANSWER = 0x4000
};

ROLE(mate)
{
    mach_port_t parent = rig_parents_port(), mine = rig_port(false);
    struct rig_letter letter, inner;
    REQUIRE_KERN(rig_send_port(parent, HOW(COPY_SEND), ITS_PORT, mine, HOW(MAKE_SEND)));
    REQUIRE_KERN(rig_send_port(parent, HOW(COPY_SEND), ITS_TASK, TASK, HOW(COPY_SEND)));
    for (;;) {
        mach_msg_return_t result = rig_msg(memset(&letter, 0, sizeof letter), MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                           sizeof letter, mine, (mach_msg_timeout_t)(rig_patience(8) * 1000));
        REQUIRE_KERN(result);
        switch (letter.header.msgh_id) {
        case GIVE:
            CHECK_EQ_INT(letter.carried.port.disposition, HOW(PORT_RECEIVE));
            while (rig_take(letter.carried.port.name, &inner) == MACH_MSG_SUCCESS)
                REQUIRE_KERN(rig_send(parent, HOW(COPY_SEND), ANSWER + inner.header.msgh_id));
            REQUIRE_KERN(rig_send(parent, HOW(COPY_SEND), GIVE));
            rig_expect(letter.carried.port.name, RIG_HELLO + 50, &inner); /* and one that is sent later */
            REQUIRE_KERN(rig_send(parent, HOW(COPY_SEND), ANSWER + inner.header.msgh_id));
            break;
        case KEEP:
            REQUIRE_KERN(rig_send(parent, HOW(COPY_SEND), KEEP));
            break;
        case LEAVE:
            return;
        default:
            FAIL("a bid that is known");
        }
    }
}

/* The child talks to `here`. */
static struct mate new_mate(mach_port_t here)
{
    struct mate mate = {.pid = rig_exec_role_with_port("mate", NULL, here)};
    struct rig_letter letter;
    rig_expect(here, ITS_PORT, &letter);
    mate.port = letter.carried.port.name;
    CHECK_TYPE(mate.port, TYPE(SEND));
    rig_expect(here, ITS_TASK, &letter);
    mate.task = letter.carried.port.name;
    CHECK_TYPE(mate.task, TYPE(SEND));
    return mate;
}

static void leave(const struct mate *mate)
{
    CHECK_KERN(rig_send(mate->port, HOW(COPY_SEND), LEAVE), MACH_MSG_SUCCESS);
    CHECK_EXITED(mate->pid, 0);
}

static void finds_no_rights(void *arg)
{
    mach_port_t port = *(mach_port_t *)arg;
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), 1), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), 0), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_insert_right(TASK, port, port, HOW(MAKE_SEND)), KERN_INVALID_NAME);
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    struct rig_letter letter;
    CHECK_KERN(rig_take(port, &letter), MACH_RCV_INVALID_NAME);
}

CASE(fork_hands_no_rights_on)
{
    /* a chosen name: no right of the child's own can have it by chance */
    mach_port_t port = CHOSEN(5);
    REQUIRE_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), port));
    port_add_send(port, 1);
    port_fill(port, 1);
    CHECK_EXITED(rig_spawn(finds_no_rights, &port), 0);
    CHECK_TYPE(port, TYPE(SEND_RECEIVE));
    struct rig_letter letter;
    rig_expect(port, RIG_HELLO, &letter);
    CHECK_NO_MESSAGE(port);
}

ROLE(finds_no_rights)
{
    mach_port_t port = argc > 0 ? (mach_port_t)strtoul(argv[0], NULL, 0) : 0;
    finds_no_rights(&port);
}

CASE(a_name_of_another_task_means_nothing)
{
    mach_port_t port = CHOSEN(5);
    REQUIRE_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), port));
    port_add_send(port, 1);
    char name[16];
    snprintf(name, sizeof name, "%#x", port);
    const char *const args[] = {name, NULL};
    CHECK_EXITED(rig_exec_role("finds_no_rights", args, -1), 0);
    CHECK_NO_MESSAGE(port);
}

ROLE(looks_registered_up)
{
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(TASK, &ports, &count));
    CHECK_EQ_INT(count, REGISTERED);
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        CHECK_TYPE(ports[i], TYPE(SEND));
        CHECK_KERN(rig_send(ports[i], HOW(COPY_SEND), RIG_HELLO + (mach_msg_id_t)i), MACH_MSG_SUCCESS);
    }
}

CASE(registered_ports_are_inherited)
{
    mach_port_t ports[REGISTERED];
    struct rig_letter letter;
    for (int i = 0; i < REGISTERED; i++)
        ports[i] = rig_port(true);
    CHECK_KERN(rig_ports_register(TASK, ports, REGISTERED), KERN_SUCCESS);
    CHECK_EXITED(rig_exec_role("looks_registered_up", NULL, -1), 0);
    for (int i = 0; i < REGISTERED; i++)
        rig_expect(ports[i], RIG_HELLO + i, &letter);
}

CASE(registered_ports_are_three)
{
    mach_port_t port = rig_port(true), told = rig_port(false), many[4] = {port, port, port, port};
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    struct rig_letter letter;
    CHECK_KERN(rig_ports_register(TASK, many, 4), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_ports_register(TASK, many, 1), KERN_SUCCESS);
    REQUIRE_KERN(rig_ports_lookup(TASK, &ports, &count));
    CHECK_EQ_INT(count, 3);
    CHECK_EQ_INT(ports[0], port);
    CHECK_EQ_INT(ports[1], MACH_PORT_NULL);
    CHECK_EQ_INT(ports[2], MACH_PORT_NULL);
    rig_port_free_array(ports, count);
    CHECK_KERN(rig_port_set_mscount(TASK, port, 0), KERN_SUCCESS);
    port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -(int)port_refs(port, RIGHT(SEND))), KERN_SUCCESS);
    CHECK_NO_MESSAGE(told); /* the registration is a send right, too */
    CHECK_KERN(rig_ports_register(TASK, NULL, 0), KERN_SUCCESS);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
}

CASE(a_receive_right_takes_its_queue_along)
{
    mach_port_t here = rig_port(true), port = rig_port(true);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    port_fill(port, 3);
    CHECK_KERN(rig_send_port(mate.port, HOW(COPY_SEND), GIVE, port, HOW(MOVE_RECEIVE)), MACH_MSG_SUCCESS);
    CHECK_TYPE(port, TYPE(SEND)); /* the send right stays, and now leads to the other task */
    for (int i = 0; i < 3; i++)
        rig_expect(here, ANSWER + RIG_HELLO + i, &letter);
    rig_expect(here, GIVE, &letter);
    CHECK_KERN(rig_send(port, HOW(COPY_SEND), RIG_HELLO + 50), MACH_MSG_SUCCESS);
    rig_expect(here, ANSWER + RIG_HELLO + 50, &letter);
    CHECK_KERN(rig_take(port, &letter), MACH_RCV_INVALID_NAME);
    leave(&mate);
    CHECK_TYPE(port, TYPE(DEAD_NAME));
}

static void end_with_notice(bool killed)
{
    mach_port_t here = rig_port(true), told = rig_port(false), gone = rig_port(false);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    port_notify(mate.port, MACH_NOTIFY_DEAD_NAME, 0, told);
    port_notify(mate.task, MACH_NOTIFY_DEAD_NAME, 0, gone);
    CHECK_NO_MESSAGE(told);
    if (killed)
        rig_kill(mate.pid);
    else
        leave(&mate);
    rig_expect(told, MACH_NOTIFY_DEAD_NAME, &letter);
    CHECK_EQ_INT(letter.notified.value, mate.port);
    CHECK_TYPE(mate.port, TYPE(DEAD_NAME));
    CHECK_REFS(mate.port, RIGHT(DEAD_NAME), 2);
    CHECK_KERN(rig_send(mate.port, HOW(COPY_SEND), RIG_HELLO), MACH_SEND_INVALID_DEST);
    rig_expect(gone, MACH_NOTIFY_DEAD_NAME, &letter); /* the task's own port dies, too, but later: with the task itself */
    CHECK_EQ_INT(letter.notified.value, mate.task);
    CHECK_TYPE(mate.task, TYPE(DEAD_NAME));
}

CASE(exit_kills_the_ports_of_a_task)
{
    end_with_notice(false);
}

CASE(sigkill_kills_the_ports_of_a_task)
{
    end_with_notice(true);
}

CASE(task_death_drops_its_send_rights)
{
    mach_port_t here = rig_port(true), port = rig_port(false), told = rig_port(false);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    CHECK_KERN(rig_send_port(mate.port, HOW(COPY_SEND), KEEP, port, HOW(MAKE_SEND)), MACH_MSG_SUCCESS);
    rig_expect(here, KEEP, &letter);
    port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told);
    CHECK_NO_MESSAGE(told);
    rig_kill(mate.pid);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
    CHECK_EQ_INT(letter.notified.value, 1);
}

CASE(task_death_tells_of_its_send_once_rights)
{
    mach_port_t here = rig_port(true), port = rig_port(false);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    CHECK_KERN(rig_send_port(mate.port, HOW(COPY_SEND), KEEP, port, HOW(MAKE_SEND_ONCE)), MACH_MSG_SUCCESS);
    rig_expect(here, KEEP, &letter);
    CHECK_NO_MESSAGE(port);
    rig_kill(mate.pid);
    rig_expect(port, MACH_NOTIFY_SEND_ONCE, &letter);
}

CASE(task_death_destroys_its_queues)
{
    mach_port_t here = rig_port(true), port = rig_port(false), told = rig_port(false);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    CHECK_OK(kill(mate.pid, SIGSTOP)); /* so that it does not receive what follows */
    CHECK_KERN(rig_send_port(mate.port, HOW(COPY_SEND), KEEP, port, HOW(MAKE_SEND)), MACH_MSG_SUCCESS);
    port_notify(port, MACH_NOTIFY_NO_SENDERS, 0, told);
    rig_kill(mate.pid);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
}

CASE(rights_go_in_and_out_by_a_task_port)
{
    mach_port_t here = rig_port(true), port = rig_port(false);
    struct rig_letter letter;
    struct mate mate = new_mate(here);
    /* in: under a name that we choose */
    CHECK_KERN(mach_port_insert_right(mate.task, CHOSEN(6), port, HOW(MAKE_SEND)), KERN_SUCCESS);
    mach_port_type_t type = 0;
    CHECK_KERN(mach_port_type(mate.task, CHOSEN(6), &type), KERN_SUCCESS);
    CHECK_EQ_INT(type, TYPE(SEND));
    CHECK_GONE(CHOSEN(6)); /* there, not here */
    mach_port_urefs_t refs = 0;
    CHECK_KERN(mach_port_mod_refs(mate.task, CHOSEN(6), RIGHT(SEND), 4), KERN_SUCCESS);
    CHECK_KERN(rig_port_get_refs(mate.task, CHOSEN(6), RIGHT(SEND), &refs), KERN_SUCCESS);
    CHECK_EQ_INT(refs, 5);
    /* out: comes to the name under which we have the port */
    mach_port_t back = MACH_PORT_NULL;
    mach_msg_type_name_t how = 0;
    CHECK_KERN(rig_port_extract_right(mate.task, CHOSEN(6), HOW(COPY_SEND), &back, &how), KERN_SUCCESS);
    CHECK_EQ_INT(back, port);
    /* a receive right made there and taken away */
    CHECK_KERN(rig_port_allocate_name(mate.task, RIGHT(RECEIVE), CHOSEN(7)), KERN_SUCCESS);
    CHECK_KERN(rig_port_extract_right(mate.task, CHOSEN(7), HOW(MOVE_RECEIVE), &back, &how), KERN_SUCCESS);
    CHECK_EQ_INT(how, HOW(PORT_RECEIVE));
    CHECK_TYPE(back, TYPE(RECEIVE));
    CHECK_KERN(mach_port_type(mate.task, CHOSEN(7), &type), KERN_INVALID_NAME);
    port_fill(back, 1);
    rig_expect(back, RIG_HELLO, &letter);
    /* not there: refused */
    CHECK_KERN(rig_port_extract_right(mate.task, CHOSEN(8), HOW(COPY_SEND), &back, &how), KERN_INVALID_NAME);
    CHECK_KERN(rig_port_extract_right(mate.task, CHOSEN(6), HOW(MAKE_SEND), &back, &how), KERN_INVALID_RIGHT);
    leave(&mate);
}

CASE(a_task_name_port_gives_no_access)
{
    /* TASK_NAME_PORT tells a task apart, and is no key to it */
    mach_port_t here = rig_port(true), port = rig_port(true), name = MACH_PORT_NULL, back = MACH_PORT_NULL;
    mach_msg_type_name_t how = 0;
    struct mate mate = new_mate(here);
    REQUIRE_KERN(rig_task_get_special_port(mate.task, TASK_NAME_PORT, &name));
    CHECK(MACH_PORT_VALID(name) && name != mate.task);
    CHECK_KERN(rig_port_extract_right(name, mate.port, HOW(COPY_SEND), &back, &how), KERN_INVALID_TASK);
    CHECK_KERN(mach_port_insert_right(name, CHOSEN(6), port, HOW(MAKE_SEND)), KERN_INVALID_TASK);
    CHECK_KERN(rig_port_allocate_name(name, RIGHT(RECEIVE), CHOSEN(6)), KERN_INVALID_TASK);
    CHECK_KERN(rig_port_destroy(name, mate.port), KERN_INVALID_TASK);
    mach_port_type_t type = 0;
    CHECK_KERN(mach_port_type(mate.task, CHOSEN(6), &type), KERN_INVALID_NAME);
    leave(&mate);
}

CASE(a_dead_task_is_refused)
{
    mach_port_t here = rig_port(true), port = rig_port(false);
    struct mate mate = new_mate(here);
    rig_kill(mate.pid);
    CHECK_KERN(mach_port_allocate(mate.task, RIGHT(RECEIVE), &port), MACH_SEND_INVALID_DEST);
    CHECK_KERN(rig_port_destroy(mate.task, CHOSEN(6)), MACH_SEND_INVALID_DEST);
}

CASE(special_ports_of_a_task)
{
    static const int which[] = {TASK_KERNEL_PORT, TASK_NAME_PORT, TASK_HOST_PORT};
    mach_port_t port[RIG_COUNT(which)];
    for (size_t i = 0; i < RIG_COUNT(which); i++) {
        REQUIRE_KERN(rig_task_get_special_port(TASK, which[i], &port[i]));
        CHECK_TYPE(port[i], TYPE(SEND));
    }
    CHECK_EQ_INT(port[0], TASK);
    CHECK_NE_INT(port[1], TASK);
    mach_port_t other = MACH_PORT_NULL;
    CHECK_KERN(rig_task_get_special_port(TASK, 99, &other), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_task_set_special_port(TASK, 99, port[0]), KERN_INVALID_ARGUMENT);
}
