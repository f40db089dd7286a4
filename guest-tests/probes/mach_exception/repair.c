/* repair.c - handlers that mend what faulted, and handlers that leave it to another. */
#include "kit.h"

#include <sys/mman.h>

static void store(void *address) { x_store(address); }

CASE(mapping_the_page_restarts_the_instruction)
{
    struct kit task;
    kit_start(&task, KIT_MAP);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *hole = kit_hole();
    x_store(hole + 100);
    CHECK_EQ_INT(hole[100], 1); /* done, not skipped */
    x_store(hole + 101);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
}

CASE(unlocking_the_page_restarts_the_instruction)
{
    struct kit task;
    kit_start(&task, KIT_UNLOCK);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *page = kit_page(PROT_READ);
    x_store(page + 100);
    CHECK_EQ_INT(page[100], 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(task.handler.last.code[0], KERN_PROTECTION_FAILURE);
    kit_stop(&task);
}

enum { GIVEN = 0x5eed };

/* The load is skipped, and its result put into the register it would have filled. */
static kern_return_t give_the_value(struct rig_exception *e, void *argument)
{
    (void)argument;
    kern_return_t result = KERN_SUCCESS;
    x86_thread_state64_t registers;
    if (e->state_count > 0) {
        RIG_EXC_STATE64(e)->__rax = GIVEN;
        RIG_EXC_STATE64(e)->__rip += LOAD_LENGTH;
        return KERN_SUCCESS;
    }
    result = rig_get_registers(e->thread, &registers);
    registers.__rax = GIVEN;
    registers.__rip += LOAD_LENGTH;
    return result == KERN_SUCCESS ? rig_set_registers(e->thread, &registers) : result;
}

static void check_given(exception_behavior_t behavior)
{
    struct rig_exc_handler handler;
    rig_exc_start(&handler, give_the_value, NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, handler.port, behavior, x86_THREAD_STATE64));
    CHECK_EQ_INT(x_load(kit_hole()), GIVEN);
    CHECK_EQ_INT(handler.served, 1);
    rig_exc_stop(&handler);
}

CASE(new_state_gives_a_register) { check_given(WIDE_STATE); }
CASE(new_state_gives_a_register_with_identity) { check_given(WIDE_IDENTITY); }
CASE(set_state_gives_a_register) { check_given(WIDE_DEFAULT); }

/* In the identity form the new state wins over what thread_set_state did before the answer. */
static kern_return_t set_both(struct rig_exception *e, void *argument)
{
    kern_return_t *result = argument;
    x86_thread_state64_t registers = *RIG_EXC_STATE64(e);
    registers.__rax = 1;
    registers.__rip += LOAD_LENGTH;
    *result = rig_set_registers(e->thread, &registers);
    return give_the_value(e, NULL);
}

CASE(new_state_wins_over_set_state)
{
    struct rig_exc_handler handler;
    kern_return_t result = -1;
    rig_exc_start(&handler, set_both, &result);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, handler.port, WIDE_IDENTITY, x86_THREAD_STATE64));
    CHECK_EQ_INT(x_load(kit_hole()), GIVEN);
    CHECK_KERN(result, KERN_SUCCESS);
    rig_exc_stop(&handler);
}

/* A refusal's state is not taken, nor is one that comes with it. */
static kern_return_t change_and_decline(struct rig_exception *e, void *argument)
{
    (void)argument;
    give_the_value(e, NULL);
    return KERN_FAILURE;
}

CASE(declining_leaves_the_registers_alone)
{
    struct rig_exc_handler thread;
    struct kit task;
    rig_exc_start(&thread, change_and_decline, NULL);
    kit_start(&task, KIT_SKIP);
    task.length = LOAD_LENGTH;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BAD_ACCESS, thread.port, WIDE_STATE, x86_THREAD_STATE64));
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_STATE);
    CHECK_NE_INT(x_load(kit_hole()), GIVEN);
    CHECK_EQ_INT(thread.served, 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(RIG_EXC_STATE64(&task.handler.last)->__rip, (uint64_t)x_load);
    rig_exc_stop(&thread);
    kit_stop(&task);
}

CASE(unrepaired_success_faults_again)
{
    struct kit task;
    kit_start(&task, KIT_LATE);
    task.late = 10;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *hole = kit_hole();
    x_store(hole);
    CHECK_EQ_INT(kit_served(&task), 11);
    CHECK_EQ_INT(*hole, 1);
    kit_stop(&task);
}

/* ---- To another handler --------------------------------------------------------------------------------------- */

/* The older handler's port, saved by swap, gets the message with the kernel's own reply right: it answers for both. */
CASE(forwarded_message_is_answered_by_the_saved_port)
{
    struct kit old, new;
    struct rig_exc_ports saved;
    kit_start(&old, KIT_MAP);
    kit_start(&new, KIT_FORWARD);
    kit_watch(&old, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    REQUIRE_KERN(rig_exc_swap(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, new.handler.port, WIDE_DEFAULT, 0, &saved));
    REQUIRE_EQ_INT(saved.count, 1);
    new.next = saved.ports[0];
    char *hole = kit_hole();
    x_store(hole + 5);
    CHECK_EQ_INT(hole[5], 1);
    CHECK_EQ_INT(kit_served(&new), 1);
    CHECK_EQ_INT(kit_served(&old), 1);
    CHECK_LT_INT(new.turn, old.turn);
    CHECK_EQ_INT(old.handler.last.type, EXC_BAD_ACCESS);
    CHECK_EQ_INT(old.handler.last.code[1], (intptr_t)hole + 5);
    CHECK_EQ_INT(old.handler.last.thread, kit_thread());
    CHECK_EQ_INT(old.handler.last.task, rig_task());
    kit_stop(&new);
    kit_stop(&old);
}

/* The other way to forward: an exception message of its own to the saved port; its answer, and its new state, are passed
 * on. */
CASE(asked_handler_decides)
{
    static const enum kit_repair does[] = {KIT_SKIP, KIT_DECLINE};
    for (size_t i = 0; i < RIG_COUNT(does); i++) {
        struct kit old, new, task;
        kit_start(&old, does[i]);
        kit_start(&new, KIT_ASK);
        kit_start(&task, KIT_SKIP);
        old.length = task.length = UD2_LENGTH;
        new.next = old.handler.port;
        kit_watch(&new, RIG_EXC_THREAD, EXC_MASK_BAD_INSTRUCTION, WIDE_STATE);
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_INSTRUCTION, WIDE_STATE);
        x_ud2();
        CHECK_EQ_INT(kit_served(&new), 1);
        CHECK_EQ_INT(kit_served(&old), 1);
        CHECK_EQ_INT(kit_served(&task), does[i] == KIT_DECLINE ? 1 : 0);
        CHECK_EQ_INT(RIG_EXC_STATE64(&old.handler.last)->__rip, (uint64_t)x_ud2);
        kit_stop(&new);
        kit_stop(&old);
        kit_stop(&task);
    }
}

CASE(forwarding_to_a_handler_that_declines)
{
    struct kit old, new;
    kit_start(&old, KIT_DECLINE);
    kit_start(&new, KIT_FORWARD);
    new.next = old.handler.port;
    kit_watch(&new, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *hole = kit_hole();
    struct fault signal = fault_of(store, hole);
    CHECK_EQ_INT(signal.sig, SIGSEGV);
    CHECK_EQ_INT((intptr_t)signal.address, (intptr_t)hole);
    CHECK_EQ_INT(kit_served(&new), 1);
    CHECK_EQ_INT(kit_served(&old), 1);
    kit_stop(&new);
    kit_stop(&old);
}

/* A task has no port of its own at first: what swap saves is null, and a handler that forwards to null declines. */
CASE(saved_null_port_means_the_signal)
{
    struct kit new;
    struct rig_exc_ports saved;
    kit_start(&new, KIT_DECLINE);
    REQUIRE_KERN(rig_exc_swap(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, new.handler.port, WIDE_DEFAULT, 0, &saved));
    CHECK_EQ_INT(saved.count, 1);
    CHECK_EQ_INT(saved.ports[0], MACH_PORT_NULL);
    char *hole = kit_hole();
    CHECK_EQ_INT(fault_of(store, hole).sig, SIGSEGV);
    CHECK_EQ_INT(kit_served(&new), 1);
    CHECK_KERN(rig_exc_restore(RIG_EXC_TASK, rig_task(), &saved), KERN_SUCCESS);
    CHECK_EQ_INT(fault_of(store, hole).sig, SIGSEGV);
    CHECK_EQ_INT(kit_served(&new), 1);
    kit_stop(&new);
}
