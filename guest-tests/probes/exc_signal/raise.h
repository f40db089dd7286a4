/* raise.h - exception messages by hand, to the host's handler of exceptions. */
#ifndef EXC_SIGNAL_RAISE_H
#define EXC_SIGNAL_RAISE_H

#include "mach_exc_messages.h"

/* xnu bsd/sys/ux_exception.h; not in the SDK */
#define EXC_UNIX_BAD_SYSCALL 0x10000
#define EXC_UNIX_BAD_PIPE 0x10001
#define EXC_UNIX_ABORT 0x10002

/* A send right for the port that the host's exceptions go to. */
kern_return_t raise_find_port(mach_port_t *port);

/* Whom a message is about. */
struct raise_target {
    mach_port_t thread, task;
};

/* Sends a message of that form and returns the answer. */
kern_return_t raise_form(exception_behavior_t form, const struct raise_target *target, exception_type_t exception,
                         int64_t code, int64_t subcode);
/* mach_exception_raise, the form with 64-bit codes that the kernel itself sends. */
kern_return_t raise_at(const struct raise_target *target, exception_type_t exception, int64_t code, int64_t subcode);
/* About the calling thread. */
kern_return_t raise_form_here(exception_behavior_t form, exception_type_t exception, int64_t code, int64_t subcode);
kern_return_t raise_here(exception_type_t exception, int64_t code, int64_t subcode);

/* A child that does nothing, by default actions; its first thread; the rights given back. */
pid_t raise_idle_child(void);
struct raise_target raise_target_of(pid_t child);
void raise_release(struct raise_target *target);

#endif
