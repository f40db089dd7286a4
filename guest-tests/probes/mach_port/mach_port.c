/* mach_port.c - see port_words.h. */
#include "port_words.h"

PROBE("mach_port", "1");

mach_port_urefs_t port_refs(mach_port_name_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = 0;
    REQUIRE_KERN(rig_port_get_refs(TASK, name, right, &refs));
    return refs;
}

mach_port_t port_new(mach_port_right_t right)
{
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_allocate(TASK, right, &port));
    return port;
}

void port_add_send(mach_port_t port, unsigned times)
{
    while (times--)
        REQUIRE_KERN(mach_port_insert_right(TASK, port, port, HOW(MAKE_SEND)));
}

mach_port_t port_send_once(mach_port_t port)
{
    mach_port_t once = MACH_PORT_NULL;
    mach_msg_type_name_t how = 0;
    REQUIRE_KERN(rig_port_extract_right(TASK, port, HOW(MAKE_SEND_ONCE), &once, &how));
    CHECK_EQ_INT(how, HOW(PORT_SEND_ONCE));
    return once;
}

mach_port_t port_notify(mach_port_t name, mach_msg_id_t which, mach_port_mscount_t sync, mach_port_t notify)
{
    mach_port_t previous = MACH_PORT_NULL;
    REQUIRE_KERN(rig_port_request_notification(TASK, name, which, sync, notify, HOW(MAKE_SEND_ONCE), &previous));
    return previous;
}

void port_fill(mach_port_t port, unsigned messages)
{
    for (unsigned i = 0; i < messages; i++)
        REQUIRE_KERN(rig_send(port, HOW(MAKE_SEND), RIG_HELLO + (mach_msg_id_t)i));
}
