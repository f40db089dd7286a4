/* mach_ports.c - see mach_ports.h. Each: the library's function if there, else one message. */
#include "mach_ports.h"

#ifdef __APPLE__

/* Sends the routine's request, its fields given by name, to `task`. Leaves `reply` (its fields in reply.is) and
 * `result`. A structure for the most a reply can be, as some kernels' are longer than the SDK's. */
#define BY_HAND(mig_id, routine, ...)                                         \
    union {                                                                   \
        __Reply__##routine##_t is;                                            \
        char room[sizeof(__Reply__##routine##_t) + MAX_TRAILER_SIZE + 64];    \
    } reply = {.room = {0}};                                                  \
    __Request__##routine##_t request = {__VA_ARGS__};                         \
    kern_return_t result =                                                    \
        rig_mig(task, (mig_id), &request.Head, sizeof request, &reply.is.Head, sizeof reply)
/* The same for a request that carries something, in descriptors. */
#define COMPLEX .Head.msgh_bits = MACH_MSGH_BITS_COMPLEX, .msgh_body.msgh_descriptor_count = 1
#define PORT(port, how) {.name = (port), .disposition = (how), .type = MACH_MSG_PORT_DESCRIPTOR}
#define NDR .NDR = NDR_record

/* ---- Names and rights ----------------------------------------------------------------------------------------- */

kern_return_t rig_port_names(mach_port_t task, mach_port_name_array_t *names, mach_msg_type_number_t *names_count,
                             mach_port_type_array_t *types, mach_msg_type_number_t *types_count)
{
    RIG_FIRST(mach_port_names, (task, names, names_count, types, types_count));
    BY_HAND(3200, mach_port_names, .Head = {0});
    if (result == KERN_SUCCESS) {
        *names = reply.is.names.address;
        *names_count = reply.is.namesCnt;
        *types = reply.is.types.address;
        *types_count = reply.is.typesCnt;
    }
    return result;
}

void rig_port_free_array(void *array, mach_msg_type_number_t count)
{
    if (count)
        CHECK_KERN(vm_deallocate(rig_task(), (vm_address_t)array, count * sizeof(natural_t)), KERN_SUCCESS);
}

mach_msg_type_number_t rig_port_count(void)
{
    mach_port_name_array_t names = NULL;
    mach_port_type_array_t types = NULL;
    mach_msg_type_number_t names_count = 0, types_count = 0;
    REQUIRE_KERN(rig_port_names(rig_task(), &names, &names_count, &types, &types_count));
    rig_port_free_array(names, names_count);
    rig_port_free_array(types, types_count);
    return names_count;
}

mach_port_type_t rig_port_type(mach_port_name_t name)
{
    mach_port_type_t type = 0;
    return mach_port_type(rig_task(), name, &type) == KERN_SUCCESS ? type : 0;
}

kern_return_t rig_port_rename(mach_port_t task, mach_port_name_t old_name, mach_port_name_t new_name)
{
    RIG_FIRST(mach_port_rename, (task, old_name, new_name));
    BY_HAND(3202, mach_port_rename, NDR, .old_name = old_name, .new_name = new_name);
    return result;
}

kern_return_t rig_port_allocate_name(mach_port_t task, mach_port_right_t right, mach_port_name_t name)
{
    RIG_FIRST(mach_port_allocate_name, (task, right, name));
    BY_HAND(3203, mach_port_allocate_name, NDR, .right = right, .name = name);
    return result;
}

kern_return_t rig_port_destroy(mach_port_t task, mach_port_name_t name)
{
    /* A library of xnu-4570 makes trap 17, which xnu-7195 has no more (osfmk/kern/syscall_sw.c, kern_invalid): the
     * trap's own number comes back. Only a library older than its kernel shows that; the message works on both. */
    const kern_return_t no_such_trap = 0x1000000 + 17;
    if (RIG_HAVE(mach_port_destroy)) {
        rig_via("libsystem");
        kern_return_t told = mach_port_destroy(task, name);
        if (told != no_such_trap)
            return told;
    }
    BY_HAND(3205, mach_port_destroy, NDR, .name = name);
    return result;
}

kern_return_t rig_port_get_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                mach_port_urefs_t *refs)
{
    RIG_FIRST(mach_port_get_refs, (task, name, right, refs));
    BY_HAND(3207, mach_port_get_refs, NDR, .name = name, .right = right);
    if (result == KERN_SUCCESS)
        *refs = reply.is.refs;
    return result;
}

kern_return_t rig_port_extract_right(mach_port_t task, mach_port_name_t name, mach_msg_type_name_t want,
                                     mach_port_t *port, mach_msg_type_name_t *got)
{
    RIG_FIRST(mach_port_extract_right, (task, name, want, port, got));
    BY_HAND(3215, mach_port_extract_right, NDR, .name = name, .msgt_name = want);
    if (result == KERN_SUCCESS) {
        *port = reply.is.poly.name;
        *got = reply.is.poly.disposition;
    }
    return result;
}

kern_return_t rig_port_get_srights(mach_port_t task, mach_port_name_t name, mach_port_rights_t *send_rights)
{
    RIG_FIRST(mach_port_get_srights, (task, name, send_rights));
    BY_HAND(3222, mach_port_get_srights, NDR, .name = name);
    if (result == KERN_SUCCESS)
        *send_rights = reply.is.srights;
    return result;
}

/* ---- Receive rights ------------------------------------------------------------------------------------------- */

kern_return_t rig_port_get_attributes(mach_port_t task, mach_port_name_t name, mach_port_flavor_t flavor, void *info,
                                      mach_msg_type_number_t *count)
{
    RIG_FIRST(mach_port_get_attributes, (task, name, flavor, info, count));
    BY_HAND(3217, mach_port_get_attributes, NDR, .name = name, .flavor = flavor, .port_info_outCnt = *count);
    if (result == KERN_SUCCESS) {
        if (reply.is.port_info_outCnt > *count)
            return MIG_ARRAY_TOO_LARGE;
        *count = reply.is.port_info_outCnt;
        memcpy(info, reply.is.port_info_out, *count * sizeof(integer_t));
    }
    return result;
}

kern_return_t rig_port_set_attributes(mach_port_t task, mach_port_name_t name, mach_port_flavor_t flavor,
                                      const void *info, mach_msg_type_number_t count)
{
    RIG_FIRST(mach_port_set_attributes, (task, name, flavor, (mach_port_info_t)(uintptr_t)info, count));
    rig_via("mach");
    __Request__mach_port_set_attributes_t request = {NDR, .name = name, .flavor = flavor, .port_infoCnt = count};
    union {
        __Reply__mach_port_set_attributes_t is;
        char room[sizeof(__Reply__mach_port_set_attributes_t) + MAX_TRAILER_SIZE];
    } reply;
    if (count > RIG_COUNT(request.port_info))
        return MIG_ARRAY_TOO_LARGE;
    memcpy(request.port_info, info, count * sizeof(integer_t));
    /* the kernel's size check wants the used part of the array only */
    return rig_mig(task, 3218, &request.Head,
                   (mach_msg_size_t)(offsetof(__Request__mach_port_set_attributes_t, port_info) +
                                     count * sizeof(integer_t)),
                   &reply.is.Head, sizeof reply);
}

mach_port_status_t rig_port_status(mach_port_name_t name)
{
    mach_port_status_t status = {0};
    mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
    REQUIRE_KERN(rig_port_get_attributes(rig_task(), name, MACH_PORT_RECEIVE_STATUS, &status, &count));
    REQUIRE_EQ_INT(count, MACH_PORT_RECEIVE_STATUS_COUNT);
    return status;
}

void rig_port_set_limit(mach_port_name_t name, mach_port_msgcount_t limit)
{
    mach_port_limits_t limits = {.mpl_qlimit = limit};
    REQUIRE_KERN(rig_port_set_attributes(rig_task(), name, MACH_PORT_LIMITS_INFO, &limits,
                                         MACH_PORT_LIMITS_INFO_COUNT));
}

kern_return_t rig_port_set_mscount(mach_port_t task, mach_port_name_t name, mach_port_mscount_t count)
{
    RIG_FIRST(mach_port_set_mscount, (task, name, count));
    BY_HAND(3210, mach_port_set_mscount, NDR, .name = name, .mscount = count);
    return result;
}

kern_return_t rig_port_set_seqno(mach_port_t task, mach_port_name_t name, mach_port_seqno_t seqno)
{
    RIG_FIRST(mach_port_set_seqno, (task, name, seqno));
    BY_HAND(3216, mach_port_set_seqno, NDR, .name = name, .seqno = seqno);
    return result;
}

kern_return_t rig_port_request_notification(mach_port_t task, mach_port_name_t name, mach_msg_id_t which,
                                            mach_port_mscount_t sync, mach_port_t notify,
                                            mach_msg_type_name_t notify_how, mach_port_t *previous)
{
    RIG_FIRST(mach_port_request_notification, (task, name, which, sync, notify, notify_how, previous));
    BY_HAND(3213, mach_port_request_notification, COMPLEX, NDR, .notify = PORT(notify, notify_how), .name = name,
            .msgid = which, .sync = sync);
    if (result == KERN_SUCCESS)
        *previous = reply.is.previous.name;
    return result;
}

kern_return_t rig_port_get_context(mach_port_t task, mach_port_name_t name, mach_port_context_t *context)
{
    RIG_FIRST(mach_port_get_context, (task, name, context));
    BY_HAND(3228, mach_port_get_context, NDR, .name = name);
    if (result == KERN_SUCCESS)
        *context = reply.is.context;
    return result;
}

kern_return_t rig_port_set_context(mach_port_t task, mach_port_name_t name, mach_port_context_t context)
{
    RIG_FIRST(mach_port_set_context, (task, name, context));
    BY_HAND(3229, mach_port_set_context, NDR, .name = name, .context = context);
    return result;
}

kern_return_t rig_port_guard(mach_port_t task, mach_port_name_t name, mach_port_context_t guard, boolean_t strict)
{
    RIG_FIRST(mach_port_guard, (task, name, guard, strict));
    BY_HAND(3233, mach_port_guard, NDR, .name = name, .guard = guard, .strict = strict);
    return result;
}

kern_return_t rig_port_unguard(mach_port_t task, mach_port_name_t name, mach_port_context_t guard)
{
    RIG_FIRST(mach_port_unguard, (task, name, guard));
    BY_HAND(3234, mach_port_unguard, NDR, .name = name, .guard = guard);
    return result;
}

/* ---- Port sets ------------------------------------------------------------------------------------------------ */

kern_return_t rig_port_get_set_status(mach_port_t task, mach_port_name_t set, mach_port_name_array_t *members,
                                      mach_msg_type_number_t *count)
{
    RIG_FIRST(mach_port_get_set_status, (task, set, members, count));
    BY_HAND(3211, mach_port_get_set_status, NDR, .name = set);
    if (result == KERN_SUCCESS) {
        *members = reply.is.members.address;
        *count = reply.is.membersCnt;
    }
    return result;
}

kern_return_t rig_port_move_member(mach_port_t task, mach_port_name_t member, mach_port_name_t after)
{
    RIG_FIRST(mach_port_move_member, (task, member, after));
    BY_HAND(3212, mach_port_move_member, NDR, .member = member, .after = after);
    return result;
}

/* ---- A task's own ports ----------------------------------------------------------------------------------------- */

kern_return_t rig_ports_register(mach_port_t task, const mach_port_t *ports, mach_msg_type_number_t count)
{
    mach_port_array_t array = (mach_port_array_t)(uintptr_t)ports;
    RIG_FIRST(mach_ports_register, (task, array, count));
    BY_HAND(3403, mach_ports_register, COMPLEX, NDR,
            .init_port_set = {.address = array,
                              .count = count,
                              .disposition = MACH_MSG_TYPE_COPY_SEND,
                              .type = MACH_MSG_OOL_PORTS_DESCRIPTOR},
            .init_port_setCnt = count);
    return result;
}

kern_return_t rig_ports_lookup(mach_port_t task, mach_port_array_t *ports, mach_msg_type_number_t *count)
{
    RIG_FIRST(mach_ports_lookup, (task, ports, count));
    BY_HAND(3404, mach_ports_lookup, .Head = {0});
    if (result == KERN_SUCCESS) {
        *ports = reply.is.init_port_set.address;
        *count = reply.is.init_port_setCnt;
    }
    return result;
}

kern_return_t rig_task_get_special_port(mach_port_t task, int which, mach_port_t *port)
{
    RIG_FIRST(task_get_special_port, (task, which, port));
    BY_HAND(3409, task_get_special_port, NDR, .which_port = which);
    if (result == KERN_SUCCESS)
        *port = reply.is.special_port.name;
    return result;
}

kern_return_t rig_task_set_special_port(mach_port_t task, int which, mach_port_t port)
{
    RIG_FIRST(task_set_special_port, (task, which, port));
    BY_HAND(3410, task_set_special_port, COMPLEX, NDR, .special_port = PORT(port, MACH_MSG_TYPE_COPY_SEND),
            .which_port = which);
    return result;
}

#endif
