/* mach_port_names.c - names and user references: allocate, deallocate, destroy, type, names, get_refs, mod_refs.
 * Contracts: xnu-4570.41.2 osfmk/ipc/mach_port.c and ipc_right.c, as the manifest says case by case. */
#include "port_words.h"

CASE(wrappers_of_libsystem)
{
    static const struct rig_wrapper wrappers[] = {
        RIG_WRAPPER(mach_port_names),         RIG_WRAPPER(mach_port_rename),
        RIG_WRAPPER(mach_port_allocate_name), RIG_WRAPPER(mach_port_destroy),
        RIG_WRAPPER(mach_port_get_refs),      RIG_WRAPPER(mach_port_set_mscount),
        RIG_WRAPPER(mach_port_get_set_status), RIG_WRAPPER(mach_port_move_member),
        RIG_WRAPPER(mach_port_request_notification), RIG_WRAPPER(mach_port_extract_right),
        RIG_WRAPPER(mach_port_set_seqno),     RIG_WRAPPER(mach_port_get_attributes),
        RIG_WRAPPER(mach_port_set_attributes), RIG_WRAPPER(mach_port_get_srights),
        RIG_WRAPPER(mach_port_get_context),   RIG_WRAPPER(mach_port_set_context),
        RIG_WRAPPER(mach_port_guard),         RIG_WRAPPER(mach_port_unguard),
        RIG_WRAPPER(mach_ports_register),     RIG_WRAPPER(mach_ports_lookup),
        RIG_WRAPPER(task_get_special_port),   RIG_WRAPPER(task_set_special_port),
        {NULL, NULL}};
    rig_tell_wrappers(wrappers);
}

CASE(allocate_makes_the_right_asked_for)
{
    mach_port_t port = port_new(RIGHT(RECEIVE)), set = port_new(RIGHT(PORT_SET)), dead = port_new(RIGHT(DEAD_NAME));
    CHECK_TYPE(port, TYPE(RECEIVE));
    CHECK_TYPE(set, TYPE(PORT_SET));
    CHECK_TYPE(dead, TYPE(DEAD_NAME));
    CHECK(port != set && set != dead && dead != port);
    CHECK_REFS(port, RIGHT(RECEIVE), 1);
    CHECK_REFS(port, RIGHT(SEND), 0);
    CHECK_REFS(set, RIGHT(PORT_SET), 1);
    CHECK_REFS(dead, RIGHT(DEAD_NAME), 1);
    mach_port_status_t status = rig_port_status(port);
    CHECK_EQ_INT(status.mps_mscount, 0);
    CHECK_EQ_INT(status.mps_srights, 0);
    CHECK_EQ_INT(status.mps_sorights, 0);
    CHECK_EQ_INT(status.mps_msgcount, 0);
    CHECK_EQ_INT(status.mps_qlimit, MACH_PORT_QLIMIT_DEFAULT);
}

CASE(allocate_refuses_other_rights)
{
    static const mach_port_right_t others[] = {RIGHT(SEND), RIGHT(SEND_ONCE), RIGHT(LABELH), RIGHT(NUMBER), 99};
    mach_msg_type_number_t before = rig_port_count();
    for (size_t i = 0; i < RIG_COUNT(others); i++) {
        mach_port_t port = MACH_PORT_NULL;
        CHECK_KERN(mach_port_allocate(TASK, others[i], &port), KERN_INVALID_VALUE);
    }
    CHECK_EQ_INT(rig_port_count(), before);
}

CASE(allocate_under_a_chosen_name)
{
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), CHOSEN(1)), KERN_SUCCESS);
    CHECK_TYPE(CHOSEN(1), TYPE(RECEIVE));
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(PORT_SET), CHOSEN(2)), KERN_SUCCESS);
    CHECK_TYPE(CHOSEN(2), TYPE(PORT_SET));
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(DEAD_NAME), MACH_PORT_NULL), KERN_INVALID_VALUE);
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(DEAD_NAME), MACH_PORT_DEAD), KERN_INVALID_VALUE);
}

CASE(a_chosen_name_in_use_is_refused)
{
    REQUIRE_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), CHOSEN(1)));
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), CHOSEN(1)), KERN_NAME_EXISTS);
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(PORT_SET), CHOSEN(1)), KERN_NAME_EXISTS);
    /* the same place in the table, of another generation: a collision, which has another code */
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), CHOSEN(1) + 4), KERN_FAILURE);
    /* place 0 is the kernel's own; beyond the largest table there is no place */
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), 0x07), KERN_FAILURE);
    CHECK_KERN(rig_port_allocate_name(TASK, RIGHT(RECEIVE), 0xfffffe03), KERN_NO_SPACE);
    CHECK_TYPE(CHOSEN(1), TYPE(RECEIVE));
}

CASE(rename_is_obsolete)
{
    mach_port_t port = port_new(RIGHT(RECEIVE));
    CHECK_KERN(rig_port_rename(TASK, port, CHOSEN(1)), KERN_NOT_SUPPORTED);
    CHECK_TYPE(port, TYPE(RECEIVE));
    CHECK_GONE(CHOSEN(1));
}

CASE(type_of_no_right_is_refused)
{
    mach_port_type_t type = 0;
    CHECK_KERN(mach_port_type(TASK, MACH_PORT_NULL, &type), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_type(TASK, CHOSEN(1), &type), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_type(TASK, MACH_PORT_DEAD, &type), KERN_SUCCESS);
    CHECK_EQ_INT(type, TYPE(DEAD_NAME));
    mach_port_t port = port_new(RIGHT(RECEIVE));
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
    CHECK_KERN(mach_port_type(TASK, port, &type), KERN_INVALID_NAME);
}

CASE(type_bits_are_those_of_the_header)
{
    /* MACH_PORT_TYPE(right) is 1 << (right + 16) (osfmk/mach/port.h) */
    mach_port_t port = rig_port(true), once = port_send_once(port);
    CHECK_EQ_INT(rig_port_type(port), (1 << 16) | (1 << 17));
    CHECK_EQ_INT(rig_port_type(once), 1 << 18);
    CHECK_EQ_INT(rig_port_type(port_new(RIGHT(PORT_SET))), 1 << 19);
    CHECK_EQ_INT(rig_port_type(port_new(RIGHT(DEAD_NAME))), 1 << 20);
}

CASE(names_lists_every_right)
{
    mach_port_t port = rig_port(true), once = port_send_once(port), set = port_new(RIGHT(PORT_SET));
    const mach_port_t want[] = {port, once, set, TASK};
    const mach_port_type_t want_type[] = {TYPE(SEND_RECEIVE), TYPE(SEND_ONCE), TYPE(PORT_SET), TYPE(SEND)};
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t names_count = 0, types_count = 0;
    REQUIRE_KERN(rig_port_names(TASK, &names, &names_count, &types, &types_count));
    REQUIRE_EQ_INT(names_count, types_count);
    for (size_t w = 0; w < RIG_COUNT(want); w++) {
        unsigned found = 0;
        for (mach_msg_type_number_t i = 0; i < names_count; i++)
            if (names[i] == want[w]) {
                found++;
                CHECK_EQ_INT(types[i], want_type[w]);
            }
        CHECK_EQ_INT(found, 1);
    }
    for (mach_msg_type_number_t i = 0; i < names_count; i++)
        for (mach_msg_type_number_t k = 0; k < i; k++)
            CHECK_NE_INT(names[i], names[k]);
    rig_port_free_array(names, names_count);
    rig_port_free_array(types, types_count);
}

CASE(references_are_told_by_right)
{
    mach_port_t port = rig_port(false);
    port_add_send(port, 3);
    CHECK_REFS(port, RIGHT(SEND), 3);
    CHECK_REFS(port, RIGHT(RECEIVE), 1);
    CHECK_REFS(port, RIGHT(SEND_ONCE), 0);
    CHECK_REFS(port, RIGHT(PORT_SET), 0);
    CHECK_REFS(port, RIGHT(DEAD_NAME), 0);
    CHECK_REFS(port_send_once(port), RIGHT(SEND_ONCE), 1);
    mach_port_urefs_t refs = 99;
    CHECK_KERN(rig_port_get_refs(TASK, CHOSEN(1), RIGHT(SEND), &refs), KERN_INVALID_NAME);
    CHECK_KERN(rig_port_get_refs(TASK, port, RIGHT(NUMBER), &refs), KERN_INVALID_VALUE);
    /* the null port has one reference of the rights that messages carry */
    CHECK_REFS(MACH_PORT_NULL, RIGHT(SEND), 1);
    CHECK_REFS(MACH_PORT_DEAD, RIGHT(SEND_ONCE), 1);
    CHECK_KERN(rig_port_get_refs(TASK, MACH_PORT_NULL, RIGHT(RECEIVE), &refs), KERN_INVALID_NAME);
}

CASE(references_go_up_and_down)
{
    mach_port_t port = rig_port(true);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), 4), KERN_SUCCESS);
    CHECK_REFS(port, RIGHT(SEND), 5);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), 0), KERN_SUCCESS);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -3), KERN_SUCCESS);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_REFS(port, RIGHT(SEND), 1);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 1); /* references are the task's, the port has one sender */
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -1), KERN_SUCCESS);
    CHECK_TYPE(port, TYPE(RECEIVE)); /* the send right is gone, the receive right keeps the name */
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 0);
}

CASE(references_below_zero_are_refused)
{
    mach_port_t port = rig_port(true);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), -2), KERN_INVALID_VALUE);
    CHECK_REFS(port, RIGHT(SEND), 1);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), INT32_MIN), KERN_INVALID_VALUE);
    CHECK_REFS(port, RIGHT(SEND), 1);
    mach_port_t dead = port_new(RIGHT(DEAD_NAME));
    CHECK_KERN(mach_port_mod_refs(TASK, dead, RIGHT(DEAD_NAME), -2), KERN_INVALID_VALUE);
    CHECK_REFS(dead, RIGHT(DEAD_NAME), 1);
}

CASE(references_of_another_right_are_refused)
{
    mach_port_t port = rig_port(false), set = port_new(RIGHT(PORT_SET));
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND), 1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(DEAD_NAME), -1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(SEND_ONCE), -1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, set, RIGHT(RECEIVE), -1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(LABELH), -1), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(NUMBER), -1), KERN_INVALID_VALUE);
    CHECK_KERN(mach_port_mod_refs(TASK, CHOSEN(1), RIGHT(SEND), 1), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_mod_refs(TASK, MACH_PORT_NULL, RIGHT(SEND), 1), KERN_SUCCESS); /* and does nothing */
    CHECK_KERN(mach_port_mod_refs(TASK, MACH_PORT_NULL, RIGHT(RECEIVE), -1), KERN_INVALID_NAME);
    CHECK_TYPE(port, TYPE(RECEIVE));
    CHECK_TYPE(set, TYPE(PORT_SET));
}

CASE(rights_that_are_single_take_only_minus_one)
{
    mach_port_t port = rig_port(false), set = port_new(RIGHT(PORT_SET)), once = port_send_once(port);
    const mach_port_t names[] = {port, set, once};
    static const mach_port_right_t rights[] = {RIGHT(RECEIVE), RIGHT(PORT_SET), RIGHT(SEND_ONCE)};
    for (size_t i = RIG_COUNT(names); i-- > 0;) { /* the send-once right before its port */
        CHECK_KERN(mach_port_mod_refs(TASK, names[i], rights[i], 1), KERN_INVALID_VALUE);
        CHECK_KERN(mach_port_mod_refs(TASK, names[i], rights[i], -2), KERN_INVALID_VALUE);
        CHECK_KERN(mach_port_mod_refs(TASK, names[i], rights[i], 0), KERN_SUCCESS);
        CHECK_TYPE(names[i], TYPE(NONE) | (1u << (rights[i] + 16)));
        CHECK_KERN(mach_port_mod_refs(TASK, names[i], rights[i], -1), KERN_SUCCESS);
        CHECK_GONE(names[i]);
    }
}

/* 16 bits hold the count (osfmk/ipc/ipc_entry.h IE_BITS_UREFS_MASK). What would pass the top stays there for good. */
static void overflow(mach_port_t name, mach_port_right_t right)
{
    enum { MOST = 65535 };
    CHECK_KERN(mach_port_mod_refs(TASK, name, right, MOST + 1), KERN_INVALID_VALUE);
    CHECK_KERN(mach_port_mod_refs(TASK, name, right, MOST - 2), KERN_SUCCESS);
    CHECK_REFS(name, right, MOST - 1);
    CHECK_KERN(mach_port_mod_refs(TASK, name, right, 100), KERN_SUCCESS);
    CHECK_REFS(name, right, MOST);
    CHECK_KERN(mach_port_mod_refs(TASK, name, right, -100), KERN_SUCCESS);
    CHECK_REFS(name, right, MOST);
    CHECK_KERN(mach_port_deallocate(TASK, name), KERN_SUCCESS);
    CHECK_REFS(name, right, MOST);
    CHECK_KERN(mach_port_mod_refs(TASK, name, right, -MOST), KERN_SUCCESS); /* only all of them at once can go */
}

CASE(references_overflow_is_pegged)
{
    mach_port_t port = rig_port(true), dead = port_new(RIGHT(DEAD_NAME));
    overflow(port, RIGHT(SEND));
    CHECK_TYPE(port, TYPE(RECEIVE));
    overflow(dead, RIGHT(DEAD_NAME));
    CHECK_GONE(dead);
}

CASE(deallocate_by_right)
{
    mach_port_t port = rig_port(false), set = port_new(RIGHT(PORT_SET)), dead = port_new(RIGHT(DEAD_NAME));
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_INVALID_RIGHT); /* a receive right must be destroyed */
    CHECK_TYPE(port, TYPE(RECEIVE));
    port_add_send(port, 2);
    CHECK_KERN(mach_port_deallocate(TASK, port), KERN_SUCCESS);
    CHECK_REFS(port, RIGHT(SEND), 1);
    CHECK_KERN(mach_port_deallocate(TASK, set), KERN_SUCCESS);
    CHECK_GONE(set);
    CHECK_KERN(mach_port_mod_refs(TASK, dead, RIGHT(DEAD_NAME), 1), KERN_SUCCESS);
    CHECK_KERN(mach_port_deallocate(TASK, dead), KERN_SUCCESS);
    CHECK_REFS(dead, RIGHT(DEAD_NAME), 1);
    CHECK_KERN(mach_port_deallocate(TASK, dead), KERN_SUCCESS);
    CHECK_GONE(dead);
    CHECK_KERN(mach_port_deallocate(TASK, dead), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_deallocate(TASK, MACH_PORT_NULL), KERN_SUCCESS);
    CHECK_KERN(mach_port_deallocate(TASK, MACH_PORT_DEAD), KERN_SUCCESS);
}

CASE(destroy_takes_every_right_of_the_name)
{
    mach_port_t port = rig_port(false), other = rig_port(true), dead = port_new(RIGHT(DEAD_NAME));
    mach_msg_type_number_t before = rig_port_count();
    port_add_send(port, 3);
    CHECK_KERN(rig_port_destroy(TASK, port), KERN_SUCCESS);
    CHECK_GONE(port);
    CHECK_KERN(mach_port_mod_refs(TASK, dead, RIGHT(DEAD_NAME), 7), KERN_SUCCESS);
    CHECK_KERN(rig_port_destroy(TASK, dead), KERN_SUCCESS);
    CHECK_GONE(dead);
    CHECK_EQ_INT(rig_port_count(), before - 2);
    CHECK_KERN(rig_port_destroy(TASK, port), KERN_INVALID_NAME);
    CHECK_KERN(rig_port_destroy(TASK, MACH_PORT_NULL), KERN_SUCCESS);
    CHECK_KERN(rig_port_destroy(TASK, MACH_PORT_DEAD), KERN_SUCCESS);
    CHECK_TYPE(other, TYPE(SEND_RECEIVE));
}

CASE(a_name_is_not_reused_at_once)
{
    /* the place in the table is, the generation beside it is not. It begins anew at a point drawn at random
       (ipc_space_get_rollpoint), a multiple of 16: on 20.5 the sixteenth name was once the first again */
    enum { TIMES = 12 };
    mach_port_t old[TIMES];
    unsigned same_place = 0;
    for (int i = 0; i < TIMES; i++) {
        old[i] = port_new(RIGHT(RECEIVE));
        CHECK_EQ_INT(old[i] & 3, 3);
        REQUIRE_KERN(mach_port_mod_refs(TASK, old[i], RIGHT(RECEIVE), -1));
        for (int k = 0; k < i; k++)
            CHECK_NE_INT(old[i], old[k]);
        same_place += i > 0 && old[i] >> 8 == old[i - 1] >> 8;
    }
    mach_port_t now = port_new(RIGHT(RECEIVE));
    for (int i = 0; i < TIMES; i++) {
        CHECK_NE_INT(now, old[i]);
        CHECK_KERN(mach_port_mod_refs(TASK, old[i], RIGHT(RECEIVE), -1), KERN_INVALID_NAME);
    }
    CHECK_TYPE(now, TYPE(RECEIVE));
    FACT("same_place", same_place);
}
