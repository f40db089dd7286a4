/* mach_port_sets.c - port sets: members, receiving through them, leaving them.
 * Contracts: xnu-4570.41.2 osfmk/ipc/mach_port.c mach_port_insert_member, mach_port_extract_member,
 * mach_port_move_member, mach_port_get_set_status; ipc_pset.c, ipc_mqueue.c. */
#include "port_words.h"

#include <stdio.h>

static mach_port_t new_set(void)
{
    return port_new(RIGHT(PORT_SET));
}

/* A set's members, each once and in any order, are these. */
#define CHECK_MEMBERS(set, ...)                                            \
    check_members((set), (const mach_port_t[]){__VA_ARGS__},               \
                  sizeof((const mach_port_t[]){__VA_ARGS__}) / sizeof(mach_port_t))
static void check_members(mach_port_t set, const mach_port_t *want, size_t wanted)
{
    mach_port_name_array_t members = NULL;
    mach_msg_type_number_t count = 77;
    REQUIRE_KERN(rig_port_get_set_status(TASK, set, &members, &count));
    CHECK_EQ_INT(count, wanted);
    for (size_t w = 0; w < wanted; w++) {
        unsigned found = 0;
        for (mach_msg_type_number_t i = 0; i < count; i++)
            found += members[i] == want[w];
        CHECK_EQ_INT(found, 1);
    }
    rig_port_free_array(members, count);
}
static void check_no_members(mach_port_t set)
{
    check_members(set, NULL, 0);
}

CASE(a_set_receives_for_its_members)
{
    mach_port_t set = new_set(), port[3];
    struct rig_letter letter;
    CHECK_NO_MESSAGE(set); /* an empty set has an empty queue */
    for (int i = 0; i < 3; i++) {
        port[i] = rig_port(false);
        CHECK_KERN(mach_port_insert_member(TASK, port[i], set), KERN_SUCCESS);
        CHECK_NE_INT(rig_port_status(port[i]).mps_pset, 0);
    }
    CHECK_MEMBERS(set, port[0], port[1], port[2]);
    for (int i = 2; i >= 0; i--) {
        CHECK_KERN(rig_send(port[i], HOW(MAKE_SEND), RIG_HELLO + i), MACH_MSG_SUCCESS);
        rig_expect(set, RIG_HELLO + i, &letter);
        CHECK_EQ_INT(letter.header.msgh_local_port, port[i]); /* the member's name, not the set's */
    }
    CHECK_NO_MESSAGE(set);
}

CASE(a_member_brings_its_queue)
{
    mach_port_t set = new_set(), port = rig_port(false);
    struct rig_letter letter;
    port_fill(port, 2);
    CHECK_NO_MESSAGE(set);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    rig_expect(set, RIG_HELLO, &letter);
    CHECK_KERN(mach_port_extract_member(TASK, port, set), KERN_SUCCESS);
    CHECK_NO_MESSAGE(set);
    rig_expect(port, RIG_HELLO + 1, &letter);
}

CASE(a_member_can_be_received_from_directly)
{
    mach_port_t set = new_set(), port = rig_port(false);
    struct rig_letter letter;
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    port_fill(port, 2);
    rig_expect(port, RIG_HELLO, &letter);
    rig_expect(set, RIG_HELLO + 1, &letter);
    CHECK_NO_MESSAGE(port);
    CHECK_NO_MESSAGE(set);
}

CASE(a_port_may_be_in_several_sets)
{
    mach_port_t first = new_set(), second = new_set(), port = rig_port(false);
    struct rig_letter letter;
    CHECK_KERN(mach_port_insert_member(TASK, port, first), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, port, second), KERN_SUCCESS);
    CHECK_MEMBERS(first, port);
    CHECK_MEMBERS(second, port);
    port_fill(port, 2);
    rig_expect(first, RIG_HELLO, &letter);
    rig_expect(second, RIG_HELLO + 1, &letter);
    CHECK_NO_MESSAGE(first); /* each message once */
    (void)mach_port_extract_member(TASK, port, first); /* what it returns is the next case's matter */
    check_no_members(first);
    CHECK_MEMBERS(second, port);
    CHECK_NE_INT(rig_port_status(port).mps_pset, 0);
    CHECK_KERN(mach_port_extract_member(TASK, port, second), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_pset, 0);
}

CASE(extract_from_one_of_two_sets_succeeds)
{
    mach_port_t first = new_set(), second = new_set(), port = rig_port(false);
    REQUIRE_KERN(mach_port_insert_member(TASK, port, first));
    REQUIRE_KERN(mach_port_insert_member(TASK, port, second));
    CHECK_KERN(mach_port_extract_member(TASK, port, second), KERN_SUCCESS);
    check_no_members(second);
    CHECK_MEMBERS(first, port);
}

CASE(members_are_inserted_and_extracted_once)
{
    mach_port_t set = new_set(), other = new_set(), port = rig_port(false);
    CHECK_KERN(mach_port_extract_member(TASK, port, set), KERN_NOT_IN_SET);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_ALREADY_IN_SET);
    CHECK_KERN(mach_port_extract_member(TASK, port, other), KERN_NOT_IN_SET); /* in a set, not in that one */
    CHECK_KERN(mach_port_extract_member(TASK, port, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_extract_member(TASK, port, set), KERN_NOT_IN_SET);
}

CASE(what_is_no_member_or_no_set_is_refused)
{
    mach_port_t set = new_set(), other = new_set(), port = rig_port(false), once = port_send_once(port);
    CHECK_KERN(mach_port_insert_member(TASK, once, set), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_insert_member(TASK, TASK, set), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_insert_member(TASK, other, set), KERN_INVALID_RIGHT); /* sets are not nested */
    CHECK_KERN(mach_port_insert_member(TASK, port, port), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_insert_member(TASK, CHOSEN(1), set), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_insert_member(TASK, port, CHOSEN(1)), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_insert_member(TASK, port, MACH_PORT_NULL), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_move_member(TASK, once, set), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_move_member(TASK, port, once), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_move_member(TASK, port, CHOSEN(1)), KERN_INVALID_NAME);
    mach_port_name_array_t members = NULL;
    mach_msg_type_number_t count = 0;
    CHECK_KERN(rig_port_get_set_status(TASK, port, &members, &count), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_get_set_status(TASK, CHOSEN(1), &members, &count), KERN_INVALID_NAME);
    CHECK_KERN(rig_port_get_set_status(TASK, MACH_PORT_NULL, &members, &count), KERN_INVALID_RIGHT);
    check_no_members(set);
}

CASE(move_leaves_all_other_sets)
{
    mach_port_t first = new_set(), second = new_set(), third = new_set(), port = rig_port(false);
    struct rig_letter letter;
    CHECK_KERN(mach_port_insert_member(TASK, port, first), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, port, second), KERN_SUCCESS);
    port_fill(port, 1);
    CHECK_KERN(rig_port_move_member(TASK, port, third), KERN_SUCCESS);
    check_no_members(first);
    check_no_members(second);
    CHECK_MEMBERS(third, port);
    CHECK_NO_MESSAGE(first);
    CHECK_NO_MESSAGE(second);
    rig_expect(third, RIG_HELLO, &letter);
    CHECK_KERN(rig_port_move_member(TASK, port, MACH_PORT_NULL), KERN_SUCCESS);
    check_no_members(third);
    CHECK_EQ_INT(rig_port_status(port).mps_pset, 0);
}

CASE(a_set_that_goes_leaves_its_members)
{
    mach_port_t set = new_set(), other = new_set(), port = rig_port(false), second = rig_port(false);
    struct rig_letter letter;
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, second, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, second, other), KERN_SUCCESS);
    port_fill(port, 1);
    port_fill(second, 1);
    CHECK_KERN(mach_port_mod_refs(TASK, set, RIGHT(PORT_SET), -1), KERN_SUCCESS);
    CHECK_GONE(set);
    CHECK_TYPE(port, TYPE(RECEIVE));
    FACT("pset_of_a_member_left", rig_port_status(port).mps_pset); /* a waitq's link to a set that is gone stays */
    rig_expect(port, RIG_HELLO, &letter);
    CHECK_MEMBERS(other, second);
    rig_expect(other, RIG_HELLO, &letter);
    CHECK_KERN(rig_take(set, &letter), MACH_RCV_INVALID_NAME);
}

CASE(a_member_that_goes_leaves_its_sets)
{
    mach_port_t set = new_set(), port = rig_port(false), moved = rig_port(false), stays = rig_port(false);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, moved, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, stays, set), KERN_SUCCESS);
    port_fill(port, 1);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_NO_MESSAGE(set); /* its message died with it */
    CHECK_MEMBERS(set, moved, stays);
    mach_port_t again = MACH_PORT_NULL;
    mach_msg_type_name_t how = 0;
    REQUIRE_KERN(rig_port_extract_right(TASK, moved, HOW(MOVE_RECEIVE), &again, &how));
    CHECK_MEMBERS(set, stays); /* a receive right that travels leaves its sets */
    CHECK_EQ_INT(rig_port_status(again).mps_pset, 0);
}

CASE(a_set_gives_every_message_once)
{
    enum { PORTS = 4, EACH = 5 };
    mach_port_t set = new_set(), port[PORTS];
    struct rig_letter letter;
    int got[PORTS] = {0};
    char order[PORTS * EACH + 1] = "";
    for (int i = 0; i < PORTS; i++) {
        port[i] = rig_port(false);
        CHECK_KERN(mach_port_insert_member(TASK, port[i], set), KERN_SUCCESS);
        port_fill(port[i], EACH);
    }
    for (int n = 0; n < PORTS * EACH; n++) {
        REQUIRE_KERN(rig_take(set, &letter));
        int from = 0;
        while (from < PORTS && letter.header.msgh_local_port != port[from])
            from++;
        REQUIRE(from < PORTS);
        CHECK_EQ_INT(letter.header.msgh_id, RIG_HELLO + got[from]); /* each member's own order is kept */
        got[from]++;
        order[n] = (char)('a' + from);
    }
    CHECK_NO_MESSAGE(set);
    for (int i = 0; i < PORTS; i++)
        CHECK_EQ_INT(got[i], EACH);
    FACT_STR("order", order);
}

CASE(a_busy_member_and_a_quiet_one)
{
    /* One member is never empty: when does the other get its turn? */
    enum { MOST = 200 };
    mach_port_t set = new_set(), busy = rig_port(false), quiet = rig_port(false);
    struct rig_letter letter;
    int received = 0;
    REQUIRE_KERN(mach_port_insert_member(TASK, busy, set));
    REQUIRE_KERN(mach_port_insert_member(TASK, quiet, set));
    port_fill(busy, 2);
    port_fill(quiet, 1);
    do {
        REQUIRE_KERN(rig_take(set, &letter));
        if (letter.header.msgh_local_port == busy)
            REQUIRE_KERN(rig_send(busy, HOW(MAKE_SEND), RIG_HELLO));
    } while (++received < MOST && letter.header.msgh_local_port == busy);
    FACT("receives_till_the_quiet_member", letter.header.msgh_local_port == quiet ? received : 0);
    CHECK_EQ_INT(rig_port_status(busy).mps_msgcount, 2);
}

ROLE(sends_when_the_parent_waits)
{
    for (int i = 0; i < 200 && !rig_wait_blocked(getppid()); i++)
        rig_sleep_ms(10);
    REQUIRE_KERN(rig_send(rig_parents_port(), HOW(COPY_SEND), RIG_HELLO));
}

CASE(a_message_wakes_who_waits_on_a_set)
{
    mach_port_t set = new_set(), port = rig_port(true), quiet = rig_port(true);
    struct rig_letter letter;
    CHECK_KERN(mach_port_insert_member(TASK, quiet, set), KERN_SUCCESS);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    pid_t child = rig_exec_role_with_port("sends_when_the_parent_waits", NULL, port);
    rig_expect(set, RIG_HELLO, &letter);
    CHECK_EQ_INT(letter.header.msgh_local_port, port);
    CHECK_EXITED(child, 0);
}

ROLE(destroys_in_the_parent)
{
    mach_port_t task = rig_parents_port(); /* the parent's task port */
    REQUIRE_EQ_INT(argc, 1);
    for (int i = 0; i < 200 && !rig_wait_blocked(getppid()); i++)
        rig_sleep_ms(10);
    CHECK_KERN(rig_port_destroy(task, (mach_port_name_t)strtoul(argv[0], NULL, 0)), KERN_SUCCESS);
}

/* Waits for a message while a child, which has this task's port, destroys what is waited on. */
static void wait_while_it_is_destroyed(mach_port_t name)
{
    struct rig_letter letter;
    char text[16];
    snprintf(text, sizeof text, "%#x", name);
    const char *const args[] = {text, NULL};
    pid_t child = rig_exec_role_with_port("destroys_in_the_parent", args, TASK);
    CHECK_KERN(rig_msg(&letter.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof letter, name,
                       (mach_msg_timeout_t)(rig_patience(5) * 1000)),
               MACH_RCV_PORT_CHANGED);
    CHECK_EXITED(child, 0);
    CHECK_GONE(name);
}

CASE(destroying_a_set_wakes_its_receiver)
{
    mach_port_t set = new_set(), port = rig_port(false);
    CHECK_KERN(mach_port_insert_member(TASK, port, set), KERN_SUCCESS);
    wait_while_it_is_destroyed(set);
    CHECK_TYPE(port, TYPE(RECEIVE));
}

CASE(destroying_a_port_wakes_its_receiver)
{
    wait_while_it_is_destroyed(rig_port(false));
}
