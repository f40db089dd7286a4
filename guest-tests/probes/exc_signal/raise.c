/* raise.c - see raise.h. */
#include "raise.h"

#include "mach_threads.h"

kern_return_t raise_find_port(mach_port_t *port)
{
    struct rig_exc_ports found;
    kern_return_t result = rig_exc_get(RIG_EXC_HOST, mach_host_self(), EXC_MASK_EMULATION, &found);
    int entry = result == KERN_SUCCESS ? rig_exc_entry(&found, EXC_EMULATION) : -1;
    *port = entry >= 0 ? found.ports[entry] : MACH_PORT_NULL;
    return result;
}

/* Asked once in each process. All types go to the same (xnu bsd/kern/bsd_init.c bsdinit_task, EXC_MASK_ALL but for
 * EXC_MASK_RPC_ALERT). */
static mach_port_t handler(void)
{
    static pid_t whose;
    static mach_port_t port;
    if (whose != getpid()) {
        REQUIRE_KERN(raise_find_port(&port));
        REQUIRE(MACH_PORT_VALID(port));
        whose = getpid();
    }
    return port;
}

kern_return_t raise_form(exception_behavior_t form, const struct raise_target *target, exception_type_t exception,
                         int64_t code, int64_t subcode)
{
    struct rig_exception message = {.behavior = form,
                                    .type = exception,
                                    .code_count = 2,
                                    .code = {code, subcode},
                                    .thread = target->thread,
                                    .task = target->task};
    if ((form & ~(exception_behavior_t)MACH_EXCEPTION_CODES) != EXCEPTION_DEFAULT) {
        message.flavor = x86_THREAD_STATE64;
        message.state_count = x86_THREAD_STATE64_COUNT;
    }
    return rig_exc_raise(&message, handler());
}

kern_return_t raise_at(const struct raise_target *target, exception_type_t exception, int64_t code, int64_t subcode)
{
    return raise_form(RIG_EXC_WIDE(EXCEPTION_DEFAULT), target, exception, code, subcode);
}

kern_return_t raise_form_here(exception_behavior_t form, exception_type_t exception, int64_t code, int64_t subcode)
{
    struct raise_target self = {.thread = mach_thread_self(), .task = rig_task()};
    kern_return_t result = raise_form(form, &self, exception, code, subcode);
    mach_port_deallocate(rig_task(), self.thread);
    return result;
}

kern_return_t raise_here(exception_type_t exception, int64_t code, int64_t subcode)
{
    return raise_form_here(RIG_EXC_WIDE(EXCEPTION_DEFAULT), exception, code, subcode);
}

static void do_nothing(void *arg)
{
    rig_gate_pass((struct rig_gate *)arg);
    for (;;)
        rig_sleep_ms(10);
}

pid_t raise_idle_child(void)
{
    struct rig_gate ready;
    rig_gate_init(&ready);
    pid_t child = rig_spawn(do_nothing, &ready);
    rig_gate_wait(&ready);
    rig_gate_close(&ready);
    return child;
}

struct raise_target raise_target_of(pid_t child)
{
    struct raise_target target = {.task = rig_task_of(child)};
    REQUIRE_EQ_INT(rig_count_threads(target.task, &target.thread), 1);
    return target;
}

void raise_release(struct raise_target *target)
{
    mach_port_deallocate(rig_task(), target->thread);
    mach_port_deallocate(rig_task(), target->task);
}
