/* port_words.h - short words for the cases of this probe. */
#ifndef PORT_WORDS_H
#define PORT_WORDS_H

#include "mach_talk.h"

#define TASK rig_task()
#define HOW(word) MACH_MSG_TYPE_##word  /* HOW(COPY_SEND) */
#define RIGHT(word) MACH_PORT_RIGHT_##word
#define TYPE(word) MACH_PORT_TYPE_##word

/* A name that no task has by chance: its place in the table is far beyond what a new task uses. The low bits are the
 * generation's, as the kernel makes them (osfmk/ipc/ipc_entry.h: both of the lowest are always set). */
#define CHOSEN(n) ((mach_port_name_t)((0x300 + (n)) << 8 | 0x03))

#define CHECK_TYPE(name, type) CHECK_EQ_INT(rig_port_type(name), (type))
#define CHECK_GONE(name) CHECK_EQ_INT(rig_port_type(name), 0)
#define CHECK_REFS(name, right, refs) CHECK_EQ_INT(port_refs((name), (right)), (refs))

/* User references of a right; a failure ends the case. */
mach_port_urefs_t port_refs(mach_port_name_t name, mach_port_right_t right);
mach_port_t port_new(mach_port_right_t right);
void port_add_send(mach_port_t port, unsigned times); /* to the name of a receive right of this task */
mach_port_t port_send_once(mach_port_t port);         /* a send-once right to it, under a name of its own */
/* Asks for a notification with a send-once right to `notify`; returns the one asked for before. */
mach_port_t port_notify(mach_port_t name, mach_msg_id_t which, mach_port_mscount_t sync, mach_port_t notify);
/* Messages of RIG_HELLO, RIG_HELLO + 1... by MAKE_SEND of this task's receive right; a failure ends the case. */
void port_fill(mach_port_t port, unsigned messages);

#endif
