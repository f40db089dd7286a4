/* time.c - from the fault to the handler to the thread that runs on. int3 needs no repair, so its round trip is the
 * message's alone; ud2 must be skipped, by the new state or by two more calls. */
#include "kit.h"

static void breakpoints(void *context, unsigned long n)
{
    (void)context;
    while (n-- > 0)
        x_int3();
}

static void undefined(void *context, unsigned long n)
{
    (void)context;
    while (n-- > 0)
        x_ud2();
}

static const struct {
    exception_behavior_t behavior;
    const char *name;
} FORMS[] = {{WIDE_DEFAULT, "default"}, {WIDE_STATE, "state"}, {WIDE_IDENTITY, "state_identity"}};

CASE(time_round_trip, .deadline = 60)
{
    for (size_t i = 0; i < RIG_COUNT(FORMS); i++) {
        struct kit task;
        kit_start(&task, KIT_RESUME);
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, FORMS[i].behavior);
        rig_time(FORMS[i].name, 0, breakpoints, NULL);
        CHECK_GT_INT(kit_served(&task), rig_batches());
        kit_stop(&task);
    }
}

CASE(time_skip, .deadline = 60)
{
    for (size_t i = 0; i < RIG_COUNT(FORMS); i++) {
        struct kit task;
        kit_start(&task, KIT_SKIP);
        task.length = UD2_LENGTH;
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_INSTRUCTION, FORMS[i].behavior);
        rig_time(i == 0 ? "by_set_state" : FORMS[i].name, 0, undefined, NULL);
        kit_stop(&task);
    }
}

static void store_and_lock(void *context, unsigned long n)
{
    char *page = context;
    while (n-- > 0) {
        x_store(page);
        REQUIRE_QUIET(rig_vm_protect(rig_task(), (mach_vm_address_t)page, (mach_vm_size_t)getpagesize(), false, VM_PROT_READ) ==
                      KERN_SUCCESS);
    }
}

/* The use that collectors and debuggers make of it: a page made writable at the first store. The locking again is
 * timed with it. */
CASE(time_page_repair, .deadline = 60)
{
    struct kit task;
    kit_start(&task, KIT_UNLOCK);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *page = kit_page(VM_PROT_READ);
    rig_time("unlock_and_lock", 0, store_and_lock, page);
    kit_stop(&task);
}

static kern_return_t resume(struct rig_exception *e, void *argument)
{
    (void)e;
    (void)argument;
    return KERN_SUCCESS;
}

static void serve_for_ever(mach_port_t port, void *argument)
{
    rig_exc_serve(port, resume, argument, 0, 60);
}

CASE(time_other_task, .deadline = 60)
{
    for (size_t i = 0; i < RIG_COUNT(FORMS); i++) {
        mach_port_t port;
        pid_t child = kit_partner(serve_for_ever, NULL, &port);
        REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, port, FORMS[i].behavior, x86_THREAD_STATE64));
        rig_time(FORMS[i].name, 0, breakpoints, NULL);
        rig_kill(child);
    }
}

/* For comparison: the same trap to a signal handler and back. */
CASE(time_signal, .deadline = 60)
{
    rig_catch(SIGTRAP, 0);
    rig_time("signal", 0, breakpoints, NULL);
    CHECK_GT_INT(rig_caught(SIGTRAP), rig_batches());
}

CASE(time_declined_to_the_signal, .deadline = 60)
{
    struct kit task;
    rig_catch(SIGTRAP, 0);
    kit_start(&task, KIT_DECLINE);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
    rig_time("declined", 0, breakpoints, NULL);
    CHECK_GT_INT(rig_caught(SIGTRAP), rig_batches());
    kit_stop(&task);
}

static void set_ports(void *context, unsigned long n)
{
    const mach_port_t *port = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_SOFTWARE, *port, WIDE_DEFAULT, 0) == KERN_SUCCESS);
}

CASE(time_set_ports, .deadline = 60)
{
    mach_port_t port = rig_port(true);
    rig_time("set", 0, set_ports, &port);
}
