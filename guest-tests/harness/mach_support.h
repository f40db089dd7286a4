/* mach_support.h - the base of every Mach probe: named return codes, messages by hand, and the second way to a kernel
 * routine whose wrapper an image's libSystem lacks. For probes with `only: darwin`; include it after rig.h.
 *
 * A kernel routine is a message to one of the task's own kernel ports (MIG: the request's id names the routine, the
 * reply's id is 100 more). mach_ports.h, mach_faults.h and mach_memory.h hold such routines ready-made, each with the
 * library's function as the first way: use those. No MIG-made code is linked in; the layouts of requests and replies are
 * the __Request__ and __Reply__ structures of the SDK's headers. */
#ifndef RIG_MACH_SUPPORT_H
#define RIG_MACH_SUPPORT_H

#include "rig.h"

#ifdef __APPLE__

#include <mach/mach.h>
#include <mach/mach_traps.h>
#include <mach/mig_errors.h>

extern mach_port_name_t mach_reply_port(void); /* in no header of newer SDKs, in every libSystem */

/* "KERN_INVALID_NAME", "MACH_SEND_TIMED_OUT", "MIG_BAD_ID"; a number in hex for a code without a name. */
const char *rig_kern_name(kern_return_t code);

/* The call returns this code. Both give names in the check's event. */
#define CHECK_KERN(call, want) RIG_KERN_CHECK(#call, call, want)
#define RIG_KERN_CHECK(text, call, want) rig_check_kern(RIG_AT(text), (call), (want))
bool rig_check_kern(struct rig_at at, kern_return_t got, kern_return_t want);
/* The call returns KERN_SUCCESS (MACH_MSG_SUCCESS is the same), else the case ends. */
#define REQUIRE_KERN(call) RIG_REQUIRE(RIG_KERN_CHECK(#call, call, KERN_SUCCESS))

/* This task's own port, asked of the kernel: mach_task_self() is a variable of libSystem that a forked child may have
 * from its parent. */
mach_port_t rig_task(void);

/* mach_msg without its retries: an interrupted call returns MACH_SEND_INTERRUPTED or MACH_RCV_INTERRUPTED. */
mach_msg_return_t rig_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                          mach_msg_size_t receive_size, mach_port_t from, mach_msg_timeout_t timeout_ms);

/* A receive right in this task, with a send right of the same name if `send`. A failure ends the case. */
mach_port_t rig_port(bool send);

/* One call of a kernel routine by hand. `request` begins with a mach_msg_header_t that this fills (id, ports, size; a
 * request with descriptors sets MACH_MSGH_BITS_COMPLEX in msgh_bits itself); the reply goes to `reply`, which has
 * reply_size bytes, trailer included. Says rig_via("mach").
 * Returns what the routine returned (mig_reply_error_t's RetCode), or what mach_msg did. A complex reply, which has no
 * RetCode, is KERN_SUCCESS. */
kern_return_t rig_mig(mach_port_t port, mach_msg_id_t id, mach_msg_header_t *request, mach_msg_size_t request_size,
                      mach_msg_header_t *reply, mach_msg_size_t reply_size);

/* In a wrapper: the library's function if this image has it, else what follows.
 *     kern_return_t rig_port_names(...) { RIG_FIRST(mach_port_names, (task, ...)); ...by hand... } */
#define RIG_FIRST(function, arguments)  \
    do {                                \
        if (RIG_HAVE(function)) {       \
            rig_via("libsystem");       \
            return function arguments;  \
        }                               \
    } while (0)

/* For a case of its own that says which wrappers this image's libSystem has: a fact for each, 1 or 0, and unsupported
 * with the list when some are missing ("no wrapper: a, b"). End the array with {NULL, NULL}. */
struct rig_wrapper {
    const char *name;
    const void *address;
};
#define RIG_WRAPPER(function) {#function, (const void *)(function)}
void rig_tell_wrappers(const struct rig_wrapper *wrappers);

#endif
#endif
