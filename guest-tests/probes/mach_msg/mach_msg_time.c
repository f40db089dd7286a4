/* mach_msg_time.c - what messages cost. */
#include "letter.h"
#include "mach_memory.h"

enum { BIGGEST = 65536, QUIT = -1 };

/* Any request and its answer: inline bytes, or one descriptor. */
struct blob {
    mach_msg_base_t base; /* a simple one has its bytes from .body on */
    union {
        mach_msg_port_descriptor_t port;
        mach_msg_ool_descriptor_t memory;
        uint8_t bytes[BIGGEST];
    };
    mach_msg_max_trailer_t trailer;
};

/* ---- The other task ---------------------------------------------------------------------------------------------------- */

/* Lets go what came with a request, having touched each page of it. */
static void release(const struct blob *blob, mach_port_t task)
{
    if (blob->memory.type == MACH_MSG_PORT_DESCRIPTOR) {
        REQUIRE_QUIET(mach_port_deallocate(task, blob->port.name) == KERN_SUCCESS);
        return;
    }
    const volatile uint8_t *bytes = blob->memory.address;
    for (size_t i = 0; i < blob->memory.size; i += 4096)
        (void)bytes[i];
    REQUIRE_QUIET(mach_vm_deallocate(task, (mach_vm_address_t)(uintptr_t)blob->memory.address, blob->memory.size) == KERN_SUCCESS);
}

/* Receives have no timeout, which would be timed with them: that the parent died, however it did, comes as a message. */
static bool goes_on(const mach_msg_header_t *head) { return head->msgh_id != QUIT && head->msgh_id != MACH_NOTIFY_DEAD_NAME; }

static void watch_the_parent(const struct rig_partner *parent)
{
    mach_port_t previous = MACH_PORT_NULL;
    REQUIRE_KERN(rig_port_request_notification(rig_task(), parent->to, MACH_NOTIFY_DEAD_NAME, 0, parent->mine,
                                               MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous));
}

/* Answers until told to quit: to the reply port if there is one, else to the parent. A simple request comes back as long
 * as it is; a complex one is answered by a header. `from` is a port or a set. */
static void answer(mach_port_t from, mach_port_t parent)
{
    static struct blob blob;
    mach_port_t task = rig_task();
    mach_msg_header_t *head = &blob.base.header;
    mach_msg_return_t result = rig_msg(head, MACH_RCV_MSG, 0, sizeof blob, from, 0);
    while (result == MACH_MSG_SUCCESS && goes_on(head)) {
        mach_msg_size_t size = head->msgh_size;
        if (head->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
            release(&blob, task);
            size = sizeof *head;
        }
        if (MACH_PORT_VALID(head->msgh_remote_port))
            rig_msg_to(head, head->msgh_remote_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, 1, size);
        else
            rig_msg_to(head, parent, MACH_MSG_TYPE_COPY_SEND, 1, size);
        result = rig_msg(head, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof blob, from, 0);
    }
    CHECK_KERN(result, MACH_MSG_SUCCESS);
}

static void server(struct rig_partner *parent, void *arg)
{
    (void)arg;
    watch_the_parent(parent);
    answer(parent->mine, parent->to);
}

static void server_of_a_set(struct rig_partner *parent, void *arg)
{
    mach_port_t set = MACH_PORT_NULL;
    watch_the_parent(parent);
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    REQUIRE_KERN(mach_port_insert_member(rig_task(), parent->mine, set));
    for (int i = 1; i < *(int *)arg; i++)
        REQUIRE_KERN(mach_port_insert_member(rig_task(), rig_port(true), set));
    answer(set, parent->to);
}

static void swallow(struct rig_partner *parent, void *arg)
{
    static struct blob blob;
    (void)arg;
    watch_the_parent(parent);
    do
        REQUIRE_QUIET(rig_msg(&blob.base.header, MACH_RCV_MSG, 0, sizeof blob, parent->mine, 0) == MACH_MSG_SUCCESS);
    while (goes_on(&blob.base.header));
    LETTER_SEND(parent->to, 1);
}

static void quit(const struct rig_partner *partner)
{
    CHECK_KERN(letter_post(partner->to, QUIT, rig_msg_patience()), MACH_MSG_SUCCESS);
    CHECK_EXITED(partner->pid, 0);
}

/* ---- This one ------------------------------------------------------------------------------------------------------------ */

struct call {
    mach_port_t to, from;
    mach_msg_size_t size;                /* header included; of simple messages */
    mach_msg_ool_descriptor_t memory;    /* size > 0: sent with each */
    bool with_port, send_once;
    struct blob blob;
};

static void call_once(struct call *call)
{
    mach_msg_header_t *head = &call->blob.base.header;
    mach_msg_size_t size = call->size;
    if (call->with_port)
        size = (mach_msg_size_t)(sizeof call->blob.base + sizeof call->blob.port);
    else if (call->memory.size > 0)
        size = (mach_msg_size_t)(sizeof call->blob.base + sizeof call->blob.memory);
    rig_msg_to(head, call->to, MACH_MSG_TYPE_COPY_SEND, 1, size);
    if (call->send_once)
        rig_msg_reply_to(head, call->from, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    if (call->with_port || call->memory.size > 0) {
        rig_msg_complex(&call->blob.base, 1);
        if (call->with_port)
            call->blob.port = rig_port_item(call->from, MACH_MSG_TYPE_COPY_SEND);
        else
            call->blob.memory = call->memory;
    }
    REQUIRE_QUIET(rig_msg(head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, size, sizeof call->blob, call->from,
                          rig_msg_patience()) == MACH_MSG_SUCCESS);
}

static void call_op(void *context, unsigned long n)
{
    while (n-- > 0)
        call_once(context);
}

static void post_op(void *context, unsigned long n)
{
    struct call *call = context;
    mach_msg_header_t *head = &call->blob.base.header;
    while (n-- > 0) {
        rig_msg_to(head, call->to, MACH_MSG_TYPE_COPY_SEND, 1, call->size);
        REQUIRE_QUIET(rig_msg_send(head, rig_msg_patience()) == MACH_MSG_SUCCESS);
    }
}

static struct call call; /* too large for a stack */

/* A partner that answers, warmed up. */
static struct rig_partner start(void (*fn)(struct rig_partner *, void *), void *arg)
{
    struct rig_partner partner;
    rig_partner_start(&partner, fn, arg);
    memset(&call, 0, sizeof call);
    call.to = partner.to;
    call.from = partner.mine;
    call.size = sizeof(mach_msg_header_t);
    return partner;
}

static void time_calls(const char *name, uint64_t bytes)
{
    call_op(&call, 50);
    rig_time(name, bytes, call_op, &call);
}

CASE(time_round_trip, .deadline = 60)
{
    struct rig_partner partner = start(server, NULL);
    time_calls("round_trip", 0);
    quit(&partner);
}

CASE(time_round_trip_by_size, .deadline = 120)
{
    static const mach_msg_size_t sizes[] = {1024, 4096, 16384, BIGGEST};
    struct rig_partner partner = start(server, NULL);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        call.size = (mach_msg_size_t)sizeof(mach_msg_header_t) + sizes[i];
        time_calls("round_trip", sizes[i]);
    }
    quit(&partner);
}

CASE(time_send_once_reply, .deadline = 60)
{
    struct rig_partner partner = start(server, NULL);
    call.send_once = true;
    time_calls("round_trip", 0);
    quit(&partner);
}

CASE(time_port_descriptor, .deadline = 60)
{
    struct rig_partner partner = start(server, NULL);
    call.with_port = true;
    time_calls("round_trip", 0);
    quit(&partner);
    CHECK_EQ_INT(refs(call.from, MACH_PORT_RIGHT_SEND), 1); /* none was left over */
}

CASE(time_memory_by_size, .deadline = 120)
{
    static const size_t sizes[] = {4096, 65536, 1 << 20};
    struct rig_partner partner = start(server, NULL);
    uint8_t *bytes = pages(1 << 20, 1);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        call.memory = rig_memory_item(bytes, sizes[i], false, MACH_MSG_VIRTUAL_COPY);
        time_calls("round_trip", sizes[i]);
    }
    quit(&partner);
}

CASE(time_set_receive, .deadline = 60)
{
    int members = 64;
    struct rig_partner partner = start(server_of_a_set, &members);
    time_calls("round_trip", 0);
    quit(&partner);
}

CASE(time_oneway, .deadline = 60)
{
    struct rig_partner partner = start(swallow, NULL);
    rig_time("oneway", 0, post_op, &call);
    quit(&partner);
}

CASE(time_throughput, .deadline = 120)
{
    static const mach_msg_size_t sizes[] = {1024, 16384, BIGGEST};
    struct rig_partner partner = start(swallow, NULL);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        call.size = (mach_msg_size_t)sizeof(mach_msg_header_t) + sizes[i];
        rig_time_rate("throughput", sizes[i], post_op, &call);
    }
    quit(&partner);
}

CASE(time_memory_throughput, .deadline = 120)
{
    static const size_t sizes[] = {65536, 1 << 20};
    struct rig_partner partner = start(server, NULL);
    uint8_t *bytes = pages(1 << 20, 1);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        call.memory = rig_memory_item(bytes, sizes[i], false, MACH_MSG_VIRTUAL_COPY);
        call_op(&call, 10);
        rig_time_rate("throughput", sizes[i], call_op, &call);
    }
    quit(&partner);
}

/* No switch of tasks: what the calls alone cost. */
CASE(time_within_one_task, .deadline = 60)
{
    memset(&call, 0, sizeof call);
    call.to = call.from = rig_port(true);
    call.size = sizeof(mach_msg_header_t);
    time_calls("send_and_receive", 0);
    NO_LETTER(call.from);
}

static void receive_nothing(void *context, unsigned long n)
{
    struct call *empty = context;
    while (n-- > 0)
        REQUIRE_QUIET(rig_msg_receive(&empty->blob.base.header, sizeof empty->blob, empty->from, 0) == MACH_RCV_TIMED_OUT);
}

CASE(time_empty_receive, .deadline = 60)
{
    memset(&call, 0, sizeof call);
    call.from = rig_port(true);
    rig_time("receive_nothing", 0, receive_nothing, &call);
}
