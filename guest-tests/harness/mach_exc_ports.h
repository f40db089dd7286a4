/* mach_exc_ports.h - exception ports at their three levels: thread, task, host. For Darwin-only probes.
 *
 * Each call is the library's function (task_set_exception_ports and its eight sisters) where the image has it, else the
 * message to the kernel by hand. An exception goes to the thread's port, then to the task's, then to the host's (xnu
 * osfmk/kern/exception.c exception_triage_thread); the host's are the kernel's own Unix handler, which makes the signal. */
#ifndef RIG_MACH_EXC_PORTS_H
#define RIG_MACH_EXC_PORTS_H

#include "mach_support.h"

#ifdef __APPLE__

RIG_MAKE_WEAK(thread_set_exception_ports);
RIG_MAKE_WEAK(thread_get_exception_ports);
RIG_MAKE_WEAK(thread_swap_exception_ports);
RIG_MAKE_WEAK(task_set_exception_ports);
RIG_MAKE_WEAK(task_get_exception_ports);
RIG_MAKE_WEAK(task_swap_exception_ports);
RIG_MAKE_WEAK(host_set_exception_ports);
RIG_MAKE_WEAK(host_get_exception_ports);
RIG_MAKE_WEAK(host_swap_exception_ports);

enum rig_exc_level { RIG_EXC_THREAD, RIG_EXC_TASK, RIG_EXC_HOST };

/* A behaviour with 64-bit codes; the bit alone does not fit exception_behavior_t's sign. */
#define RIG_EXC_WIDE(behavior) ((exception_behavior_t)((unsigned)(behavior) | MACH_EXCEPTION_CODES))

/* What get and swap return: one entry for each different (port, behaviour, flavor), its mask the exceptions that have
 * it. The ports are send rights of the caller's, MACH_PORT_NULL where none is set. */
enum { RIG_EXC_ENTRIES = 32 }; /* the arrays' size in osfmk/mach/mach_types.defs exception_mask_array_t */
struct rig_exc_ports {
    mach_msg_type_number_t count;
    exception_mask_t masks[RIG_EXC_ENTRIES];
    mach_port_t ports[RIG_EXC_ENTRIES];
    exception_behavior_t behaviors[RIG_EXC_ENTRIES];
    thread_state_flavor_t flavors[RIG_EXC_ENTRIES];
};

/* of: the thread, task or host privilege port. port: a name of a send right, which the caller keeps. */
kern_return_t rig_exc_set(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, mach_port_t port,
                          exception_behavior_t behavior, thread_state_flavor_t flavor);
kern_return_t rig_exc_get(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, struct rig_exc_ports *found);
kern_return_t rig_exc_swap(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, mach_port_t port,
                           exception_behavior_t behavior, thread_state_flavor_t flavor, struct rig_exc_ports *found);

/* Sets again what get or swap found, entry by entry. Returns the first failure. */
kern_return_t rig_exc_restore(enum rig_exc_level level, mach_port_t of, const struct rig_exc_ports *found);

/* The entry of one exception type; -1 when there is none. */
int rig_exc_entry(const struct rig_exc_ports *found, exception_type_t type);

#endif
#endif
