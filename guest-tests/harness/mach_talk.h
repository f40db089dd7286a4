/* mach_talk.h - small messages between ports, and children that hold a port of their parent: what the Mach probes need
 * to see rights move. For probes with `only: darwin`. */
#ifndef RIG_MACH_TALK_H
#define RIG_MACH_TALK_H

#include "mach_ports.h"

#ifdef __APPLE__

/* Room for one received message: with nothing in it, with one port, or a notification of the kernel. */
struct rig_letter {
    mach_msg_header_t header; /* msgh_id says what it is */
    union {
        struct {
            mach_msg_body_t body;
            mach_msg_port_descriptor_t port;
        } carried; /* of rig_send_port; of MACH_NOTIFY_PORT_DESTROYED */
        struct {
            NDR_record_t ndr;
            natural_t value;
        } notified; /* a count (MACH_NOTIFY_NO_SENDERS) or a name (DEAD_NAME, PORT_DELETED, SEND_POSSIBLE) */
    };
    char trailer[MAX_TRAILER_SIZE + 64];
};

/* Sends a message with nothing in it but its id, or with one port. `how` and `port_how` are the dispositions, such as
 * MACH_MSG_TYPE_COPY_SEND. Does not wait: a full queue is MACH_SEND_TIMED_OUT. */
mach_msg_return_t rig_send(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id);
mach_msg_return_t rig_send_port(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id, mach_port_t port,
                                mach_msg_type_name_t port_how);

/* Receives what is there, without waiting: MACH_RCV_TIMED_OUT for an empty queue. */
mach_msg_return_t rig_take(mach_port_t from, struct rig_letter *letter);
/* Waits 5 s (scaled) for a message with this id; none, or another, ends the case. */
#define rig_expect(from, id, letter) rig_expect_at(RIG_AT("message " #id " at " #from), (from), (id), (letter))
void rig_expect_at(struct rig_at at, mach_port_t from, mach_msg_id_t id, struct rig_letter *letter);
/* No message is there. */
#define CHECK_NO_MESSAGE(port) rig_check_no_message(RIG_AT("no message at " #port), (port))
bool rig_check_no_message(struct rig_at at, mach_port_t port);
/* A case's own message ids: none is a notification's (MACH_NOTIFY_FIRST is 64). */
enum { RIG_HELLO = 0x1000 };

/* rig_exec_role for a child that is to hold a send right to this port, which it gets by rig_parents_port(): the port is
 * one of the task's registered ports, which fork and exec hand on, for as long as that takes. What was registered in
 * this task is forgotten. */
pid_t rig_exec_role_with_port(const char *role, const char *const args[], mach_port_t port);
mach_port_t rig_parents_port(void);

#endif
#endif
