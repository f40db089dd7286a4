/* bootstrap.c - the bootstrap port, and names over it, by the kernel alone.
 * Contracts: xnu-4570.41.2 osfmk/kern/ipc_tt.c ipc_task_init, task_get_special_port, task_set_special_port. */
#include "names.h"

PROBE("bootstrap", "1");

CASE(wrappers_of_libsystem)
{
    static const struct rig_wrapper wrappers[] = {RIG_WRAPPER(bootstrap_check_in), RIG_WRAPPER(bootstrap_look_up),
                                                  RIG_WRAPPER(bootstrap_register), RIG_WRAPPER(bootstrap_strerror),
                                                  {NULL, NULL}};
    rig_tell_wrappers(wrappers);
}

CASE(the_port_is_told)
{
    mach_port_t port = boot_port();
    FACT_STR("bootstrap_port", port == MACH_PORT_NULL ? "null" : port == MACH_PORT_DEAD ? "dead" : "a send right");
    if (MACH_PORT_VALID(port)) {
        CHECK_EQ_INT(rig_port_type(port), TYPE(SEND));
        CHECK_EQ_INT(boot_port(), port); /* the same port has the same name */
    } else {
        CHECK_EQ_INT(port, MACH_PORT_NULL);
    }
}

CASE(the_port_is_set_and_got)
{
    mach_port_t port = rig_port(true);
    mach_port_urefs_t refs = 0;
    boot_set(port);
    CHECK_EQ_INT(boot_port(), port);
    REQUIRE_KERN(rig_port_get_refs(TASK, port, RIGHT(SEND), &refs));
    CHECK_EQ_INT(refs, 2); /* each look brings a send right */
    boot_set(MACH_PORT_NULL);
    CHECK_EQ_INT(boot_port(), MACH_PORT_NULL);
}

CASE(a_new_port_frees_the_old)
{
    mach_port_t first = rig_port(true), second = rig_port(true), told = rig_port(false), previous = MACH_PORT_NULL;
    struct rig_letter letter;
    boot_set(first);
    REQUIRE_KERN(rig_port_request_notification(TASK, first, MACH_NOTIFY_NO_SENDERS, 0, told, HOW(MAKE_SEND_ONCE),
                                               &previous));
    CHECK_KERN(mach_port_deallocate(TASK, first), KERN_SUCCESS);
    CHECK_NO_MESSAGE(told); /* the task's own is a sender */
    boot_set(second);
    rig_expect(told, MACH_NOTIFY_NO_SENDERS, &letter);
}

CASE(a_server_that_dies_leaves_a_dead_port)
{
    mach_port_t port = rig_port(true);
    boot_set(port);
    CHECK_KERN(rig_port_destroy(TASK, port), KERN_SUCCESS);
    CHECK_EQ_INT(boot_port(), MACH_PORT_DEAD);
}

static void says_hello(void *arg)
{
    (void)arg;
    CHECK_KERN(rig_send(boot_port(), HOW(COPY_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
}

ROLE(says_hello)
{
    says_hello(NULL);
}

CASE(a_forked_child_inherits_it)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    boot_set(port);
    CHECK_EXITED(rig_spawn(says_hello, NULL), 0);
    rig_expect(port, RIG_HELLO, &letter);
}

CASE(a_new_program_inherits_it)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    CHECK_EXITED(boot_exec_role("says_hello", NULL, port), 0);
    rig_expect(port, RIG_HELLO, &letter);
}

ROLE(passes_it_on)
{
    CHECK_EXITED(rig_exec_role("says_hello", NULL, -1), 0);
}

CASE(a_grandchild_inherits_it)
{
    mach_port_t port = rig_port(true);
    struct rig_letter letter;
    CHECK_EXITED(boot_exec_role("passes_it_on", NULL, port), 0);
    rig_expect(port, RIG_HELLO, &letter);
}

ROLE(waits_then_says_hello)
{
    mach_port_t old = boot_port(), mine = rig_port(false), own = rig_port(true);
    struct rig_letter letter;
    REQUIRE_KERN(rig_send_port(old, HOW(COPY_SEND), RIG_HELLO + 1, mine, HOW(MAKE_SEND)));
    rig_expect(mine, RIG_HELLO + 2, &letter); /* now the parent has set its own anew */
    CHECK_EQ_INT(boot_port(), old);
    boot_set(own); /* which the parent will not see */
    CHECK_EQ_INT(boot_port(), own);
    REQUIRE_KERN(rig_send(old, HOW(COPY_SEND), RIG_HELLO + 3));
    rig_expect(mine, RIG_HELLO + 4, &letter);
}

CASE(each_task_has_its_own)
{
    mach_port_t port = rig_port(true), other = rig_port(true);
    struct rig_letter letter;
    boot_set(port);
    pid_t child = rig_exec_role("waits_then_says_hello", NULL, -1);
    rig_expect(port, RIG_HELLO + 1, &letter);
    mach_port_t childs = letter.carried.port.name;
    boot_set(other);
    CHECK_KERN(rig_send(childs, HOW(COPY_SEND), RIG_HELLO + 2), MACH_MSG_SUCCESS);
    rig_expect(port, RIG_HELLO + 3, &letter);
    CHECK_EQ_INT(boot_port(), other);
    CHECK_KERN(rig_send(childs, HOW(COPY_SEND), RIG_HELLO + 4), MACH_MSG_SUCCESS);
    CHECK_EXITED(child, 0);
}

ROLE(gets_another)
{
    mach_port_t first = boot_port(), mine = rig_port(false);
    struct rig_letter letter;
    REQUIRE_KERN(rig_send_port(first, HOW(COPY_SEND), RIG_HELLO + 1, TASK, HOW(COPY_SEND)));
    REQUIRE_KERN(rig_send_port(first, HOW(COPY_SEND), RIG_HELLO + 2, mine, HOW(MAKE_SEND)));
    rig_expect(mine, RIG_HELLO + 3, &letter);
    CHECK_NE_INT(boot_port(), first);
    CHECK_KERN(rig_send(boot_port(), HOW(COPY_SEND), RIG_HELLO), MACH_MSG_SUCCESS);
}

CASE(another_task_sets_it_by_the_task_port)
{
    mach_port_t port = rig_port(true), other = rig_port(true);
    struct rig_letter letter;
    pid_t child = boot_exec_role("gets_another", NULL, port);
    rig_expect(port, RIG_HELLO + 1, &letter);
    mach_port_t task = letter.carried.port.name;
    rig_expect(port, RIG_HELLO + 2, &letter);
    CHECK_KERN(rig_task_set_special_port(task, TASK_BOOTSTRAP_PORT, other), KERN_SUCCESS);
    CHECK_KERN(rig_send(letter.carried.port.name, HOW(COPY_SEND), RIG_HELLO + 3), MACH_MSG_SUCCESS);
    rig_expect(other, RIG_HELLO, &letter);
    CHECK_EXITED(child, 0);
}

/* ---- Names, by this probe's own server -------------------------------------------------------------------------- */

ROLE(looks_up_nothing)
{
    mach_port_t service = MACH_PORT_NULL;
    CHECK_KERN(names_look_up(boot_port(), "nobody", &service), BOOTSTRAP_UNKNOWN_SERVICE);
    CHECK_EQ_INT(service, MACH_PORT_NULL);
}

CASE(own_server_unknown_name)
{
    mach_port_t server = rig_port(true);
    names_serve(server, boot_exec_role("looks_up_nothing", NULL, server));
    CHECK(!names_known("nobody"));
}

ROLE(finds_and_calls)
{
    mach_port_t service = MACH_PORT_NULL;
    CHECK_KERN(names_look_up(boot_port(), "clock", &service), BOOTSTRAP_SUCCESS);
    CHECK_EQ_INT(rig_port_type(service), TYPE(SEND));
    CHECK_KERN(rig_send(service, HOW(COPY_SEND), RIG_HELLO + 7), MACH_MSG_SUCCESS);
}

ROLE(checks_in_and_serves)
{
    mach_port_t service = MACH_PORT_NULL, other = MACH_PORT_NULL;
    struct rig_letter letter;
    CHECK_KERN(names_check_in(boot_port(), "clock", &service), BOOTSTRAP_SUCCESS);
    CHECK_EQ_INT(rig_port_type(service), TYPE(RECEIVE));
    CHECK_KERN(names_check_in(boot_port(), "clock", &other), BOOTSTRAP_SERVICE_ACTIVE);
    pid_t client = rig_exec_role("finds_and_calls", NULL, -1); /* inherits the bootstrap port, not the service */
    rig_expect(service, RIG_HELLO + 7, &letter);
    CHECK_EXITED(client, 0);
}

CASE(own_server_check_in_and_look_up, .deadline = 20)
{
    mach_port_t server = rig_port(true);
    names_serve(server, boot_exec_role("checks_in_and_serves", NULL, server));
    CHECK(names_known("clock"));
}

CASE(own_server_name_of_a_dead_task, .deadline = 20)
{
    /* The receive right came back when the task died: the name is free, and messages sent meanwhile wait. */
    mach_port_t server = rig_port(true);
    names_serve(server, boot_exec_role("checks_in_and_dies", NULL, server));
    CHECK(names_known("clock"));
    CHECK(!names_active("clock"));
    names_serve(server, boot_exec_role("finds_and_calls", NULL, server)); /* a message to no one, kept */
    names_serve(server, boot_exec_role("takes_over", NULL, server));
    CHECK(!names_active("clock")); /* it has died again */
}

ROLE(checks_in_and_dies)
{
    mach_port_t service = MACH_PORT_NULL;
    CHECK_KERN(names_check_in(boot_port(), "clock", &service), BOOTSTRAP_SUCCESS);
    CHECK_EQ_INT(rig_port_type(service), TYPE(RECEIVE));
}

ROLE(takes_over)
{
    mach_port_t service = MACH_PORT_NULL;
    struct rig_letter letter;
    CHECK_KERN(names_check_in(boot_port(), "clock", &service), BOOTSTRAP_SUCCESS);
    rig_expect(service, RIG_HELLO + 7, &letter);
}
