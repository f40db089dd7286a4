/* levels.c - who is asked, and in which order: the thread's port, the task's, then the Unix signal. */
#include "kit.h"

static void divide(void *arg)
{
    (void)arg;
    x_divide();
}

static void store(void *address) { x_store(address); }

CASE(thread_is_asked_before_the_task)
{
    struct kit thread, task;
    kit_start(&thread, KIT_SKIP);
    kit_start(&task, KIT_SKIP);
    thread.length = task.length = DIVIDE_LENGTH;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 0);
    kit_stop(&thread);
    kit_stop(&task);
}

CASE(task_is_asked_when_the_thread_has_no_port)
{
    struct kit thread, task;
    kit_start(&thread, KIT_SKIP);
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_BREAKPOINT, WIDE_DEFAULT); /* another type */
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    CHECK_EQ_INT(kit_served(&thread), 0);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&thread);
    kit_stop(&task);
}

CASE(task_is_asked_when_the_thread_declines)
{
    struct kit thread, task;
    kit_start(&thread, KIT_DECLINE);
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_LT_INT(thread.turn, task.turn);
    CHECK_EQ_INT(task.handler.last.type, EXC_ARITHMETIC); /* the same exception, whole */
    CHECK_EQ_INT(task.handler.last.code[0], EXC_I386_DIV);
    kit_stop(&thread);
    kit_stop(&task);
}

CASE(signal_comes_when_all_decline)
{
    struct kit thread, task;
    char *hole = kit_hole();
    kit_start(&thread, KIT_DECLINE);
    kit_start(&task, KIT_DECLINE);
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_BAD_ACCESS, WIDE_STATE);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    struct fault signal = fault_of(store, hole + 5);
    CHECK_EQ_INT(signal.sig, SIGSEGV);
    CHECK_EQ_INT((intptr_t)signal.address, (intptr_t)(hole + 5));
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_LT_INT(thread.turn, task.turn);
    kit_stop(&thread);
    kit_stop(&task);
}

CASE(repaired_fault_brings_no_signal)
{
    struct kit task;
    kit_start(&task, KIT_MAP);
    rig_catch(SIGSEGV, 0);
    rig_catch(SIGBUS, 0);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    char *hole = kit_hole();
    x_store(hole);
    CHECK_EQ_INT(*hole, 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(rig_caught(SIGSEGV) + rig_caught(SIGBUS), 0);
    kit_stop(&task);
}

/* Without a port at any level but the host's the exception is at once the signal. */
CASE(signal_without_any_port)
{
    char *hole = kit_hole();
    struct fault signal = fault_of(store, hole);
    CHECK_EQ_INT(signal.sig, SIGSEGV);
    CHECK_EQ_INT((intptr_t)signal.address, (intptr_t)hole);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE);
}

CASE(other_types_are_not_asked)
{
    struct kit task;
    kit_start(&task, KIT_SKIP);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ALL & ~EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE);
    CHECK_EQ_INT(kit_served(&task), 0);
    kit_stop(&task);
}

/* Any return code but KERN_SUCCESS declines, whatever it is called. */
CASE(every_failure_code_declines)
{
    static const kern_return_t codes[] = {KERN_FAILURE, KERN_INVALID_ARGUMENT, KERN_NOT_SUPPORTED, MIG_NO_REPLY, 1234567};
    for (size_t i = 0; i < RIG_COUNT(codes); i++) {
        struct kit thread, task;
        kit_start(&thread, KIT_DECLINE);
        kit_start(&task, KIT_SKIP);
        thread.answer = codes[i];
        task.length = DIVIDE_LENGTH;
        kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
        kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
        x_divide();
        CHECK_EQ_INT(kit_served(&thread), 1);
        CHECK_EQ_INT(kit_served(&task), 1);
        kit_stop(&thread);
        kit_stop(&task);
    }
}

/* The kernel takes MACH_RCV_PORT_DIED for its own reply port's death, hence for handled; a handler that answers with
 * that number is believed: no next level, the thread runs on and faults again. */
CASE(port_died_as_an_answer_counts_as_handled)
{
    struct kit thread, task;
    kit_start(&thread, KIT_DECLINE);
    kit_start(&task, KIT_DECLINE);
    thread.answer = MACH_RCV_PORT_DIED;
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
    x_int3(); /* its saved rip is behind it: running on is getting past */
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 0);
    kit_stop(&thread);
    kit_stop(&task);
}

struct other {
    struct kit *own; /* set at the thread's own level, if any */
    mach_msg_type_number_t entries;
};

static void *fault_in_another_thread(void *argument)
{
    struct other *other = argument;
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_THREAD, kit_thread(), EXC_MASK_ALL, &found));
    other->entries = found.count;
    if (other->own)
        kit_watch(other->own, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    return NULL;
}

CASE(new_thread_inherits_no_port)
{
    struct kit mine, own, task;
    kit_start(&mine, KIT_SKIP);
    kit_start(&own, KIT_SKIP);
    kit_start(&task, KIT_SKIP);
    mine.length = own.length = task.length = DIVIDE_LENGTH;
    kit_watch(&mine, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    for (int i = 0; i < 2; i++) {
        struct other other = {.own = i == 1 ? &own : NULL, .entries = 99};
        pthread_t thread;
        REQUIRE_EQ_INT(rig_thread_start(&thread, fault_in_another_thread, &other), 0);
        CHECK_ERROR_IS(rig_thread_join(thread), 0);
        CHECK_EQ_INT(other.entries, 0);
        CHECK_EQ_INT(kit_served(&task), 1); /* the first thread's; the second has a port of its own */
        CHECK_EQ_INT(kit_served(&own), i);
        CHECK_EQ_INT(kit_served(&mine), 0);
    }
    x_divide();
    CHECK_EQ_INT(kit_served(&mine), 1);
    kit_stop(&mine);
    kit_stop(&own);
    kit_stop(&task);
}
