/* letter.h - the messages that the cases send: one simple, one with descriptors; what a case checks of them. */
#ifndef LETTER_H
#define LETTER_H

#include "mach_message.h"

enum { MINIMAL_TRAILER = sizeof(mach_msg_trailer_t), WORDS = 4 };

/* A simple message of four words, with room for any trailer. */
struct letter {
    mach_msg_header_t head;
    uint32_t word[WORDS];
    mach_msg_max_trailer_t trailer;
};
enum { LETTER_SIZE = offsetof(struct letter, trailer) };

/* A complex message of one descriptor. */
struct parcel {
    mach_msg_base_t base;
    union {
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t memory;
        mach_msg_ool_ports_descriptor_t ports;
    };
    mach_msg_max_trailer_t trailer;
};

/* The words follow from the id, so that every byte of a letter can be checked. */
void letter_write(struct letter *letter, mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id);
bool letter_is(const struct letter *letter, mach_msg_id_t id);

/* Now or never, by a copied send right; and the other end: the letter of that id is the next one there. Both CHECK. */
#define LETTER_SEND(to, id) letter_send_at(RIG_AT("send " #id " to " #to), (to), (id))
#define LETTER_ARRIVES(from, id) letter_arrives_at(RIG_AT(#id " arrives at " #from), (from), (id))
bool letter_send_at(struct rig_at at, mach_port_t to, mach_msg_id_t id);
bool letter_arrives_at(struct rig_at at, mach_port_t from, mach_msg_id_t id);
/* The same without a check of its own, for loops. */
mach_msg_return_t letter_post(mach_port_t to, mach_msg_id_t id, mach_msg_timeout_t timeout_ms);
mach_msg_return_t letter_take(mach_port_t from, struct letter *letter, mach_msg_timeout_t timeout_ms);

/* Nothing is queued there. */
#define NO_LETTER(from) letter_none_at(RIG_AT("nothing at " #from), (from))
bool letter_none_at(struct rig_at at, mach_port_t from);

/* Letters with the ids 0, 1, ... until the queue is full (5 by default); how many went in. */
int letters_fill(mach_port_t to);

/* A parcel by a copied send right: its one descriptor is what the caller fills in. msgh_size is that of a memory or ports
 * descriptor, or of a port descriptor, by `type`. */
void parcel_write(struct parcel *parcel, mach_port_t to, mach_msg_descriptor_type_t type);
/* Receives one with a timeout of rig_msg_patience(); a failure ends the case. */
void parcel_take(mach_port_t from, struct parcel *parcel);

/* User references of a right, 0 where there is none. */
unsigned refs(mach_port_t name, mach_port_right_t right);

/* Pages of this task, page-aligned, filled with a pattern of that seed; a failure ends the case. */
uint8_t *pages(size_t size, uint8_t seed);
void pattern_fill(uint8_t *bytes, size_t size, uint8_t seed);
bool pattern_is(const uint8_t *bytes, size_t size, uint8_t seed);
/* Whether this task may touch the page of that address: asked of mach_vm_region. */
bool is_mapped(const void *address);
void pages_free(void *address, size_t size);

#endif
