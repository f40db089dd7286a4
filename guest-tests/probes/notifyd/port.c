/* port.c - notifications as Mach messages: a header alone, whose id is the token (Libnotify libnotify.c _internal_send). */
#include "service.h"

bool port_take(mach_port_t port, int *token, unsigned ms)
{
    struct {
        mach_msg_header_t header;
        mach_msg_max_trailer_t trailer;
    } message;
    if (rig_msg_receive(&message.header, sizeof message, port, ms) != MACH_MSG_SUCCESS)
        return false;
    CHECK_EQ_INT(message.header.msgh_size, sizeof message.header);
    *token = message.header.msgh_id;
    return true;
}

long ports_held(void) { return (long)rig_port_count(); }
