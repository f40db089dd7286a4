/* mach_ports.h - the kernel's port routines: libSystem's function where the image has it, else the message by hand.
 * For probes with `only: darwin`.
 *
 * Arguments and results are those of the routine each is named after (osfmk/mach/mach_port.defs, subsystem 3200, and
 * task.defs, subsystem 3400: an id is that plus the routine's place in the file; xnu-4570.41.2 and xnu-7195.121.3 agree).
 * `task` is a task's port: rig_task() for this one.
 *
 * Call these directly, every libSystem we know of has them: mach_port_allocate, mach_port_deallocate,
 * mach_port_insert_right, mach_port_mod_refs, mach_port_type, mach_port_insert_member, mach_port_extract_member,
 * mach_port_construct, mach_port_destruct, mach_port_space_info. */
#ifndef RIG_MACH_PORTS_H
#define RIG_MACH_PORTS_H

#include "mach_support.h"

#ifdef __APPLE__

RIG_MAKE_WEAK(mach_port_names);
RIG_MAKE_WEAK(mach_port_rename);
RIG_MAKE_WEAK(mach_port_allocate_name);
RIG_MAKE_WEAK(mach_port_destroy);
RIG_MAKE_WEAK(mach_port_get_refs);
RIG_MAKE_WEAK(mach_port_set_mscount);
RIG_MAKE_WEAK(mach_port_get_set_status);
RIG_MAKE_WEAK(mach_port_move_member);
RIG_MAKE_WEAK(mach_port_request_notification);
RIG_MAKE_WEAK(mach_port_extract_right);
RIG_MAKE_WEAK(mach_port_set_seqno);
RIG_MAKE_WEAK(mach_port_get_attributes);
RIG_MAKE_WEAK(mach_port_set_attributes);
RIG_MAKE_WEAK(mach_port_get_srights);
RIG_MAKE_WEAK(mach_port_get_context);
RIG_MAKE_WEAK(mach_port_set_context);
RIG_MAKE_WEAK(mach_port_guard);
RIG_MAKE_WEAK(mach_port_unguard);
RIG_MAKE_WEAK(mach_ports_register);
RIG_MAKE_WEAK(mach_ports_lookup);
RIG_MAKE_WEAK(task_get_special_port);
RIG_MAKE_WEAK(task_set_special_port);

/* ---- Names and rights ----------------------------------------------------------------------------------------- */
/* The arrays are new memory of this task: give them back with rig_port_free_array. */
kern_return_t rig_port_names(mach_port_t task, mach_port_name_array_t *names, mach_msg_type_number_t *names_count,
                             mach_port_type_array_t *types, mach_msg_type_number_t *types_count);
void rig_port_free_array(void *array, mach_msg_type_number_t count); /* of 4-byte items */
/* How many names this task has: for leak checks, before and after. Ends the case if it cannot be told. */
mach_msg_type_number_t rig_port_count(void);
/* MACH_PORT_TYPE_* bits of a name in this task, 0 where it has no such name. */
mach_port_type_t rig_port_type(mach_port_name_t name);

kern_return_t rig_port_rename(mach_port_t task, mach_port_name_t old_name, mach_port_name_t new_name);
kern_return_t rig_port_allocate_name(mach_port_t task, mach_port_right_t right, mach_port_name_t name);
kern_return_t rig_port_destroy(mach_port_t task, mach_port_name_t name);
kern_return_t rig_port_get_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                mach_port_urefs_t *refs);
kern_return_t rig_port_extract_right(mach_port_t task, mach_port_name_t name, mach_msg_type_name_t want,
                                     mach_port_t *port, mach_msg_type_name_t *got);
kern_return_t rig_port_get_srights(mach_port_t task, mach_port_name_t name, mach_port_rights_t *send_rights);

/* ---- Receive rights ------------------------------------------------------------------------------------------- */
/* flavor and info: MACH_PORT_LIMITS_INFO with mach_port_limits_t, MACH_PORT_RECEIVE_STATUS with mach_port_status_t... */
kern_return_t rig_port_get_attributes(mach_port_t task, mach_port_name_t name, mach_port_flavor_t flavor, void *info,
                                      mach_msg_type_number_t *count);
kern_return_t rig_port_set_attributes(mach_port_t task, mach_port_name_t name, mach_port_flavor_t flavor,
                                      const void *info, mach_msg_type_number_t count);
/* The status of a receive right of this task, and a change of its queue's limit. A failure ends the case. */
mach_port_status_t rig_port_status(mach_port_name_t name);
void rig_port_set_limit(mach_port_name_t name, mach_port_msgcount_t limit);

kern_return_t rig_port_set_mscount(mach_port_t task, mach_port_name_t name, mach_port_mscount_t count);
kern_return_t rig_port_set_seqno(mach_port_t task, mach_port_name_t name, mach_port_seqno_t seqno);
kern_return_t rig_port_request_notification(mach_port_t task, mach_port_name_t name, mach_msg_id_t which,
                                            mach_port_mscount_t sync, mach_port_t notify,
                                            mach_msg_type_name_t notify_how, mach_port_t *previous);
kern_return_t rig_port_get_context(mach_port_t task, mach_port_name_t name, mach_port_context_t *context);
kern_return_t rig_port_set_context(mach_port_t task, mach_port_name_t name, mach_port_context_t context);
kern_return_t rig_port_guard(mach_port_t task, mach_port_name_t name, mach_port_context_t guard, boolean_t strict);
kern_return_t rig_port_unguard(mach_port_t task, mach_port_name_t name, mach_port_context_t guard);

/* ---- Port sets ------------------------------------------------------------------------------------------------ */
kern_return_t rig_port_get_set_status(mach_port_t task, mach_port_name_t set, mach_port_name_array_t *members,
                                      mach_msg_type_number_t *count); /* rig_port_free_array(members) */
kern_return_t rig_port_move_member(mach_port_t task, mach_port_name_t member, mach_port_name_t after);

/* ---- A task's own ports ----------------------------------------------------------------------------------------- */
/* ports is copied in (send rights); the array looked up is this task's, one send right each. */
kern_return_t rig_ports_register(mach_port_t task, const mach_port_t *ports, mach_msg_type_number_t count);
kern_return_t rig_ports_lookup(mach_port_t task, mach_port_array_t *ports, mach_msg_type_number_t *count);
/* which: TASK_BOOTSTRAP_PORT, TASK_HOST_PORT... */
kern_return_t rig_task_get_special_port(mach_port_t task, int which, mach_port_t *port);
kern_return_t rig_task_set_special_port(mach_port_t task, int which, mach_port_t port);

#endif
#endif
