/* raise.c - see raise.h. Message layouts and numbers: xnu osfmk/mach/mach_exc.defs (from 2405), exc.defs (from 2401) and
 * host_priv.defs (415), the same in 4570 and 7195. */
#include "raise.h"

#include "mach_threads.h"

#include <mach/host_priv.h>

RIG_MAKE_WEAK(host_get_exception_ports);

#define CODES 2

#pragma pack(push, 4)
struct answer {
    mig_reply_error_t error;
    char room[2048]; /* a state may come back */
};
#pragma pack(pop)

kern_return_t raise_find_port(exception_type_t exception, mach_port_t *port)
{
    exception_mask_t mask = 1u << exception, masks[EXC_TYPES_COUNT];
    mach_msg_type_number_t count = EXC_TYPES_COUNT;
    mach_port_t ports[EXC_TYPES_COUNT] = {MACH_PORT_NULL};
    exception_behavior_t behaviors[EXC_TYPES_COUNT];
    thread_state_flavor_t flavors[EXC_TYPES_COUNT];
    if (RIG_HAVE(host_get_exception_ports)) {
        kern_return_t result =
            host_get_exception_ports(mach_host_self(), mask, masks, &count, ports, behaviors, flavors);
        if (result == KERN_SUCCESS)
            *port = ports[0];
        return result;
    }
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        exception_mask_t mask;
    } request = {.ndr = NDR_record, .mask = mask};
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t ports[32];
        char rest[600];
    } reply;
#pragma pack(pop)
    kern_return_t result = rig_mig(mach_host_self(), 415, &request.head, sizeof request, &reply.head, sizeof reply);
    if (result == KERN_SUCCESS)
        *port = reply.ports[0].name;
    return result;
}

/* Asked once for each type and process. */
static mach_port_t handler_of(exception_type_t exception)
{
    static pid_t whose;
    static mach_port_t port;
    (void)exception;
    if (whose != getpid()) {
        REQUIRE_KERN(raise_find_port(EXC_EMULATION, &port)); /* all types go to the same */
        REQUIRE(port != MACH_PORT_NULL && port != MACH_PORT_DEAD);
        whose = getpid();
    }
    return port;
}

static mach_msg_port_descriptor_t send_right(mach_port_t name)
{
    return (mach_msg_port_descriptor_t){
        .name = name, .disposition = MACH_MSG_TYPE_COPY_SEND, .type = MACH_MSG_PORT_DESCRIPTOR};
}

kern_return_t raise_at(const struct raise_target *target, exception_type_t exception, int64_t code, int64_t subcode)
{
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t thread, task;
        NDR_record_t ndr;
        exception_type_t exception;
        mach_msg_type_number_t count;
        int64_t codes[CODES];
    } request = {.head.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                 .body.msgh_descriptor_count = 2,
                 .thread = send_right(target->thread),
                 .task = send_right(target->task),
                 .ndr = NDR_record,
                 .exception = exception,
                 .count = CODES,
                 .codes = {code, subcode}};
#pragma pack(pop)
    struct answer answer;
    return rig_mig(handler_of(exception), 2405, &request.head, sizeof request, &answer.error.Head, sizeof answer);
}

kern_return_t raise_here(exception_type_t exception, int64_t code, int64_t subcode)
{
    struct raise_target self = {.thread = mach_thread_self(), .task = rig_task()};
    kern_return_t result = raise_at(&self, exception, code, subcode);
    mach_port_deallocate(rig_task(), self.thread);
    return result;
}

kern_return_t raise_narrow(exception_type_t exception, int code, int subcode)
{
    mach_port_t thread = mach_thread_self();
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t thread, task;
        NDR_record_t ndr;
        exception_type_t exception;
        mach_msg_type_number_t count;
        int32_t codes[CODES];
    } request = {.head.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                 .body.msgh_descriptor_count = 2,
                 .thread = send_right(thread),
                 .task = send_right(rig_task()),
                 .ndr = NDR_record,
                 .exception = exception,
                 .count = CODES,
                 .codes = {code, subcode}};
#pragma pack(pop)
    struct answer answer;
    kern_return_t result =
        rig_mig(handler_of(exception), 2401, &request.head, sizeof request, &answer.error.Head, sizeof answer);
    mach_port_deallocate(rig_task(), thread);
    return result;
}

/* What the two forms with a state have behind their codes. */
#pragma pack(push, 4)
struct state {
    int flavor;
    mach_msg_type_number_t count;
    natural_t words[x86_THREAD_STATE64_COUNT];
};
#pragma pack(pop)
static const struct state some_state = {.flavor = x86_THREAD_STATE64, .count = x86_THREAD_STATE64_COUNT};

kern_return_t raise_with_state(exception_type_t exception, int64_t code, int64_t subcode)
{
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        NDR_record_t ndr;
        exception_type_t exception;
        mach_msg_type_number_t count;
        int64_t codes[CODES];
        struct state state;
    } request = {.ndr = NDR_record,
                 .exception = exception,
                 .count = CODES,
                 .codes = {code, subcode},
                 .state = some_state};
#pragma pack(pop)
    struct answer answer;
    return rig_mig(handler_of(exception), 2406, &request.head, sizeof request, &answer.error.Head, sizeof answer);
}

kern_return_t raise_with_state_and_identity(exception_type_t exception, int64_t code, int64_t subcode)
{
    mach_port_t thread = mach_thread_self();
#pragma pack(push, 4)
    struct {
        mach_msg_header_t head;
        mach_msg_body_t body;
        mach_msg_port_descriptor_t thread, task;
        NDR_record_t ndr;
        exception_type_t exception;
        mach_msg_type_number_t count;
        int64_t codes[CODES];
        struct state state;
    } request = {.head.msgh_bits = MACH_MSGH_BITS_COMPLEX,
                 .body.msgh_descriptor_count = 2,
                 .thread = send_right(thread),
                 .task = send_right(rig_task()),
                 .ndr = NDR_record,
                 .exception = exception,
                 .count = CODES,
                 .codes = {code, subcode},
                 .state = some_state};
#pragma pack(pop)
    struct answer answer;
    kern_return_t result =
        rig_mig(handler_of(exception), 2407, &request.head, sizeof request, &answer.error.Head, sizeof answer);
    mach_port_deallocate(rig_task(), thread);
    return result;
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
