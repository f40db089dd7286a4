/* mach_exception.h - mutants of the probe mach_exception: the harness's exception layer as the probe's cases and the
 * handler threads see it. */
#include "mutant.h"

#include "mach_exc_messages.h"

THROUGH("mach_exc_serve.c")

/* ---- The ports ------------------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_rig_exc_set(enum rig_exc_level level, mach_port_t of, exception_mask_t mask,
                                               mach_port_t port, exception_behavior_t behavior,
                                               thread_state_flavor_t flavor)
{
    kern_return_t result = rig_exc_set(level, of, mask, port, behavior, flavor);
    if (result == KERN_INVALID_ARGUMENT) {
        if ((mask & 1) && MUTANT(set_takes_any_mask, "set accepts a mask with a bit that is no exception"))
            return KERN_SUCCESS;
        if (behavior == 77 && MUTANT(set_takes_any_behavior, "set accepts an unknown behaviour"))
            return KERN_SUCCESS;
        if (flavor == 99 && MUTANT(set_takes_any_flavor, "set accepts an unknown state flavor"))
            return KERN_SUCCESS;
        return result;
    }
    if (result != KERN_SUCCESS)
        return result;
    if (port == MACH_PORT_NULL && MUTANT(set_null_is_refused, "set refuses MACH_PORT_NULL"))
        return KERN_INVALID_ARGUMENT;
    if (level == RIG_EXC_THREAD && MUTANT(thread_set_is_task_wide, "a thread's port is set for the whole task"))
        return rig_exc_set(RIG_EXC_TASK, rig_task(), mask, port, behavior, flavor);
    if (((unsigned)behavior & MACH_EXCEPTION_CODES) && MUTANT(set_loses_the_wide_codes, "set drops MACH_EXCEPTION_CODES"))
        return rig_exc_set(level, of, mask, port, (exception_behavior_t)((unsigned)behavior & ~MACH_EXCEPTION_CODES), flavor);
    if (port != MACH_PORT_NULL && MUTANT(set_reaches_every_exception, "set sets the port for more than the mask"))
        return rig_exc_set(level, of, EXC_MASK_ALL, port, behavior, flavor);
    if (port != MACH_PORT_NULL && MUTANT(set_keeps_the_right, "set leaves one user reference too many with the caller"))
        return mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, 1) == KERN_SUCCESS ? result : KERN_FAILURE;
    return result;
}
#define rig_exc_set(...) mutant_rig_exc_set(__VA_ARGS__)

static inline kern_return_t mutant_rig_exc_get(enum rig_exc_level level, mach_port_t of, exception_mask_t mask,
                                               struct rig_exc_ports *found)
{
    kern_return_t result = rig_exc_get(level, of, mask, found);
    if (result != KERN_SUCCESS || found->count == 0)
        return result;
    if (found->count > 1 && MUTANT(get_drops_an_entry, "get tells one entry less than there are"))
        found->count--;
    if (MUTANT(get_tells_more_than_asked, "get's mask has a bit that was not asked for"))
        found->masks[0] |= EXC_MASK_SYSCALL;
    if (found->behaviors[0] != 0 && MUTANT(get_tells_another_behavior, "get tells the default form for every entry"))
        found->behaviors[0] = EXCEPTION_DEFAULT;
    return result;
}
#define rig_exc_get(...) mutant_rig_exc_get(__VA_ARGS__)

static inline kern_return_t mutant_rig_exc_swap(enum rig_exc_level level, mach_port_t of, exception_mask_t mask,
                                                mach_port_t port, exception_behavior_t behavior,
                                                thread_state_flavor_t flavor, struct rig_exc_ports *found)
{
    if (MUTANT(swap_sets_nothing, "swap returns the old ports and leaves them in place"))
        return (rig_exc_get)(level, of, mask, found);
    kern_return_t result = rig_exc_swap(level, of, mask, port, behavior, flavor, found);
    if (result == KERN_SUCCESS && MUTANT(swap_forgets_the_old, "swap returns null for the old ports"))
        for (mach_msg_type_number_t i = 0; i < found->count; i++)
            found->ports[i] = MACH_PORT_NULL;
    return result;
}
#define rig_exc_swap(...) mutant_rig_exc_swap(__VA_ARGS__)

/* ---- The message ------------------------------------------------------------------------------------------------ */

static inline void mutant_swap_first_two(mach_port_t port, struct rig_exception *e)
{
    static struct rig_exception first;
    static bool held;
    if (held) {
        held = false;
        *e = first;
    } else if (rig_exc_receive(port, 0, &first) == KERN_SUCCESS) {
        struct rig_exception second = first;
        first = *e;
        *e = second;
        held = true;
    }
}

static inline kern_return_t mutant_rig_exc_receive(mach_port_t port, double seconds, struct rig_exception *e)
{
    kern_return_t result = rig_exc_receive(port, seconds, e);
    if (result != KERN_SUCCESS)
        return result;
    if (MUTANT(address_is_cut_short, "the 64-bit form carries 32 bits of the address"))
        e->code[1] = (int32_t)e->code[1];
    if (e->code[0] == KERN_PROTECTION_FAILURE && e->type == EXC_BAD_ACCESS &&
        MUTANT(protection_is_told_as_unmapped, "a protection failure is told as KERN_INVALID_ADDRESS"))
        e->code[0] = KERN_INVALID_ADDRESS;
    if (e->type == EXC_SOFTWARE && MUTANT(software_is_told_as_breakpoint, "EXC_SOFTWARE comes as EXC_BREAKPOINT"))
        e->type = EXC_BREAKPOINT;
    if (e->type == EXC_CRASH && MUTANT(crash_loses_the_signal, "EXC_CRASH does not tell the signal"))
        e->code[0] &= 0xffffff;
    if (e->type == EXC_GUARD && MUTANT(guard_loses_the_guard, "EXC_GUARD does not tell the guard"))
        e->code[1] = 0;
    if (e->thread != MACH_PORT_NULL && MUTANT(message_brings_the_task_twice, "the message's thread right is the task's"))
        e->thread = e->task;
    if (e->state_count > 0 && e->flavor == x86_THREAD_STATE64 && MUTANT(state_loses_a_register, "r15 is zero in the state"))
        RIG_EXC_STATE64(e)->__r15 = 0;
    if (MUTANT(two_are_received_out_of_order, "the second exception in the queue is received before the first"))
        mutant_swap_first_two(port, e);
    return result;
}
#define rig_exc_receive(...) mutant_rig_exc_receive(__VA_ARGS__)

/* ---- The answer ------------------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_rig_exc_answer(struct rig_exception *e, kern_return_t code)
{
    if (code == KERN_FAILURE && MUTANT(refusal_counts_as_success, "KERN_FAILURE ends the matter as success does"))
        code = KERN_SUCCESS;
    if (code == 1234567 && MUTANT(odd_code_counts_as_success, "a return code without a name counts as success"))
        code = KERN_SUCCESS;
    if (code == KERN_SUCCESS && MUTANT(success_counts_as_refusal, "KERN_SUCCESS passes the exception on"))
        code = KERN_FAILURE;
    if (e->state_count > 0 && e->flavor == x86_THREAD_STATE64 && MUTANT(new_register_is_not_set, "the new state's rax is not set"))
        RIG_EXC_STATE64(e)->__rax = 0;
    if (e->task != MACH_PORT_NULL && MUTANT(answer_keeps_the_rights, "the message's rights stay after the answer"))
        mach_port_mod_refs(rig_task(), e->task, MACH_PORT_RIGHT_SEND, 1);
    return rig_exc_answer(e, code);
}
#define rig_exc_answer(...) mutant_rig_exc_answer(__VA_ARGS__)

static inline kern_return_t mutant_rig_exc_forward(struct rig_exception *e, mach_port_t to)
{
    if (MUTANT(forward_ends_at_the_first, "a forwarded message is answered success on the way")) {
        return (rig_exc_answer)(e, KERN_SUCCESS);
    }
    return rig_exc_forward(e, to);
}
#define rig_exc_forward(...) mutant_rig_exc_forward(__VA_ARGS__)

static inline void mutant_rig_exc_drop(struct rig_exception *e)
{
    if (MUTANT(dropped_reply_counts_as_handled, "a reply right destroyed unanswered counts as success"))
        (rig_exc_answer)(e, KERN_SUCCESS);
    else
        rig_exc_drop(e);
}
#define rig_exc_drop(...) mutant_rig_exc_drop(__VA_ARGS__)

/* ---- What handlers use -------------------------------------------------------------------------------------------- */

static inline kern_return_t mutant_rig_exc_raise(struct rig_exception *e, mach_port_t to)
{
    kern_return_t result = rig_exc_raise(e, to);
    if (result != KERN_SUCCESS && MUTANT(asked_handler_never_refuses, "an exception message of one's own is always answered success"))
        return KERN_SUCCESS;
    return result;
}
#define rig_exc_raise(...) mutant_rig_exc_raise(__VA_ARGS__)
