/* passport.h - what the cases about fileports share. */
#ifndef FILEPORT_PASSPORT_H
#define FILEPORT_PASSPORT_H

#include "darwin_fds.h"
#include "mach_message.h"

/* A fileport of fd, or the case ends. */
mach_port_t port_of(int fd);
/* A new descriptor from it, or the case ends. */
int fd_of(mach_port_t port);

/* Whether the read end of a pipe sees the end within the time; the kernel closes what a dead fileport held when it gets to
 * its no-senders notification, which is not at once. */
bool end_comes(int reader);
/* The end is not seen, also after a moment. */
bool no_end(int reader);

/* A message that carries one port. */
struct carrier {
    mach_msg_base_t base;
    mach_msg_port_descriptor_t port;
    mach_msg_max_trailer_t trailer;
};
void carry(mach_port_t to, mach_port_t port, mach_msg_type_name_t how);
/* The port of the next message, or the case ends. */
mach_port_t carried(mach_port_t from);

#endif
