/* mach_exception.c - exception ports as such: get, set and swap of threads and tasks, what is refused, what is counted.
 * The faults themselves are in the files beside it. */
#include "kit.h"

PROBE("mach_exception", "1");

static const exception_mask_t EVERY = EXC_MASK_ALL | EXC_MASK_CRASH | EXC_MASK_CORPSE_NOTIFY;
static const enum rig_exc_level OWN[] = {RIG_EXC_THREAD, RIG_EXC_TASK};

CASE(wrappers_present)
{
    static const struct rig_wrapper wrappers[] = {
        RIG_WRAPPER(thread_set_exception_ports), RIG_WRAPPER(thread_get_exception_ports),
        RIG_WRAPPER(thread_swap_exception_ports), RIG_WRAPPER(task_set_exception_ports),
        RIG_WRAPPER(task_get_exception_ports), RIG_WRAPPER(task_swap_exception_ports),
        RIG_WRAPPER(host_set_exception_ports), RIG_WRAPPER(host_get_exception_ports),
        RIG_WRAPPER(host_swap_exception_ports), {NULL, NULL}};
    rig_tell_wrappers(wrappers);
}

CASE(none_set_at_first)
{
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, kit_thread(), EVERY, &found));
    CHECK_EQ_INT(found.count, 0); /* not one entry of null ports: a thread has no table before its first set */
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EVERY, &found));
    CHECK_EQ_INT(found.count, 1);
    CHECK_EQ_INT(found.ports[0], MACH_PORT_NULL);
    CHECK_EQ_INT(found.masks[0], EVERY);
}

CASE(set_is_got_back)
{
    mach_port_t port = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(OWN); i++) {
        struct rig_exc_ports found;
        REQUIRE_KERN(rig_exc_set(OWN[i], kit_of(OWN[i]), EXC_MASK_ARITHMETIC, port, WIDE_STATE, x86_THREAD_STATE64));
        REQUIRE_KERN(rig_exc_get(OWN[i], kit_of(OWN[i]), EXC_MASK_ARITHMETIC, &found));
        CHECK_EQ_INT(found.count, 1);
        CHECK_EQ_INT(found.masks[0], EXC_MASK_ARITHMETIC);
        CHECK_EQ_INT(found.ports[0], port);
        CHECK_EQ_INT(found.behaviors[0], WIDE_STATE);
        CHECK_EQ_INT(found.flavors[0], x86_THREAD_STATE64);
    }
}

CASE(levels_do_not_share)
{
    mach_port_t of_thread = rig_port(true), of_task = rig_port(true);
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, of_thread, EXCEPTION_DEFAULT, 0));
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, &found));
    CHECK_EQ_INT(found.ports[0], MACH_PORT_NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, of_task, EXCEPTION_DEFAULT, 0));
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, &found));
    CHECK_EQ_INT(found.ports[0], of_thread);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, &found));
    CHECK_EQ_INT(found.ports[0], of_task);
}

/* Three settings over five types: what is equal comes in one entry, wherever it stands. */
CASE(get_merges_equal_entries)
{
    mach_port_t a = rig_port(true), b = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(OWN); i++) {
        mach_port_t of = kit_of(OWN[i]);
        struct rig_exc_ports found;
        REQUIRE_KERN(rig_exc_set(OWN[i], of, EXC_MASK_BAD_ACCESS | EXC_MASK_ARITHMETIC, a, EXCEPTION_DEFAULT, 0));
        REQUIRE_KERN(rig_exc_set(OWN[i], of, EXC_MASK_BAD_INSTRUCTION, a, EXCEPTION_STATE, x86_THREAD_STATE64));
        REQUIRE_KERN(rig_exc_set(OWN[i], of, EXC_MASK_SOFTWARE, b, EXCEPTION_DEFAULT, 0));
        REQUIRE_KERN(rig_exc_set(OWN[i], of, EXC_MASK_BREAKPOINT, a, EXCEPTION_DEFAULT, 0));
        REQUIRE_KERN(rig_exc_get(OWN[i], of, EVERY, &found));
        CHECK_EQ_INT(found.count, 4); /* the fourth: no port */
        int first = rig_exc_entry(&found, EXC_BAD_ACCESS), state = rig_exc_entry(&found, EXC_BAD_INSTRUCTION);
        int other = rig_exc_entry(&found, EXC_SOFTWARE), none = rig_exc_entry(&found, EXC_GUARD);
        REQUIRE(first >= 0 && state >= 0 && other >= 0 && none >= 0);
        CHECK_EQ_INT(found.masks[first], EXC_MASK_BAD_ACCESS | EXC_MASK_ARITHMETIC | EXC_MASK_BREAKPOINT);
        CHECK_EQ_INT(found.masks[state], EXC_MASK_BAD_INSTRUCTION);
        CHECK_EQ_INT(found.ports[state], a);
        CHECK_EQ_INT(found.behaviors[state], EXCEPTION_STATE);
        CHECK_EQ_INT(found.flavors[state], x86_THREAD_STATE64);
        CHECK_EQ_INT(found.masks[other], EXC_MASK_SOFTWARE);
        CHECK_EQ_INT(found.ports[other], b);
        CHECK_EQ_INT(found.ports[none], MACH_PORT_NULL);
        CHECK_EQ_INT(found.masks[first] | found.masks[state] | found.masks[other] | found.masks[none], EVERY);
    }
}

CASE(get_tells_what_is_asked_only)
{
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC | EXC_MASK_BREAKPOINT, port,
                             EXCEPTION_DEFAULT, 0));
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, &found));
    CHECK_EQ_INT(found.count, 1);
    CHECK_EQ_INT(found.masks[0], EXC_MASK_BREAKPOINT);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), 0, &found));
    CHECK_EQ_INT(found.count, 0);
}

CASE(swap_gives_the_old_back)
{
    mach_port_t old = rig_port(true), new = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(OWN); i++) {
        mach_port_t of = kit_of(OWN[i]);
        struct rig_exc_ports found, now;
        REQUIRE_KERN(rig_exc_set(OWN[i], of, EXC_MASK_ARITHMETIC, old, WIDE_STATE, x86_THREAD_STATE64));
        REQUIRE_KERN(rig_exc_swap(OWN[i], of, EXC_MASK_ARITHMETIC | EXC_MASK_BREAKPOINT, new, WIDE_DEFAULT, 0, &found));
        CHECK_EQ_INT(found.count, 2);
        int had = rig_exc_entry(&found, EXC_ARITHMETIC), none = rig_exc_entry(&found, EXC_BREAKPOINT);
        REQUIRE(had >= 0 && none >= 0);
        CHECK_EQ_INT(found.ports[had], old);
        CHECK_EQ_INT(found.behaviors[had], WIDE_STATE);
        CHECK_EQ_INT(found.flavors[had], x86_THREAD_STATE64);
        CHECK_EQ_INT(found.ports[none], MACH_PORT_NULL);
        REQUIRE_KERN(rig_exc_get(OWN[i], of, EXC_MASK_ARITHMETIC | EXC_MASK_BREAKPOINT, &now));
        CHECK_EQ_INT(now.count, 1);
        CHECK_EQ_INT(now.ports[0], new);
        CHECK_EQ_INT(now.behaviors[0], WIDE_DEFAULT);
        CHECK_KERN(rig_exc_restore(OWN[i], of, &found), KERN_SUCCESS);
        REQUIRE_KERN(rig_exc_get(OWN[i], of, EXC_MASK_ARITHMETIC | EXC_MASK_BREAKPOINT, &now));
        CHECK_EQ_INT(now.count, 2);
        CHECK_EQ_INT(now.ports[rig_exc_entry(&now, EXC_ARITHMETIC)], old);
    }
}

CASE(null_port_removes)
{
    mach_port_t port = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(OWN); i++) {
        struct rig_exc_ports found;
        REQUIRE_KERN(rig_exc_set(OWN[i], kit_of(OWN[i]), EXC_MASK_ARITHMETIC | EXC_MASK_SOFTWARE, port, EXCEPTION_DEFAULT, 0));
        CHECK_KERN(rig_exc_set(OWN[i], kit_of(OWN[i]), EXC_MASK_ARITHMETIC, MACH_PORT_NULL, EXCEPTION_DEFAULT, 0), KERN_SUCCESS);
        REQUIRE_KERN(rig_exc_get(OWN[i], kit_of(OWN[i]), EXC_MASK_ARITHMETIC | EXC_MASK_SOFTWARE, &found));
        CHECK_EQ_INT(found.count, 2);
        CHECK_EQ_INT(found.ports[rig_exc_entry(&found, EXC_ARITHMETIC)], MACH_PORT_NULL);
        CHECK_EQ_INT(found.ports[rig_exc_entry(&found, EXC_SOFTWARE)], port);
    }
}

CASE(invalid_mask_is_refused)
{
    static const exception_mask_t wrong[] = {1, 1u << EXC_TYPES_COUNT, 1u << 31, EXC_MASK_ARITHMETIC | 1};
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    for (size_t i = 0; i < RIG_COUNT(OWN); i++)
        for (size_t j = 0; j < RIG_COUNT(wrong); j++) {
            mach_port_t of = kit_of(OWN[i]);
            CHECK_KERN(rig_exc_set(OWN[i], of, wrong[j], port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
            CHECK_KERN(rig_exc_get(OWN[i], of, wrong[j], &found), KERN_INVALID_ARGUMENT);
            CHECK_KERN(rig_exc_swap(OWN[i], of, wrong[j], port, EXCEPTION_DEFAULT, 0, &found), KERN_INVALID_ARGUMENT);
        }
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EVERY, &found));
    CHECK_EQ_INT(found.ports[0], MACH_PORT_NULL); /* the valid bit beside the wrong one was not set either */
}

CASE(invalid_behavior_is_refused)
{
    static const exception_behavior_t wrong[] = {0, 77, RIG_EXC_WIDE(0), RIG_EXC_WIDE(77), 0x10000 | EXCEPTION_DEFAULT};
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    for (size_t i = 0; i < RIG_COUNT(OWN); i++)
        for (size_t j = 0; j < RIG_COUNT(wrong); j++) {
            mach_port_t of = kit_of(OWN[i]);
            CHECK_KERN(rig_exc_set(OWN[i], of, EXC_MASK_ARITHMETIC, port, wrong[j], 0), KERN_INVALID_ARGUMENT);
            CHECK_KERN(rig_exc_swap(OWN[i], of, EXC_MASK_ARITHMETIC, port, wrong[j], 0, &found), KERN_INVALID_ARGUMENT);
            /* with no port the behaviour means nothing, and is not looked at */
            CHECK_KERN(rig_exc_set(OWN[i], of, EXC_MASK_ARITHMETIC, MACH_PORT_NULL, wrong[j], 0), KERN_SUCCESS);
        }
}

CASE(invalid_flavor_is_refused)
{
    static const thread_state_flavor_t wrong[] = {14, 15, 99, -1}; /* 14, 15: the kernel's own saved states */
    static const thread_state_flavor_t right[] = {0, x86_THREAD_STATE64, x86_EXCEPTION_STATE64, x86_THREAD_STATE,
                                                  x86_DEBUG_STATE64, THREAD_STATE_NONE};
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    for (size_t i = 0; i < RIG_COUNT(OWN); i++) {
        mach_port_t of = kit_of(OWN[i]);
        for (size_t j = 0; j < RIG_COUNT(wrong); j++) {
            CHECK_KERN(rig_exc_set(OWN[i], of, EXC_MASK_ARITHMETIC, port, EXCEPTION_STATE, wrong[j]), KERN_INVALID_ARGUMENT);
            CHECK_KERN(rig_exc_swap(OWN[i], of, EXC_MASK_ARITHMETIC, port, EXCEPTION_STATE, wrong[j], &found),
                       KERN_INVALID_ARGUMENT);
        }
        for (size_t j = 0; j < RIG_COUNT(right); j++)
            CHECK_KERN(rig_exc_set(OWN[i], of, EXC_MASK_ARITHMETIC, port, EXCEPTION_STATE, right[j]), KERN_SUCCESS);
    }
}

CASE(port_without_send_right_is_refused)
{
    mach_port_t receive_only = rig_port(false);
    CHECK_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, receive_only, EXCEPTION_DEFAULT, 0),
               MACH_SEND_INVALID_RIGHT);
    CHECK_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, 0xdead00, EXCEPTION_DEFAULT, 0),
               MACH_SEND_INVALID_RIGHT);
}

CASE(wrong_kind_of_object_is_refused)
{
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    CHECK_KERN(rig_exc_get(RIG_EXC_HOST, rig_task(), EXC_MASK_ARITHMETIC, &found), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_set(RIG_EXC_THREAD, rig_task(), EXC_MASK_ARITHMETIC, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_set(RIG_EXC_TASK, kit_thread(), EXC_MASK_ARITHMETIC, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_get(RIG_EXC_TASK, kit_thread(), EXC_MASK_ARITHMETIC, &found), KERN_INVALID_ARGUMENT);
}

CASE(dead_name_stands_for_no_port)
{
    struct rig_exc_ports found;
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1));
    CHECK_EQ_INT(rig_port_type(port), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, port, EXCEPTION_DEFAULT, 0), KERN_SUCCESS);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, &found));
    CHECK_EQ_INT(found.ports[0], MACH_PORT_DEAD);
    CHECK_EQ_INT(fault_of((void (*)(void *))x_divide, NULL).sig, SIGFPE);
}

/* The kernel holds one send right for each exception type set, and gives the caller one for each entry it tells. */
CASE(rights_are_counted)
{
    mach_port_t port = rig_port(true);
    mach_port_urefs_t refs = 0;
    struct rig_exc_ports found;
    mach_msg_type_number_t names = rig_port_count();
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC | EXC_MASK_SOFTWARE, port, EXCEPTION_DEFAULT, 0));
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, port, EXCEPTION_STATE, x86_THREAD_STATE64));
    REQUIRE_KERN(rig_port_get_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, &refs));
    CHECK_EQ_INT(refs, 1); /* the caller's own, copied */
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), EVERY, &found));
    CHECK_EQ_INT(found.count, 3);
    REQUIRE_KERN(rig_port_get_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, &refs));
    CHECK_EQ_INT(refs, 3); /* and one for each of two entries */
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, -3));
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 1); /* "some": the kernel's are left */
    kit_unwatch(RIG_EXC_TASK, EXC_MASK_ARITHMETIC | EXC_MASK_SOFTWARE);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 1);
    kit_unwatch(RIG_EXC_TASK, EXC_MASK_BREAKPOINT);
    CHECK_EQ_INT(rig_port_status(port).mps_srights, 0);
    CHECK_EQ_INT(rig_port_count(), names);
}
