/* bootstrap_time.c - what the bootstrap port and a look-up by name cost. */
#include "names.h"

static void get_port(void *context, unsigned long n)
{
    mach_port_t want = *(mach_port_t *)context, got = MACH_PORT_NULL;
    while (n--) {
        REQUIRE_QUIET(rig_task_get_special_port(TASK, TASK_BOOTSTRAP_PORT, &got) == KERN_SUCCESS && got == want);
        REQUIRE_QUIET(mach_port_deallocate(TASK, got) == KERN_SUCCESS);
    }
}

CASE(time_bootstrap_port, .deadline = 60)
{
    mach_port_t port = rig_port(true);
    boot_set(port);
    rig_time("get_and_deallocate", 0, get_port, &port);
}

ROLE(name_server)
{
    mach_port_t parent = rig_parents_port(), server = rig_port(true);
    REQUIRE_KERN(rig_send_port(parent, HOW(COPY_SEND), RIG_HELLO, server, HOW(COPY_SEND)));
    names_serve_till_told(server);
}

static void look_up(void *context, unsigned long n)
{
    mach_port_t server = *(mach_port_t *)context, service = MACH_PORT_NULL;
    while (n--) {
        REQUIRE_QUIET(names_look_up(server, "clock", &service) == BOOTSTRAP_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(TASK, service) == KERN_SUCCESS);
    }
}

CASE(time_own_server_look_up, .deadline = 120)
{
    mach_port_t here = rig_port(true), service = MACH_PORT_NULL;
    struct rig_letter letter;
    pid_t child = rig_exec_role_with_port("name_server", NULL, here);
    rig_expect(here, RIG_HELLO, &letter);
    mach_port_t server = letter.carried.port.name;
    REQUIRE_KERN(names_check_in(server, "clock", &service));
    rig_time("look_up", 0, look_up, &server);
    CHECK_KERN(rig_send(server, HOW(COPY_SEND), NAMES_LEAVE), MACH_MSG_SUCCESS);
    CHECK_EXITED(child, 0);
}
