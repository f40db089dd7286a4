/* passport.c - see passport.h */
#include "passport.h"

#include <poll.h>

mach_port_t port_of(int fd)
{
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_OK(rig_fileport_makeport(fd, &port));
    REQUIRE(MACH_PORT_VALID(port));
    return port;
}

int fd_of(mach_port_t port)
{
    int fd;
    REQUIRE_OK(fd = rig_fileport_makefd(port));
    return fd;
}

bool end_comes(int reader)
{
    char byte;
    return rig_wait_readable(reader) && read(reader, &byte, 1) == 0;
}

bool no_end(int reader)
{
    struct pollfd poll_fd = {.fd = reader, .events = POLLIN};
    return poll(&poll_fd, 1, 50) == 0;
}

void carry(mach_port_t to, mach_port_t port, mach_msg_type_name_t how)
{
    struct carrier message;
    rig_msg_to(&message.base.header, to, MACH_MSG_TYPE_COPY_SEND, 1, offsetof(struct carrier, trailer));
    rig_msg_complex(&message.base, 1);
    message.port = rig_port_item(port, how);
    REQUIRE_QUIET(rig_msg_send(&message.base.header, rig_msg_patience()) == KERN_SUCCESS); /* also in timed loops */
}

mach_port_t carried(mach_port_t from)
{
    struct carrier message;
    REQUIRE_KERN(rig_msg_receive(&message.base.header, sizeof message, from, rig_msg_patience()));
    REQUIRE(message.base.header.msgh_bits & MACH_MSGH_BITS_COMPLEX);
    CHECK_EQ_INT(message.port.disposition, MACH_MSG_TYPE_MOVE_SEND);
    return message.port.name;
}
