/* death.c - handlers that die, before, while and after they are asked, and faulting tasks that die while they wait. */
#include "kit.h"

static void divide(void *arg)
{
    (void)arg;
    x_divide();
}

CASE(port_dead_before_the_fault)
{
    struct kit task;
    mach_port_t dead = rig_port(true);
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_ARITHMETIC, dead, WIDE_DEFAULT, 0));
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), dead, MACH_PORT_RIGHT_RECEIVE, -1));
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE); /* now both are dead */
}

/* The reply right is destroyed unanswered: the kernel's client gets the send-once notification in its reply's place. */
CASE(reply_right_destroyed_is_passed_on)
{
    struct kit thread, task;
    kit_start(&thread, KIT_DROP);
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    kit_watch(&thread, RIG_EXC_THREAD, EXC_MASK_ARITHMETIC, WIDE_IDENTITY);
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    x_divide();
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&thread);
    kit_stop(&task);
}

struct waiting {
    mach_port_t port;
    volatile int passed;
};

static void *divide_at_own_port(void *argument)
{
    struct waiting *w = argument;
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_ARITHMETIC, w->port, WIDE_DEFAULT, 0));
    x_divide();
    w->passed = 1;
    return NULL;
}

static bool queued(mach_port_t port, unsigned count)
{
    for (int i = 0; i < 200; i++) {
        if (rig_port_status(port).mps_msgcount >= count)
            return true;
        rig_sleep_ms(5);
    }
    return false;
}

CASE(port_dies_with_the_exception_queued)
{
    struct waiting w = {.port = rig_port(true)};
    struct kit task;
    pthread_t thread;
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ARITHMETIC, WIDE_DEFAULT);
    REQUIRE_EQ_INT(rig_thread_start(&thread, divide_at_own_port, &w), 0);
    REQUIRE(queued(w.port, 1));
    CHECK_EQ_INT(w.passed, 0);
    CHECK_EQ_INT(kit_served(&task), 0);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), w.port, MACH_PORT_RIGHT_RECEIVE, -1));
    CHECK_ERROR_IS(rig_thread_join(thread), 0);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
}

/* Destroying the port after the message was received changes nothing: the reply right lives on its own. */
static kern_return_t lose_the_port(struct rig_exception *e, void *argument)
{
    kern_return_t *result = argument;
    *result = mach_port_mod_refs(rig_task(), e->port, MACH_PORT_RIGHT_RECEIVE, -1);
    return kit_skip(e, DIVIDE_LENGTH);
}

CASE(answer_after_the_port_died_counts)
{
    struct waiting w = {.port = rig_port(true)};
    kern_return_t result = -1;
    pthread_t thread;
    REQUIRE_EQ_INT(rig_thread_start(&thread, divide_at_own_port, &w), 0);
    CHECK_EQ_INT(rig_exc_serve(w.port, lose_the_port, &result, 0, 5), 1);
    CHECK_KERN(result, KERN_SUCCESS);
    CHECK_ERROR_IS(rig_thread_join(thread), 0);
    CHECK_EQ_INT(w.passed, 1);
}

/* ---- A handler in another task ---------------------------------------------------------------------------------- */

/* In the partner: one exception received, and it is gone without a word. */
static void die_on_duty(mach_port_t port, void *argument)
{
    struct rig_exception e;
    kit_receive(port, &e);
    rig_gate_pass((struct rig_gate *)argument);
    _exit(0);
}

static void never_look(mach_port_t port, void *argument)
{
    (void)port;
    (void)argument;
    for (;;)
        pause();
}

CASE(handler_task_dies_while_handling)
{
    struct rig_gate received;
    mach_port_t port;
    rig_gate_init(&received);
    pid_t child = kit_partner(die_on_duty, &received, &port);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, port, WIDE_IDENTITY, x86_THREAD_STATE64));
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE);
    CHECK(rig_gate_was_passed(&received)); /* it had the exception in its hands */
    CHECK_EXITED(child, 0);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE); /* and now is not asked any more */
}

static void *kill_later(void *argument)
{
    rig_sleep_ms(200);
    kill(*(pid_t *)argument, SIGKILL);
    return NULL;
}

/* It never receives: the exception stays in its queue until it is killed. */
CASE(handler_task_killed_before_it_receives)
{
    mach_port_t port;
    pthread_t killer;
    pid_t child = kit_partner(never_look, NULL, &port);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ARITHMETIC, port, WIDE_DEFAULT, 0));
    REQUIRE_EQ_INT(rig_thread_start(&killer, kill_later, &child), 0);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE);
    CHECK_ERROR_IS(rig_thread_join(killer), 0);
    CHECK_KILLED_BY(child, SIGKILL);
}

/* ---- A faulting task that dies --------------------------------------------------------------------------------- */

static void store(void *address) { x_store(address); }

/* Kills a child whose exception waits, and returns how it ended. */
static int kill_waiting(void (*fault)(void *), void *argument)
{
    struct rig_exception e;
    mach_port_t port = rig_port(true);
    pid_t child = kit_spawn_watched(port, EXC_MASK_ARITHMETIC | EXC_MASK_BAD_ACCESS, WIDE_IDENTITY, fault, argument);
    kit_receive(port, &e);
    REQUIRE_OK(kill(child, SIGKILL));
    int status = rig_join(child);
    CHECK_EQ_INT(rig_port_type(e.thread), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ_INT(rig_port_type(e.task), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ_INT(rig_port_type(e.reply), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), MACH_SEND_INVALID_DEST);
    return status;
}

CASE(waiting_task_can_be_killed) { CHECK_EQ_STR(rig_status_name(kill_waiting(store, kit_hole())), "SIGKILL"); }

/* The kill ends the wait as a failure, so the exception goes on to become its signal after all; of two pending signals
 * the one with the lower number is taken: SIGFPE is 8, SIGKILL 9. Up to Darwin 17 the Unix handler is a thread of its
 * own, so that its signal may come too late. */
CASE(killed_task_may_end_by_the_fault)
{
    const char *end = rig_status_name(kill_waiting(divide, NULL));
    CHECK(rig_streq(end, "SIGFPE") || rig_streq(end, "SIGKILL"));
    FACT_STR("ended_by", end);
}
