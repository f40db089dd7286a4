/* family.c - parent and child: what fork and exec hand on, and a handler in another task than the fault. */
#include "kit.h"

static void divide(void *argument)
{
    (void)argument;
    x_divide();
}

static const exception_mask_t MASK = EXC_MASK_ARITHMETIC | EXC_MASK_BAD_ACCESS;

/* In the child: its task's ports are what the parent's were. */
static void look_and_divide(void *argument)
{
    (void)argument;
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), MASK, &found));
    CHECK_EQ_INT(found.count, 1);
    CHECK_EQ_INT(found.masks[0], MASK);
    CHECK_EQ_INT(found.behaviors[0], WIDE_IDENTITY);
    CHECK_EQ_INT(found.flavors[0], x86_THREAD_STATE64);
    CHECK_EQ_INT(rig_port_type(found.ports[0]), MACH_PORT_TYPE_SEND); /* the receive right is the parent's */
    x_divide();
}

CASE(task_ports_are_inherited_across_fork)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, MASK, WIDE_IDENTITY, look_and_divide, NULL);
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_ARITHMETIC);
    CHECK_EQ_INT(e.code[0], EXC_I386_DIV);
    CHECK_KERN(kit_skip(&e, DIVIDE_LENGTH), KERN_SUCCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EXITED(child, 0);
    CHECK_QUIET(port);
}

static void look_for_thread_ports(void *argument)
{
    (void)argument;
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, kit_thread(), EXC_MASK_ALL, &found));
    CHECK_EQ_INT(found.count, 0);
    x_divide();
}

CASE(thread_ports_are_not_inherited)
{
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), MASK, port, WIDE_DEFAULT, 0));
    pid_t child = rig_spawn(look_for_thread_ports, NULL);
    CHECK_KILLED_BY(child, SIGFPE);
    CHECK_QUIET(port);
}

static void change_own_ports(void *argument)
{
    (void)argument;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), MASK, MACH_PORT_NULL, EXCEPTION_DEFAULT, 0));
}

CASE(child_changes_its_own_ports_only)
{
    struct rig_exc_ports found;
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), MASK, port, WIDE_DEFAULT, 0));
    pid_t child = rig_spawn(change_own_ports, NULL);
    CHECK_EXITED(child, 0);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), MASK, &found));
    CHECK_EQ_INT(found.ports[0], port);
}

static int shared_value = 7;

/* The child writes to a hole; its parent maps the page there, through the task port that the message brought. */
static void write_to_a_hole(void *argument)
{
    char *hole = argument;
    shared_value = 42; /* this task's copy */
    x_store(hole + 9);
    CHECK_EQ_INT(hole[9], 1);
}

CASE(handler_works_on_the_other_task)
{
    struct rig_exception e;
    int pid = 0, value = 0;
    mach_vm_size_t got = 0;
    mach_port_t port = rig_port(true);
    char *hole = kit_hole();
    pid_t child = kit_spawn_watched(port, MASK, WIDE_DEFAULT, write_to_a_hole, hole);
    kit_receive(port, &e);
    CHECK_NE_INT(e.task, rig_task());
    CHECK_KERN(pid_for_task(e.task, &pid), KERN_SUCCESS);
    CHECK_EQ_INT(pid, child);
    CHECK_KERN(rig_vm_read_overwrite(e.task, (mach_vm_address_t)&shared_value, sizeof value, (mach_vm_address_t)&value, &got),
               KERN_SUCCESS);
    CHECK_EQ_INT(value, 42);
    CHECK_EQ_INT(shared_value, 7);
    CHECK_KERN(kit_map(e.task, (uint64_t)e.code[1]), KERN_SUCCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EXITED(child, 0);
}

CASE(parent_skips_in_the_child)
{
    static const exception_behavior_t forms[] = {WIDE_DEFAULT, WIDE_STATE, EXCEPTION_STATE_IDENTITY};
    for (size_t i = 0; i < RIG_COUNT(forms); i++) {
        struct rig_exception e;
        mach_port_t port = rig_port(true);
        pid_t child = kit_spawn_watched(port, MASK, forms[i], divide, NULL);
        kit_receive(port, &e);
        CHECK_KERN(kit_skip(&e, DIVIDE_LENGTH), KERN_SUCCESS);
        CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
        CHECK_EXITED(child, 0);
        CHECK_QUIET(port);
    }
}

CASE(parent_declines_for_the_child)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, MASK, WIDE_DEFAULT, divide, NULL);
    kit_receive(port, &e);
    CHECK_KERN(rig_exc_answer(&e, KERN_FAILURE), KERN_SUCCESS);
    CHECK_KILLED_BY(child, SIGFPE);
}

/* While its exception waits the thread does not run; the rest of the system does. */
CASE(child_waits_for_the_answer)
{
    struct rig_exception e;
    int status;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, MASK, WIDE_STATE, divide, NULL);
    kit_receive(port, &e);
    rig_sleep_ms(100);
    CHECK_EQ_INT(waitpid(child, &status, WNOHANG), 0);
    CHECK_KERN(kit_skip(&e, DIVIDE_LENGTH), KERN_SUCCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EXITED(child, 0);
}

/* ---- exec -------------------------------------------------------------------------------------------------------- */

ROLE(victim)
{
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_TASK, rig_task(), MASK, &found));
    CHECK_EQ_INT(found.count, 1);
    CHECK_NE_INT(found.ports[0], MACH_PORT_NULL);
    x_divide();
}

CASE(exec_keeps_the_task_ports)
{
    struct rig_exception e;
    struct rig_exc_ports before;
    int pid = 0;
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_swap(RIG_EXC_TASK, rig_task(), MASK, port, WIDE_IDENTITY, x86_THREAD_STATE64, &before));
    pid_t role = rig_exec_role("victim", NULL, -1);
    REQUIRE_KERN(rig_exc_restore(RIG_EXC_TASK, rig_task(), &before));
    kit_receive(port, &e);
    CHECK_EQ_INT(e.type, EXC_ARITHMETIC);
    CHECK_KERN(pid_for_task(e.task, &pid), KERN_SUCCESS);
    CHECK_EQ_INT(pid, role);
    CHECK_KERN(kit_skip(&e, DIVIDE_LENGTH), KERN_SUCCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EXITED(role, 0);
}

ROLE(without_thread_ports)
{
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, kit_thread(), EXC_MASK_ALL, &found));
    CHECK_EQ_INT(found.count, 0);
}

static void set_and_exec(void *argument)
{
    (void)argument;
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), MASK, port, WIDE_DEFAULT, 0));
    rig_exec_role_here("without_thread_ports", NULL);
}

CASE(exec_drops_the_thread_ports)
{
    pid_t child = rig_spawn(set_and_exec, NULL);
    CHECK_EXITED(child, 0);
}

static void break_and_divide(void *argument)
{
    (void)argument;
    x_int3();
    x_divide();
}

/* Ports of another task can be set by whoever holds its task port: here from the message of its first exception. */
CASE(ports_of_another_task_can_be_set)
{
    struct rig_exception e;
    struct rig_exc_ports found;
    mach_port_t first = rig_port(true), second = rig_port(true);
    pid_t child = kit_spawn_watched(first, EXC_MASK_BREAKPOINT, WIDE_DEFAULT, break_and_divide, NULL);
    kit_receive(first, &e);
    CHECK_KERN(rig_exc_set(RIG_EXC_TASK, e.task, EXC_MASK_ARITHMETIC, second, WIDE_STATE, x86_THREAD_STATE64), KERN_SUCCESS);
    CHECK_KERN(rig_exc_set(RIG_EXC_THREAD, e.thread, EXC_MASK_SOFTWARE, second, WIDE_STATE, x86_THREAD_STATE64), KERN_SUCCESS);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, e.thread, EXC_MASK_SOFTWARE, &found));
    CHECK_EQ_INT(found.ports[0], second);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    kit_receive(second, &e);
    CHECK_EQ_INT(e.type, EXC_ARITHMETIC);
    CHECK_KERN(kit_skip(&e, DIVIDE_LENGTH), KERN_SUCCESS);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
    CHECK_EXITED(child, 0);
}
