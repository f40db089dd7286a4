/* forms.c - the six forms of an exception message: default, state, state with identity, each with 32-bit and with 64-bit
 * codes. */
#include "kit.h"

/* What every form promises: id, size, codes, who, registers; and that the answer's effect is seen. */
static void check_form(exception_behavior_t behavior, mach_msg_id_t id)
{
    struct kit task;
    bool wide = ((unsigned)behavior & MACH_EXCEPTION_CODES) != 0;
    int form = (int)((unsigned)behavior & ~MACH_EXCEPTION_CODES);
    char *address = kit_hole() + 0x345;
    mach_msg_type_number_t names = 0;
    mach_port_urefs_t refs = 0, refs_after = 0;
    kit_start(&task, KIT_SKIP);
    task.length = STORE_LENGTH;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, behavior);
    for (int i = 0; i < 3; i++) { /* more than once: no right is left over from one to the next */
        x_store(address);
        if (i == 0) {
            names = rig_port_count();
            REQUIRE_KERN(rig_port_get_refs(rig_task(), rig_task(), MACH_PORT_RIGHT_SEND, &refs));
        }
    }
    REQUIRE_KERN(rig_port_get_refs(rig_task(), rig_task(), MACH_PORT_RIGHT_SEND, &refs_after));
    CHECK_EQ_INT(refs_after, refs);
    const struct rig_exception *e = &task.handler.last;
    CHECK_EQ_INT(kit_served(&task), 3);
    CHECK_EQ_INT(e->behavior, behavior);
    CHECK_EQ_INT(rig_exc_id(e->behavior), id);
    CHECK_EQ_INT(e->type, EXC_BAD_ACCESS);
    CHECK_EQ_INT(e->code_count, 2);
    CHECK_EQ_INT(e->code[0], KERN_INVALID_ADDRESS);
    CHECK_EQ_INT(e->code[1], wide ? (int64_t)address : (int64_t)(int32_t)(intptr_t)address);
    if (!wide)
        CHECK_NE_INT(e->code[1], (int64_t)address); /* the upper half is lost */
    CHECK_EQ_INT(e->thread, form == EXCEPTION_STATE ? MACH_PORT_NULL : kit_thread());
    CHECK_EQ_INT(e->task, form == EXCEPTION_STATE ? MACH_PORT_NULL : rig_task());
    CHECK_EQ_INT(e->flavor, form == EXCEPTION_DEFAULT ? 0 : x86_THREAD_STATE64);
    CHECK_EQ_INT(e->state_count, form == EXCEPTION_DEFAULT ? 0 : x86_THREAD_STATE64_COUNT);
    if (form != EXCEPTION_DEFAULT) {
        const x86_thread_state64_t *state = (const void *)e->state;
        CHECK_EQ_INT(state->__rip, (uint64_t)x_store);
        CHECK_EQ_INT(state->__rdi, (uint64_t)address); /* the whole address, even where the code lost half */
    }
    CHECK_LE_INT(rig_port_count(), names);
    kit_stop(&task);
}

CASE(form_default) { check_form(EXCEPTION_DEFAULT, 2401); }
CASE(form_state) { check_form(EXCEPTION_STATE, 2402); }
CASE(form_state_identity) { check_form(EXCEPTION_STATE_IDENTITY, 2403); }
CASE(form_wide_default) { check_form(WIDE_DEFAULT, 2405); }
CASE(form_wide_state) { check_form(WIDE_STATE, 2406); }
CASE(form_wide_state_identity) { check_form(WIDE_IDENTITY, 2407); }

/* The state is of the flavor asked for, whole. */
CASE(state_is_of_the_flavor_set)
{
    static const struct {
        thread_state_flavor_t flavor;
        mach_msg_type_number_t count;
    } flavors[] = {{x86_THREAD_STATE64, x86_THREAD_STATE64_COUNT},
                   {x86_THREAD_STATE, x86_THREAD_STATE_COUNT},
                   {x86_FLOAT_STATE64, x86_FLOAT_STATE64_COUNT},
                   {x86_DEBUG_STATE64, x86_DEBUG_STATE64_COUNT}};
    for (size_t i = 0; i < RIG_COUNT(flavors); i++) {
        struct kit task;
        kit_start(&task, KIT_RESUME);
        REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, task.handler.port, WIDE_STATE, flavors[i].flavor));
        x_int3();
        CHECK_EQ_INT(kit_served(&task), 1);
        CHECK_EQ_INT(task.handler.last.flavor, flavors[i].flavor);
        CHECK_EQ_INT(task.handler.last.state_count, flavors[i].count);
        if (flavors[i].flavor == x86_THREAD_STATE) {
            const x86_thread_state_t *any = (const void *)task.handler.last.state;
            CHECK_EQ_INT(any->tsh.flavor, x86_THREAD_STATE64);
            CHECK_EQ_INT(any->uts.ts64.__rip, (uint64_t)x_int3 + 1);
        }
        kit_stop(&task);
    }
}

/* The state forms need a flavor that can be read. With none the exception goes to the next level unseen. */
CASE(state_form_without_a_flavor_is_passed_on)
{
    static const thread_state_flavor_t none[] = {0, THREAD_STATE_NONE};
    for (size_t i = 0; i < RIG_COUNT(none); i++) {
        struct kit thread, task;
        kit_start(&thread, KIT_RESUME);
        kit_start(&task, KIT_RESUME);
        REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, thread.handler.port, WIDE_STATE, none[i]));
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
        x_int3();
        CHECK_EQ_INT(kit_served(&thread), 0);
        CHECK_EQ_INT(kit_served(&task), 1);
        kit_stop(&thread);
        kit_stop(&task);
    }
}

/* The default form takes any flavor and sends none. */
CASE(default_form_needs_no_flavor)
{
    struct kit task;
    kit_start(&task, KIT_RESUME);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, task.handler.port, WIDE_DEFAULT, THREAD_STATE_NONE));
    x_int3();
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
}

struct new_state {
    thread_state_flavor_t flavor;
    mach_msg_type_number_t count;
    uint64_t rip;
};

static kern_return_t answer_with(struct rig_exception *e, void *argument)
{
    const struct new_state *new = argument;
    if (new->flavor)
        e->flavor = new->flavor;
    if (new->count)
        e->state_count = new->count;
    if (new->rip)
        RIG_EXC_STATE64(e)->__rip = new->rip;
    return KERN_SUCCESS;
}

/* A handler that says success with a state that cannot be set has not handled it: the task is asked next. */
CASE(impossible_new_state_is_passed_on)
{
    static const struct new_state states[] = {
        {.flavor = 99},
        {.flavor = x86_THREAD_STATE32, .count = x86_THREAD_STATE32_COUNT},
        {.count = x86_THREAD_STATE64_COUNT - 2},
        {.rip = 0x8000000000000000u},
    };
    for (size_t i = 0; i < RIG_COUNT(states); i++) {
        struct rig_exc_handler thread;
        struct kit task;
        rig_exc_start(&thread, answer_with, (void *)(uintptr_t)&states[i]);
        kit_start(&task, KIT_RESUME);
        REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, thread.port, WIDE_STATE, x86_THREAD_STATE64));
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
        x_int3();
        CHECK_EQ_INT(thread.served, 1);
        CHECK_EQ_INT(kit_served(&task), 1);
        rig_exc_stop(&thread);
        kit_stop(&task);
    }
}

static kern_return_t answer_in_another_flavor(struct rig_exception *e, void *argument)
{
    (void)argument;
    x86_thread_state_t any;
    memset(&any, 0, sizeof any);
    any.tsh.flavor = x86_THREAD_STATE64;
    any.tsh.count = x86_THREAD_STATE64_COUNT;
    any.uts.ts64 = *RIG_EXC_STATE64(e);
    any.uts.ts64.__rip += UD2_LENGTH;
    memcpy(e->state, &any, sizeof any);
    e->flavor = x86_THREAD_STATE;
    e->state_count = x86_THREAD_STATE_COUNT;
    return KERN_SUCCESS;
}

/* flavor is inout: the new state may be of another one than the old. */
CASE(new_state_may_be_of_another_flavor)
{
    struct rig_exc_handler handler;
    rig_exc_start(&handler, answer_in_another_flavor, NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_INSTRUCTION, handler.port, WIDE_STATE, x86_THREAD_STATE64));
    x_ud2();
    CHECK_EQ_INT(handler.served, 1);
    rig_exc_stop(&handler);
}
