/* mach_exc_ports.c - see mach_exc_ports.h. */
#include "mach_exc_ports.h"

#ifdef __APPLE__

typedef kern_return_t set_function(mach_port_t, exception_mask_t, mach_port_t, exception_behavior_t,
                                   thread_state_flavor_t);
typedef kern_return_t get_function(mach_port_t, exception_mask_t, exception_mask_array_t, mach_msg_type_number_t *,
                                   exception_port_array_t, exception_behavior_array_t, exception_flavor_array_t);
typedef kern_return_t swap_function(mach_port_t, exception_mask_t, mach_port_t, exception_behavior_t,
                                    thread_state_flavor_t, exception_mask_array_t, mach_msg_type_number_t *,
                                    exception_port_array_t, exception_behavior_array_t, exception_flavor_array_t);

/* set_id: the MIG id of the set routine; get and swap follow it (osfmk/mach/thread_act.defs: subsystem 3600, the 14th
 * routine; task.defs: 3400, the 14th; host_priv.defs: 400, the 15th; the SDK's headers list them by number). */
static const struct routines {
    mach_msg_id_t set_id;
    set_function *set;
    get_function *get;
    swap_function *swap;
} levels[] = {
    [RIG_EXC_THREAD] = {3613, thread_set_exception_ports, thread_get_exception_ports, thread_swap_exception_ports},
    [RIG_EXC_TASK] = {3413, task_set_exception_ports, task_get_exception_ports, task_swap_exception_ports},
    [RIG_EXC_HOST] = {414, host_set_exception_ports, host_get_exception_ports, host_swap_exception_ports},
};

/* The requests and replies of the three levels are laid out alike. */
typedef __Request__task_set_exception_ports_t set_request; /* and swap's */
typedef __Request__task_get_exception_ports_t get_request;
union get_reply { /* and swap's */
    mach_msg_header_t head;
    __Reply__task_get_exception_ports_t body;
    char room[sizeof(__Reply__task_get_exception_ports_t) + MAX_TRAILER_SIZE];
};

static set_request set_message(exception_mask_t mask, mach_port_t port, exception_behavior_t behavior,
                               thread_state_flavor_t flavor)
{
    set_request request;
    memset(&request, 0, sizeof request);
    request.Head.msgh_bits = MACH_MSGH_BITS_COMPLEX;
    request.msgh_body.msgh_descriptor_count = 1;
    request.new_port.name = port;
    request.new_port.disposition = MACH_MSG_TYPE_COPY_SEND;
    request.new_port.type = MACH_MSG_PORT_DESCRIPTOR;
    request.NDR = NDR_record;
    request.exception_mask = mask;
    request.behavior = behavior;
    request.new_flavor = flavor;
    return request;
}

/* The three arrays of numbers have `count` members each in the message, not the 32 of the structure: MIG packs arrays
 * of variable length. The ports' descriptors are always 32. */
static kern_return_t read_found(const union get_reply *reply, struct rig_exc_ports *found)
{
    const __Reply__task_get_exception_ports_t *body = &reply->body;
    mach_msg_type_number_t n = body->masksCnt;
    if (n > RIG_EXC_ENTRIES || body->msgh_body.msgh_descriptor_count != RIG_EXC_ENTRIES ||
        body->Head.msgh_size < offsetof(__Reply__task_get_exception_ports_t, masks) + 3 * n * sizeof(int))
        return MIG_TYPE_ERROR;
    const char *at = (const char *)body->masks;
    memcpy(found->masks, at, n * sizeof(int));
    memcpy(found->behaviors, at + n * sizeof(int), n * sizeof(int));
    memcpy(found->flavors, at + 2 * n * sizeof(int), n * sizeof(int));
    for (mach_msg_type_number_t i = 0; i < n; i++)
        found->ports[i] = body->old_handlers[i].name;
    found->count = n;
    return KERN_SUCCESS;
}

kern_return_t rig_exc_set(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, mach_port_t port,
                          exception_behavior_t behavior, thread_state_flavor_t flavor)
{
    const struct routines *r = &levels[level];
    if (RIG_HAVE(r->set)) {
        rig_via("libsystem");
        return r->set(of, mask, port, behavior, flavor);
    }
    set_request request = set_message(mask, port, behavior, flavor);
    struct {
        mig_reply_error_t body;
        char trailer[MAX_TRAILER_SIZE];
    } reply;
    return rig_mig(of, r->set_id, &request.Head, sizeof request, &reply.body.Head, sizeof reply);
}

kern_return_t rig_exc_get(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, struct rig_exc_ports *found)
{
    const struct routines *r = &levels[level];
    memset(found, 0, sizeof *found);
    if (RIG_HAVE(r->get)) {
        rig_via("libsystem");
        found->count = RIG_EXC_ENTRIES;
        return r->get(of, mask, found->masks, &found->count, found->ports, found->behaviors, found->flavors);
    }
    get_request request = {.NDR = NDR_record, .exception_mask = mask};
    union get_reply reply;
    kern_return_t result = rig_mig(of, r->set_id + 1, &request.Head, sizeof request, &reply.head, sizeof reply);
    return result == KERN_SUCCESS ? read_found(&reply, found) : result;
}

kern_return_t rig_exc_swap(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, mach_port_t port,
                           exception_behavior_t behavior, thread_state_flavor_t flavor, struct rig_exc_ports *found)
{
    const struct routines *r = &levels[level];
    memset(found, 0, sizeof *found);
    if (RIG_HAVE(r->swap)) {
        rig_via("libsystem");
        found->count = RIG_EXC_ENTRIES;
        return r->swap(of, mask, port, behavior, flavor, found->masks, &found->count, found->ports, found->behaviors,
                       found->flavors);
    }
    set_request request = set_message(mask, port, behavior, flavor);
    union get_reply reply;
    kern_return_t result = rig_mig(of, r->set_id + 2, &request.Head, sizeof request, &reply.head, sizeof reply);
    return result == KERN_SUCCESS ? read_found(&reply, found) : result;
}

kern_return_t rig_exc_restore(enum rig_exc_level level, mach_port_t of, const struct rig_exc_ports *found)
{
    kern_return_t first = KERN_SUCCESS;
    for (mach_msg_type_number_t i = 0; i < found->count; i++) {
        kern_return_t result = rig_exc_set(level, of, found->masks[i], found->ports[i], found->behaviors[i],
                                           found->flavors[i]);
        if (first == KERN_SUCCESS)
            first = result;
    }
    return first;
}

int rig_exc_entry(const struct rig_exc_ports *found, exception_type_t type)
{
    for (mach_msg_type_number_t i = 0; i < found->count; i++)
        if (found->masks[i] & (1u << type))
            return (int)i;
    return -1;
}

#endif
