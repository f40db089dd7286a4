/* mach_support.c - see mach_support.h. */
#include "mach_support.h"

#ifdef __APPLE__

#include <stdio.h>

bool rig_check_kern(struct rig_at at, kern_return_t got, kern_return_t want)
{
    char name[32];
    snprintf(name, sizeof name, "%s", rig_kern_name(got)); /* the next call reuses its buffer */
    return rig_check_got(at, got == want, name, rig_kern_name(want));
}

mach_port_t rig_task(void)
{
    static pid_t whose;
    static mach_port_t port;
    if (whose != getpid()) {
        port = task_self_trap();
        whose = getpid();
    }
    return port;
}

mach_msg_return_t rig_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t send_size,
                          mach_msg_size_t receive_size, mach_port_t from, mach_msg_timeout_t timeout_ms)
{
    /* libSystem's mach_msg repeats an interrupted call unless told otherwise (libsyscall/mach/mach_msg.c mach_msg). */
    return mach_msg(message, options | MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT, send_size, receive_size, from,
                    timeout_ms, MACH_PORT_NULL);
}

mach_port_t rig_port(bool send)
{
    mach_port_t port = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_RECEIVE, &port));
    if (send)
        REQUIRE_KERN(mach_port_insert_right(rig_task(), port, port, MACH_MSG_TYPE_MAKE_SEND));
    return port;
}

kern_return_t rig_mig(mach_port_t port, mach_msg_id_t id, mach_msg_header_t *request, mach_msg_size_t request_size,
                      mach_msg_header_t *reply, mach_msg_size_t reply_size)
{
    rig_via("mach");
    mach_port_t reply_port = mach_reply_port();
    mach_msg_bits_t complex = request->msgh_bits & MACH_MSGH_BITS_COMPLEX;
    request->msgh_bits = complex | MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    request->msgh_size = request_size;
    request->msgh_remote_port = port;
    request->msgh_local_port = reply_port;
    request->msgh_voucher_port = MACH_PORT_NULL;
    request->msgh_id = id;

    /* Send, then receive: request and reply have a room each, so that a reply may be longer. */
    kern_return_t result = mach_msg(request, MACH_SEND_MSG, request_size, 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
                                    MACH_PORT_NULL);
    if (result == MACH_MSG_SUCCESS)
        result = mach_msg(reply, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, reply_size, reply_port,
                          (mach_msg_timeout_t)(rig_patience(5) * 1000), MACH_PORT_NULL);
    mach_port_mod_refs(rig_task(), reply_port, MACH_PORT_RIGHT_RECEIVE, -1);
    if (result != MACH_MSG_SUCCESS)
        return result;
    if (reply->msgh_id != id + 100)
        return MIG_REPLY_MISMATCH;
    return reply->msgh_bits & MACH_MSGH_BITS_COMPLEX ? KERN_SUCCESS : ((mig_reply_error_t *)(void *)reply)->RetCode;
}

void rig_tell_wrappers(const struct rig_wrapper *wrappers)
{
    char missing[300] = "";
    size_t length = 0;
    int unnamed = 0; /* a reason is one line: the facts have them all */
    for (; wrappers->name; wrappers++) {
        FACT(wrappers->name, wrappers->address != NULL);
        if (wrappers->address)
            continue;
        if (length + strlen(wrappers->name) + 2 < sizeof missing)
            length += (size_t)snprintf(missing + length, sizeof missing - length, "%s%s", length ? ", " : "",
                                       wrappers->name);
        else
            unnamed++;
    }
    if (unnamed)
        UNSUPPORTED("no wrapper: %s and %d more", missing, unnamed);
    if (missing[0])
        UNSUPPORTED("no wrapper: %s", missing);
}

#endif
