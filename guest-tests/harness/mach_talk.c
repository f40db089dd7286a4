/* mach_talk.c - see mach_talk.h. */
#include "mach_talk.h"

#ifdef __APPLE__

mach_msg_return_t rig_send(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id)
{
    mach_msg_header_t message = {.msgh_bits = MACH_MSGH_BITS(how, 0),
                                 .msgh_size = sizeof message,
                                 .msgh_remote_port = to,
                                 .msgh_id = id};
    return rig_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof message, 0, MACH_PORT_NULL, 0);
}

mach_msg_return_t rig_send_port(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id, mach_port_t port,
                                mach_msg_type_name_t port_how)
{
    struct {
        mach_msg_header_t header;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t port;
    } message = {.header = {.msgh_bits = MACH_MSGH_BITS(how, 0) | MACH_MSGH_BITS_COMPLEX,
                            .msgh_size = sizeof message,
                            .msgh_remote_port = to,
                            .msgh_id = id},
                 .body = {.msgh_descriptor_count = 1},
                 .port = {.name = port, .disposition = port_how, .type = MACH_MSG_PORT_DESCRIPTOR}};
    return rig_msg(&message.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof message, 0, MACH_PORT_NULL, 0);
}

static mach_msg_return_t take(mach_port_t from, struct rig_letter *letter, mach_msg_timeout_t timeout_ms)
{
    memset(letter, 0, sizeof *letter);
    return rig_msg(&letter->header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof *letter, from, timeout_ms);
}

mach_msg_return_t rig_take(mach_port_t from, struct rig_letter *letter)
{
    return take(from, letter, 0);
}

void rig_expect_at(struct rig_at at, mach_port_t from, mach_msg_id_t id, struct rig_letter *letter)
{
    mach_msg_return_t result = take(from, letter, (mach_msg_timeout_t)(rig_patience(5) * 1000));
    if (!rig_check_kern(at, result, MACH_MSG_SUCCESS) ||
        !rig_check_int(at, letter->header.msgh_id, "==", id, letter->header.msgh_id == id))
        rig_give_up();
}

bool rig_check_no_message(struct rig_at at, mach_port_t port)
{
    struct rig_letter letter;
    return rig_check_kern(at, rig_take(port, &letter), MACH_RCV_TIMED_OUT);
}

pid_t rig_exec_role_with_port(const char *role, const char *const args[], mach_port_t port)
{
    REQUIRE_KERN(rig_ports_register(rig_task(), &port, 1));
    pid_t child = rig_exec_role(role, args, -1);
    REQUIRE_KERN(rig_ports_register(rig_task(), NULL, 0)); /* else the registration is a sender, too */
    return child;
}

mach_port_t rig_parents_port(void)
{
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(rig_task(), &ports, &count));
    REQUIRE(count >= 1 && MACH_PORT_VALID(ports[0]));
    mach_port_t port = ports[0];
    rig_port_free_array(ports, count);
    return port;
}

#endif
