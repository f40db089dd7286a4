/* mach_message.h - what Mach probes do with messages: addressing, descriptors, and a partner in another task.
 * For probes with `only: darwin`. */
#ifndef RIG_MACH_MESSAGE_H
#define RIG_MACH_MESSAGE_H

#include "mach_ports.h"

#ifdef __APPLE__

/* ---- Headers -------------------------------------------------------------------------------------------------- */
/* A simple message of that many bytes, header included, to a port by this right (MACH_MSG_TYPE_COPY_SEND...), without a
 * reply port. Call it first: it sets the whole header. */
void rig_msg_to(mach_msg_header_t *message, mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id,
                mach_msg_size_t size);
/* Adds the reply port. */
void rig_msg_reply_to(mach_msg_header_t *message, mach_port_t reply, mach_msg_type_name_t how);
/* Makes it complex, with so many descriptors behind the header. */
void rig_msg_complex(mach_msg_base_t *message, mach_msg_type_number_t descriptors);

/* ---- Descriptors ---------------------------------------------------------------------------------------------- */
mach_msg_port_descriptor_t rig_port_item(mach_port_t port, mach_msg_type_name_t how);
/* move: the sender's pages go with the message. copy: MACH_MSG_VIRTUAL_COPY or MACH_MSG_PHYSICAL_COPY. */
mach_msg_ool_descriptor_t rig_memory_item(const void *address, size_t size, bool move, mach_msg_copy_options_t copy);
mach_msg_ool_ports_descriptor_t rig_ports_item(const mach_port_t *ports, mach_msg_type_number_t count,
                                               mach_msg_type_name_t how, bool move);

/* ---- Sending and receiving ------------------------------------------------------------------------------------ */
/* Both return at a signal (MACH_*_INTERRUPTED). The timeout holds always: 0 is "now or never". */
mach_msg_return_t rig_msg_send(mach_msg_header_t *message, mach_msg_timeout_t timeout_ms); /* msgh_size bytes */
mach_msg_return_t rig_msg_receive(mach_msg_header_t *message, size_t room, mach_port_t from,
                                  mach_msg_timeout_t timeout_ms);
/* How long to wait for what must come: 5 s, scaled. */
mach_msg_timeout_t rig_msg_patience(void);

/* ---- A partner in another task -------------------------------------------------------------------------------- */
/* Port rights are not inherited by fork (osfmk/kern/ipc_tt.c ipc_task_init: an empty space), but the task's registered
 * ports are. Through one of them the two meet; after that each has a receive right of its own and a send right to the
 * other's. */
struct rig_partner {
    pid_t pid;        /* of the child; in the child that of the parent */
    mach_port_t mine; /* receive right, with a send right of the same name */
    mach_port_t to;   /* send right to the other's */
};
/* Forks; the child runs fn with its own side, when both queues are empty, then leaves as a child of rig_spawn does. Join
 * partner->pid. A failure ends the case. The first of this task's registered ports is overwritten. */
void rig_partner_start(struct rig_partner *partner, void (*fn)(struct rig_partner *parent, void *arg), void *arg);

#endif
#endif
