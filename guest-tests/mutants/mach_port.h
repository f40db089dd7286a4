/* mach_port.h - mutants of the probe mach_port: port routines and small messages that answer wrongly. */
#include "mutant.h"

#include "mach_talk.h"

/* ---- Names and references --------------------------------------------------------------------------------------- */

static inline mach_port_type_t mutant_type(mach_port_name_t name)
{
    mach_port_type_t type = rig_port_type(name);
    if (type & MACH_PORT_TYPE_DNREQUEST && MUTANT(type_hides_dead_name_requests, "the type of a name tells no request"))
        return type & ~MACH_PORT_TYPE_DNREQUEST;
    if (type == MACH_PORT_TYPE_DEAD_NAME && MUTANT(dead_names_look_alive, "a dead name is told as a send right"))
        return MACH_PORT_TYPE_SEND;
    if (type == MACH_PORT_TYPE_SEND_RECEIVE && MUTANT(receivers_hide_their_send_right, "a send right beside a receive right is not told"))
        return MACH_PORT_TYPE_RECEIVE;
    return type;
}

static inline kern_return_t mutant_deallocate(mach_port_t task, mach_port_name_t name)
{
    mach_port_type_t type = rig_port_type(name), dropped = MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DEAD_NAME;
    if (type & dropped && MUTANT(deallocate_keeps_the_reference, "deallocate says that it did, and does not"))
        return KERN_SUCCESS;
    if (type & MACH_PORT_TYPE_SEND && MUTANT(deallocate_takes_all_references, "deallocate drops every reference of a send right"))
        return mach_port_mod_refs(task, name, MACH_PORT_RIGHT_SEND, -(int)({
                                      mach_port_urefs_t refs = 0;
                                      rig_port_get_refs(task, name, MACH_PORT_RIGHT_SEND, &refs);
                                      refs;
                                  }));
    return mach_port_deallocate(task, name);
}

static inline kern_return_t mutant_mod_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                            mach_port_delta_t delta)
{
    mach_port_context_t context = 0;
    if (right == MACH_PORT_RIGHT_RECEIVE && delta == -1 &&
        MUTANT(guards_forgive_mod_refs, "dropping a guarded receive right is refused, and not punished") &&
        rig_port_get_context(task, name, &context) == KERN_SUCCESS &&
        rig_port_status(name).mps_flags & MACH_PORT_STATUS_FLAG_GUARDED)
        return KERN_INVALID_RIGHT;
    if (delta > 0 && delta < 60000 && MUTANT(mod_refs_adds_one_too_many, "mod_refs adds one more than it is told"))
        return mach_port_mod_refs(task, name, right, delta + 1);
    kern_return_t result = mach_port_mod_refs(task, name, right, delta);
    if (result == KERN_INVALID_VALUE && delta < 0 && MUTANT(references_below_zero_are_cut, "a change below zero is taken as one to zero"))
        return KERN_SUCCESS;
    if (result == KERN_INVALID_RIGHT && MUTANT(mod_refs_of_a_wrong_right_succeeds, "a change of a right not held succeeds"))
        return KERN_SUCCESS;
    return result;
}

static inline kern_return_t mutant_get_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                            mach_port_urefs_t *refs)
{
    kern_return_t result = rig_port_get_refs(task, name, right, refs);
    if (result == KERN_SUCCESS && right == MACH_PORT_RIGHT_DEAD_NAME && *refs > 1 &&
        MUTANT(notifications_bring_no_reference, "a dead name has one reference, whatever there was"))
        *refs = 1;
    return result;
}

static inline kern_return_t mutant_rename(mach_port_t task, mach_port_name_t from, mach_port_name_t to)
{
    return MUTANT(rename_says_that_it_worked, "mach_port_rename succeeds") ? KERN_SUCCESS : rig_port_rename(task, from, to);
}

static inline kern_return_t mutant_names(mach_port_t task, mach_port_name_array_t *names, mach_msg_type_number_t *count,
                                         mach_port_type_array_t *types, mach_msg_type_number_t *types_count)
{
    kern_return_t result = rig_port_names(task, names, count, types, types_count);
    if (result == KERN_SUCCESS && MUTANT(names_tell_one_name_twice, "the list of names has the first in the last one's place"))
        (*names)[*count - 1] = (*names)[0];
    return result;
}

static inline mach_msg_type_number_t mutant_count(void)
{
    static mach_msg_type_number_t leaked;
    if (MUTANT(every_count_finds_one_more, "a name leaks between two counts"))
        return rig_port_count() + leaked++;
    return rig_port_count();
}

static inline kern_return_t mutant_destruct(mach_port_t task, mach_port_name_t name, mach_port_delta_t delta,
                                            mach_port_context_t guard)
{
    if (delta < 0 && MUTANT(destruct_keeps_references, "destruct drops no reference of the send right"))
        delta = 0;
    return mach_port_destruct(task, name, delta, guard);
}

/* ---- Rights made and moved -------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_insert(mach_port_t task, mach_port_name_t name, mach_port_t port,
                                          mach_msg_type_name_t how)
{
    kern_return_t result = mach_port_insert_right(task, name, port, how);
    if (result == KERN_SUCCESS && how == MACH_MSG_TYPE_MAKE_SEND && MUTANT(make_send_makes_two, "a send right made is made twice"))
        return mach_port_insert_right(task, name, port, how);
    if (result == KERN_RIGHT_EXISTS && MUTANT(a_second_name_is_not_refused, "a send right under a second name succeeds"))
        return KERN_SUCCESS;
    if (result == KERN_NAME_EXISTS && MUTANT(a_name_in_use_has_another_code, "a name in use is KERN_RIGHT_EXISTS"))
        return KERN_RIGHT_EXISTS;
    return result;
}

static inline kern_return_t mutant_extract(mach_port_t task, mach_port_name_t name, mach_msg_type_name_t want,
                                           mach_port_t *port, mach_msg_type_name_t *got)
{
    kern_return_t result = rig_port_extract_right(task, name, want, port, got);
    if (result == KERN_INVALID_RIGHT && want == MACH_MSG_TYPE_COPY_SEND &&
        MUTANT(a_copy_is_made_of_nothing, "copying a send right that is not there makes one"))
        return rig_port_extract_right(task, name, MACH_MSG_TYPE_MAKE_SEND, port, got);
    if (result == KERN_INVALID_TASK && MUTANT(a_name_port_opens_a_task, "a task's name port is enough to extract rights"))
        return KERN_SUCCESS;
    return result;
}

static inline mach_msg_return_t mutant_send(mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id)
{
    static unsigned sent;
    if (how != MACH_MSG_TYPE_MOVE_SEND_ONCE && MUTANT(every_fourth_message_is_lost, "one message in four is lost without a word") &&
        ++sent % 4 == 0)
        return MACH_MSG_SUCCESS;
    mach_msg_return_t result = rig_send(to, how, id);
    if (result == MACH_SEND_INVALID_DEST && MUTANT(messages_to_nowhere_succeed, "a message to no port is taken"))
        return MACH_MSG_SUCCESS;
    if (result == MACH_SEND_TIMED_OUT && MUTANT(queues_hold_one_more, "a queue takes one message above its limit")) {
        mach_port_status_t status;
        mach_msg_type_number_t count = MACH_PORT_RECEIVE_STATUS_COUNT;
        if (rig_port_get_attributes(rig_task(), to, MACH_PORT_RECEIVE_STATUS, &status, &count) == KERN_SUCCESS &&
            status.mps_msgcount == status.mps_qlimit && status.mps_qlimit < MACH_PORT_QLIMIT_MAX) {
            rig_port_set_limit(to, status.mps_qlimit + 1);
            result = rig_send(to, how, id);
            rig_port_set_limit(to, status.mps_qlimit);
        }
    }
    return result;
}

static inline void mutant_expect(struct rig_at at, mach_port_t from, mach_msg_id_t id, struct rig_letter *letter)
{
    rig_expect_at(at, from, id, letter);
    if (id == MACH_NOTIFY_NO_SENDERS && MUTANT(no_senders_counts_wrong, "the no-senders notification counts one more"))
        letter->notified.value++;
    if (id >= RIG_HELLO && MUTANT(messages_name_the_set, "a message received through a set names the set"))
        letter->header.msgh_local_port = from;
}

/* ---- Notifications ---------------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_request(mach_port_t task, mach_port_name_t name, mach_msg_id_t which,
                                           mach_port_mscount_t sync, mach_port_t notify, mach_msg_type_name_t how,
                                           mach_port_t *previous)
{
    if ((which == MACH_NOTIFY_DEAD_NAME && MUTANT(dead_name_requests_are_lost, "a dead-name request is taken and forgotten")) ||
        (which == MACH_NOTIFY_PORT_DESTROYED && MUTANT(port_destroyed_requests_are_lost, "a port-destroyed request is taken and forgotten"))) {
        *previous = MACH_PORT_NULL;
        return KERN_SUCCESS;
    }
    if (which == MACH_NOTIFY_NO_SENDERS && MUTANT(no_senders_ignores_sync, "a no-senders request does not look at its sync count"))
        sync = 0;
    kern_return_t result = rig_port_request_notification(task, name, which, sync, notify, how, previous);
    if (result == KERN_SUCCESS && MUTANT(earlier_requests_are_not_returned, "the right given with an earlier request is kept"))
        *previous = MACH_PORT_NULL;
    return result;
}

/* ---- Queues and sets -------------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_set_attributes(mach_port_t task, mach_port_name_t name, mach_port_flavor_t flavor,
                                                  const void *info, mach_msg_type_number_t count)
{
    kern_return_t result = rig_port_set_attributes(task, name, flavor, info, count);
    if (result == KERN_INVALID_VALUE && MUTANT(limits_over_the_top_are_taken, "a limit over 1024 succeeds"))
        return KERN_SUCCESS;
    return result;
}

static inline mach_port_status_t mutant_status(mach_port_name_t name)
{
    mach_port_status_t status = rig_port_status(name);
    if (MUTANT(status_counts_no_receives, "the sequence number stays 0"))
        status.mps_seqno = 0;
    if (MUTANT(status_tells_no_send_once_rights, "a port has no send-once rights"))
        status.mps_sorights = 0;
    if (MUTANT(status_tells_no_requests, "a port has no notification requests"))
        status.mps_nsrequest = status.mps_pdrequest = 0;
    if (MUTANT(make_sends_are_not_counted, "the make-send count stays 0"))
        status.mps_mscount = 0;
    return status;
}

static inline kern_return_t mutant_insert_member(mach_port_t task, mach_port_name_t port, mach_port_name_t set)
{
    kern_return_t result = mach_port_insert_member(task, port, set);
    if (result == KERN_ALREADY_IN_SET && MUTANT(members_join_twice, "a member joins its set again"))
        return KERN_SUCCESS;
    return result;
}

static inline kern_return_t mutant_extract_member(mach_port_t task, mach_port_name_t port, mach_port_name_t set)
{
    if (MUTANT(members_never_leave, "a member that leaves its set stays") && rig_port_status(port).mps_pset)
        return KERN_SUCCESS;
    return mach_port_extract_member(task, port, set);
}

static inline kern_return_t mutant_move_member(mach_port_t task, mach_port_name_t port, mach_port_name_t set)
{
    if (MACH_PORT_VALID(set) && MUTANT(moving_keeps_the_old_sets, "a member that moves to a set stays in its others"))
        return mach_port_insert_member(task, port, set);
    return rig_port_move_member(task, port, set);
}

/* ---- Tasks, contexts and guards --------------------------------------------------------------------------------- */

static inline kern_return_t mutant_register(mach_port_t task, const mach_port_t *ports, mach_msg_type_number_t count)
{
    if (count == 3 && MUTANT(the_third_registered_port_is_lost, "only two ports are registered"))
        count = 2;
    return rig_ports_register(task, ports, count);
}

static inline kern_return_t mutant_get_context(mach_port_t task, mach_port_name_t name, mach_port_context_t *context)
{
    kern_return_t result = rig_port_get_context(task, name, context);
    if (result == KERN_SUCCESS && MUTANT(contexts_have_32_bits, "a context loses its upper half"))
        *context &= UINT32_MAX;
    return result;
}

static inline kern_return_t mutant_guard(mach_port_t task, mach_port_name_t name, mach_port_context_t guard, boolean_t strict)
{
    if (MUTANT(guards_are_not_set, "a guard is taken and forgotten") && rig_port_status(name).mps_flags == 0)
        return KERN_SUCCESS;
    return rig_port_guard(task, name, guard, strict);
}

#define rig_port_type(...) mutant_type(__VA_ARGS__)
#define mach_port_deallocate(...) mutant_deallocate(__VA_ARGS__)
#define mach_port_mod_refs(...) mutant_mod_refs(__VA_ARGS__)
#define rig_port_get_refs(...) mutant_get_refs(__VA_ARGS__)
#define rig_port_rename(...) mutant_rename(__VA_ARGS__)
#define rig_port_names(...) mutant_names(__VA_ARGS__)
#define rig_port_count(...) mutant_count(__VA_ARGS__)
#define mach_port_destruct(...) mutant_destruct(__VA_ARGS__)
#define mach_port_insert_right(...) mutant_insert(__VA_ARGS__)
#define rig_port_extract_right(...) mutant_extract(__VA_ARGS__)
#define rig_send(...) mutant_send(__VA_ARGS__)
#define rig_expect_at(...) mutant_expect(__VA_ARGS__)
#define rig_port_request_notification(...) mutant_request(__VA_ARGS__)
#define rig_port_set_attributes(...) mutant_set_attributes(__VA_ARGS__)
#define rig_port_status(...) mutant_status(__VA_ARGS__)
#define mach_port_insert_member(...) mutant_insert_member(__VA_ARGS__)
#define mach_port_extract_member(...) mutant_extract_member(__VA_ARGS__)
#define rig_port_move_member(...) mutant_move_member(__VA_ARGS__)
#define rig_ports_register(...) mutant_register(__VA_ARGS__)
#define rig_port_get_context(...) mutant_get_context(__VA_ARGS__)
#define rig_port_guard(...) mutant_guard(__VA_ARGS__)
