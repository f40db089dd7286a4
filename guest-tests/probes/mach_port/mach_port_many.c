/* mach_port_many.c - very many rights, and back to none: growth of the name table, leaks. */
#include "port_words.h"

#define CHECK_NOTHING_LEFT(before) CHECK_EQ_INT(rig_port_count(), (before))

CASE(ten_thousand_ports_and_back, .deadline = 60)
{
    enum { PORTS = 10000 };
    static mach_port_t port[PORTS];
    mach_msg_type_number_t before = rig_port_count();
    for (int i = 0; i < PORTS; i++) {
        REQUIRE_QUIET(mach_port_allocate(TASK, RIGHT(RECEIVE), &port[i]) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_insert_right(TASK, port[i], port[i], HOW(MAKE_SEND)) == KERN_SUCCESS);
    }
    CHECK_EQ_INT(rig_port_count(), before + PORTS);
    struct rig_letter letter;
    static const int some[] = {0, 1, 4999, 9998, 9999};
    for (size_t i = 0; i < RIG_COUNT(some); i++) { /* each is a port of its own */
        REQUIRE_KERN(rig_send(port[some[i]], HOW(COPY_SEND), RIG_HELLO + some[i]));
        CHECK_EQ_INT(rig_port_status(port[some[i]]).mps_msgcount, 1);
    }
    for (size_t i = 0; i < RIG_COUNT(some); i++)
        rig_expect(port[some[i]], RIG_HELLO + some[i], &letter);
    for (int i = PORTS; i-- > 0;) {
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port[i], RIGHT(RECEIVE), -1) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(TASK, port[i]) == KERN_SUCCESS); /* the dead name that is left */
    }
    CHECK_NOTHING_LEFT(before);
}

CASE(many_members_of_a_set, .deadline = 30)
{
    enum { PORTS = 1000 };
    static mach_port_t port[PORTS];
    mach_msg_type_number_t before = rig_port_count(), count = 0;
    mach_port_t set = port_new(RIGHT(PORT_SET));
    mach_port_name_array_t members = NULL;
    struct rig_letter letter;
    for (int i = 0; i < PORTS; i++) {
        port[i] = rig_port(false);
        REQUIRE_KERN(mach_port_insert_member(TASK, port[i], set));
    }
    REQUIRE_KERN(rig_port_get_set_status(TASK, set, &members, &count));
    CHECK_EQ_INT(count, PORTS);
    rig_port_free_array(members, count);
    for (int i = 0; i < PORTS; i += 333) {
        REQUIRE_KERN(rig_send(port[i], HOW(MAKE_SEND), RIG_HELLO + i));
        rig_expect(set, RIG_HELLO + i, &letter);
        CHECK_EQ_INT(letter.header.msgh_local_port, port[i]);
    }
    for (int i = 0; i < PORTS; i++)
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port[i], RIGHT(RECEIVE), -1) == KERN_SUCCESS);
    REQUIRE_KERN(rig_port_get_set_status(TASK, set, &members, &count));
    CHECK_EQ_INT(count, 0);
    CHECK_KERN(mach_port_deallocate(TASK, set), KERN_SUCCESS);
    CHECK_NOTHING_LEFT(before);
}

CASE(rights_in_many_messages_leave_nothing, .deadline = 30)
{
    enum { TIMES = 500 };
    mach_port_t mail = rig_port(true);
    mach_msg_type_number_t before = rig_port_count();
    for (int i = 0; i < TIMES; i++) {
        mach_port_t port = rig_port(true);
        struct rig_letter letter;
        REQUIRE_QUIET(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MOVE_SEND)) == MACH_MSG_SUCCESS);
        REQUIRE_QUIET(rig_send_port(mail, HOW(COPY_SEND), RIG_HELLO, port, HOW(MAKE_SEND_ONCE)) == MACH_MSG_SUCCESS);
        REQUIRE_QUIET(rig_take(mail, &letter) == MACH_MSG_SUCCESS && letter.carried.port.name == port);
        REQUIRE_QUIET(rig_take(mail, &letter) == MACH_MSG_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(TASK, letter.carried.port.name) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_destruct(TASK, port, -1, 0) == KERN_SUCCESS);
    }
    CHECK_NOTHING_LEFT(before);
}

CASE(notifications_leave_nothing, .deadline = 30)
{
    enum { TIMES = 300 };
    mach_port_t told = rig_port(false);
    mach_msg_type_number_t before = rig_port_count();
    for (int i = 0; i < TIMES; i++) {
        mach_port_t port = rig_port(true);
        struct rig_letter letter;
        port_notify(port, MACH_NOTIFY_DEAD_NAME, 0, told);
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1) == KERN_SUCCESS);
        REQUIRE_QUIET(rig_take(told, &letter) == MACH_MSG_SUCCESS);
        REQUIRE_QUIET(letter.header.msgh_id == MACH_NOTIFY_DEAD_NAME && letter.notified.value == port);
        REQUIRE_QUIET(mach_port_mod_refs(TASK, port, RIGHT(DEAD_NAME), -2) == KERN_SUCCESS);
    }
    CHECK_NOTHING_LEFT(before);
}
