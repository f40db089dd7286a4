/* mach_port_guard.c - ports made with options, contexts, guards, and the space as a whole.
 * Contracts: xnu-4570.41.2 osfmk/ipc/mach_port.c mach_port_construct, mach_port_destruct, mach_port_guard,
 * mach_port_unguard, mach_port_get_context, mach_port_set_context; ipc_right.c; mach_debug.c mach_port_space_info. */
#include "port_words.h"

#include <stdio.h>

enum { SECRET = 0x5ec2e7, OTHER = 0x0dd };

static mach_port_t construct(uint32_t flags, mach_port_context_t context)
{
    mach_port_options_t options = {.flags = flags, .mpl = {.mpl_qlimit = 9}};
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_construct(TASK, &options, context, &port));
    return port;
}

static mach_port_context_t context_of(mach_port_t port)
{
    mach_port_context_t context = 77;
    REQUIRE_KERN(rig_port_get_context(TASK, port, &context));
    return context;
}

CASE(construct_obeys_its_options)
{
    mach_port_t plain = construct(0, 0), full = construct(MPO_QLIMIT | MPO_INSERT_SEND_RIGHT, 0x123456789abcdefull);
    CHECK_TYPE(plain, TYPE(RECEIVE));
    CHECK_EQ_INT(rig_port_status(plain).mps_qlimit, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ_INT(context_of(plain), 0);
    CHECK_TYPE(full, TYPE(SEND_RECEIVE));
    CHECK_EQ_INT(rig_port_status(full).mps_qlimit, 9);
    CHECK_EQ_INT(rig_port_status(full).mps_mscount, 1);
    CHECK_EQ_INT(context_of(full), 0x123456789abcdefull);
    CHECK_EQ_INT(rig_port_status(full).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED, 0);
}

CASE(construct_that_fails_leaves_nothing)
{
    mach_msg_type_number_t before = rig_port_count();
    mach_port_options_t options = {.flags = MPO_QLIMIT, .mpl = {.mpl_qlimit = MACH_PORT_QLIMIT_MAX + 1}};
    mach_port_t port = MACH_PORT_NULL;
    CHECK_KERN(mach_port_construct(TASK, &options, 0, &port), KERN_INVALID_VALUE);
    CHECK_EQ_INT(rig_port_count(), before);
}

CASE(destruct_takes_the_receive_right_and_references)
{
    mach_port_t port = rig_port(false), once = port_send_once(rig_port(false));
    port_add_send(port, 3);
    CHECK_KERN(mach_port_destruct(TASK, port, 1, 0), KERN_INVALID_VALUE);
    CHECK_KERN(mach_port_destruct(TASK, port, -4, 0), KERN_INVALID_VALUE);
    CHECK_KERN(mach_port_destruct(TASK, once, 0, 0), KERN_INVALID_RIGHT);
    CHECK_KERN(mach_port_destruct(TASK, CHOSEN(1), 0, 0), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_destruct(TASK, MACH_PORT_NULL, 0, 0), KERN_INVALID_NAME);
    CHECK_TYPE(port, TYPE(SEND_RECEIVE));
    CHECK_KERN(mach_port_destruct(TASK, port, -1, 0), KERN_SUCCESS);
    CHECK_TYPE(port, TYPE(DEAD_NAME));
    CHECK_REFS(port, RIGHT(DEAD_NAME), 2);
    port = rig_port(true);
    CHECK_KERN(mach_port_destruct(TASK, port, -1, 0), KERN_SUCCESS);
    CHECK_GONE(port);
    port = rig_port(false);
    CHECK_KERN(mach_port_destruct(TASK, port, -1, 0), KERN_INVALID_RIGHT); /* it has no send right to drop */
    CHECK_KERN(mach_port_destruct(TASK, port, 0, 0), KERN_SUCCESS);
    CHECK_GONE(port);
}

CASE(context_is_the_receivers)
{
    mach_port_t port = rig_port(false), once = port_send_once(port);
    CHECK_EQ_INT(context_of(port), 0);
    CHECK_KERN(rig_port_set_context(TASK, port, UINT64_MAX - 1), KERN_SUCCESS);
    CHECK(context_of(port) == UINT64_MAX - 1);
    CHECK_KERN(rig_port_set_context(TASK, once, 1), KERN_INVALID_RIGHT);
    mach_port_context_t context = 0;
    CHECK_KERN(rig_port_get_context(TASK, once, &context), KERN_INVALID_RIGHT);
    /* a receive right that moves loses it */
    mach_port_t moved = MACH_PORT_NULL;
    mach_msg_type_name_t how = 0;
    REQUIRE_KERN(rig_port_extract_right(TASK, port, HOW(MOVE_RECEIVE), &moved, &how));
    CHECK_EQ_INT(context_of(moved), 0);
}

CASE(a_guard_is_set_and_taken)
{
    mach_port_t port = rig_port(false);
    CHECK_KERN(rig_port_guard(TASK, port, SECRET, false), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_flags &
                     (MACH_PORT_STATUS_FLAG_GUARDED | MACH_PORT_STATUS_FLAG_STRICT_GUARD),
                 MACH_PORT_STATUS_FLAG_GUARDED);
    CHECK_EQ_INT(context_of(port), SECRET);                                               /* the guard is the context */
    CHECK_KERN(rig_port_guard(TASK, port, OTHER, false), KERN_INVALID_ARGUMENT); /* it has one */
    CHECK_KERN(rig_port_unguard(TASK, port, SECRET), KERN_SUCCESS);
    CHECK_EQ_INT(rig_port_status(port).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED, 0);
    CHECK_EQ_INT(context_of(port), 0);
    CHECK_KERN(rig_port_set_context(TASK, port, OTHER), KERN_SUCCESS);
    CHECK_KERN(rig_port_guard(TASK, port, SECRET, false), KERN_INVALID_ARGUMENT); /* a context is in its place */
    CHECK_KERN(rig_port_guard(TASK, port_send_once(port), SECRET, false), KERN_INVALID_RIGHT);
    CHECK_KERN(rig_port_guard(TASK, MACH_PORT_NULL, SECRET, false), KERN_INVALID_NAME);
    CHECK_KERN(mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1), KERN_SUCCESS);
}

CASE(a_strict_guard_hides_itself)
{
    mach_port_t port = construct(MPO_CONTEXT_AS_GUARD | MPO_STRICT, SECRET);
    CHECK_NE_INT(rig_port_status(port).mps_flags & MACH_PORT_STATUS_FLAG_STRICT_GUARD, 0);
    CHECK_EQ_INT(context_of(port), 0);
    CHECK_KERN(mach_port_destruct(TASK, port, 0, SECRET), KERN_SUCCESS);
    CHECK_GONE(port);
}

/* The kernel sends EXC_GUARD and, as no one handles it, kills (mach_port_guard_ast). */
enum { MOD_REFS, DESTROY, WRONG_GUARD, UNGUARD_WRONG, UNGUARD_NONE, SET_CONTEXT, VIOLATIONS };
ROLE(violates)
{
    int which = argc > 0 ? atoi(argv[0]) : -1;
    mach_port_t port = which == UNGUARD_NONE ? rig_port(false) : construct(MPO_CONTEXT_AS_GUARD | MPO_STRICT, SECRET);
    switch (which) {
    case MOD_REFS:
        mach_port_mod_refs(TASK, port, RIGHT(RECEIVE), -1);
        break;
    case DESTROY:
        rig_port_destroy(TASK, port);
        break;
    case WRONG_GUARD:
        mach_port_destruct(TASK, port, 0, OTHER);
        break;
    case UNGUARD_WRONG:
    case UNGUARD_NONE:
        rig_port_unguard(TASK, port, OTHER);
        break;
    case SET_CONTEXT:
        rig_port_set_context(TASK, port, OTHER);
        break;
    default:
        FAIL("a violation that is known");
    }
    getpid(); /* the exception comes at the end of a system call */
    exit(3);  /* it did not */
}

static void violate(int which)
{
    char number[4];
    snprintf(number, sizeof number, "%d", which);
    const char *const args[] = {number, NULL};
    CHECK_KILLED_BY(rig_exec_role("violates", args, -1), SIGKILL);
}

CASE(guard_stops_mod_refs)
{
    violate(MOD_REFS);
}

CASE(guard_stops_destroy_by_message)
{
    violate(DESTROY);
}

CASE(guard_stops_destruct_with_another_guard)
{
    violate(WRONG_GUARD);
}

CASE(guard_stops_unguard_with_another_guard)
{
    violate(UNGUARD_WRONG);
}

CASE(unguard_of_no_guard_is_a_violation)
{
    violate(UNGUARD_NONE);
}

CASE(strict_guard_stops_set_context)
{
    violate(SET_CONTEXT);
}

CASE(space_info_tells_every_name)
{
    mach_port_t port = rig_port(false), set = port_new(RIGHT(PORT_SET));
    ipc_info_space_t info = {0};
    ipc_info_name_array_t table = NULL;
    ipc_info_tree_name_array_t tree = NULL;
    mach_msg_type_number_t count = 0, tree_count = 0, names = rig_port_count(), used = 0, found = 0;
    port_add_send(port, 4);
    kern_return_t result = mach_port_space_info(TASK, &info, &table, &count, &tree, &tree_count);
    if (result == KERN_FAILURE)
        UNSUPPORTED("this kernel is built without MACH_IPC_DEBUG");
    REQUIRE_KERN(result);
    CHECK_EQ_INT(count, info.iis_table_size);
    CHECK_EQ_INT(tree_count, 0);
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        used += (table[i].iin_type & TYPE(ALL_RIGHTS)) != 0;
        if (table[i].iin_name == port) {
            found++;
            CHECK_EQ_INT(table[i].iin_type, TYPE(SEND_RECEIVE));
            CHECK_EQ_INT(table[i].iin_urefs, 4);
        } else if (table[i].iin_name == set) {
            found++;
            CHECK_EQ_INT(table[i].iin_type, TYPE(PORT_SET));
        }
    }
    CHECK_EQ_INT(found, 2);
    FACT("names", names);
    FACT("table_size", info.iis_table_size);
    CHECK_GE_INT(used, names - 1); /* a reply port more or less */
    CHECK_LE_INT(used, names + 1);
    CHECK_KERN(vm_deallocate(TASK, (vm_address_t)table, count * sizeof *table), KERN_SUCCESS);
}
