/* bootstrap.h - mutants of the probe bootstrap: the inherited port, and the rights that names move. */
#include "mutant.h"

#include "mach_talk.h"

static inline kern_return_t mutant_get(mach_port_t task, int which, mach_port_t *port)
{
    kern_return_t result = rig_task_get_special_port(task, which, port);
    if (result == KERN_SUCCESS && MACH_PORT_VALID(*port) && MUTANT(no_task_has_a_port, "the bootstrap port reads as null"))
        *port = MACH_PORT_NULL;
    if (result == KERN_SUCCESS && *port == MACH_PORT_DEAD && MUTANT(a_dead_port_reads_as_null, "a bootstrap port whose server died reads as null"))
        *port = MACH_PORT_NULL;
    if (result == KERN_SUCCESS && MACH_PORT_VALID(*port) && MUTANT(a_look_brings_no_right, "looking at the bootstrap port brings no send right") &&
        rig_port_type(*port) & MACH_PORT_TYPE_RECEIVE)
        return mach_port_deallocate(task, *port);
    return result;
}

static inline kern_return_t mutant_set(mach_port_t task, int which, mach_port_t port)
{
    if (port == MACH_PORT_NULL && MUTANT(the_port_cannot_be_taken_off, "null as bootstrap port changes nothing"))
        return KERN_SUCCESS;
    if (task != rig_task() && MUTANT(another_tasks_port_is_not_set, "another task's bootstrap port stays as it is"))
        return KERN_SUCCESS;
    if (port && MUTANT(an_old_port_is_kept, "the first bootstrap port keeps a sender when another takes its place")) {
        static bool kept;
        if (!kept)
            rig_ports_register(rig_task(), &port, 1);
        kept = true;
    }
    return rig_task_set_special_port(task, which, port);
}

static inline kern_return_t mutant_request(mach_port_t task, mach_port_name_t name, mach_msg_id_t which,
                                           mach_port_mscount_t sync, mach_port_t notify, mach_msg_type_name_t how,
                                           mach_port_t *previous)
{
    if (which == MACH_NOTIFY_PORT_DESTROYED && MUTANT(the_dead_do_not_come_back, "no one is told of a dead service's receive right"))
        return KERN_SUCCESS;
    return rig_port_request_notification(task, name, which, sync, notify, how, previous);
}

static inline mach_msg_return_t mutant_msg(mach_msg_header_t *message, mach_msg_option_t options, mach_msg_size_t size,
                                           mach_msg_size_t room, mach_port_t from, mach_msg_timeout_t timeout)
{
    if (options & MACH_SEND_MSG && message->msgh_bits & MACH_MSGH_BITS_COMPLEX) { /* an answer with a port */
        mach_msg_port_descriptor_t *port = (void *)((char *)message + sizeof *message + sizeof(mach_msg_body_t));
        if (port->disposition == MACH_MSG_TYPE_MOVE_RECEIVE && MUTANT(a_receive_right_arrives_as_a_send_right, "who checks in gets a send right"))
            port->disposition = MACH_MSG_TYPE_COPY_SEND;
        if (port->disposition == MACH_MSG_TYPE_COPY_SEND && port->name && MUTANT(a_port_is_lost_on_the_way, "a send right in a message does not arrive"))
            port->name = MACH_PORT_NULL;
    }
    return rig_msg(message, options, size, room, from, timeout);
}

static inline mach_msg_return_t mutant_send(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id)
{
    if (id >= RIG_HELLO && id < RIG_HELLO + 16 && MUTANT(greetings_are_lost, "a child's message does not arrive"))
        return MACH_MSG_SUCCESS;
    return rig_send(to, how, id);
}

#define rig_task_get_special_port(...) mutant_get(__VA_ARGS__)
#define rig_task_set_special_port(...) mutant_set(__VA_ARGS__)
#define rig_port_request_notification(...) mutant_request(__VA_ARGS__)
#define rig_msg(...) mutant_msg(__VA_ARGS__)
#define rig_send(...) mutant_send(__VA_ARGS__)
