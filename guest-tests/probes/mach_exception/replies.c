/* replies.c - answers that are no answers: the kernel must take each for a failure, ask the next level, and live on. */
#include "kit.h"

/* A reply to a message of the form WIDE_DEFAULT or WIDE_STATE, to be spoiled. */
struct reply {
    mach_msg_header_t head;
    union {
        struct {
            NDR_record_t ndr;
            kern_return_t code;
            int flavor;
            mach_msg_type_number_t count;
            natural_t state[THREAD_STATE_MAX + 64];
        } plain;
        struct {
            mach_msg_body_t body;
            mach_msg_port_descriptor_t port;
            NDR_record_t ndr;
            kern_return_t code;
        } with_port;
        struct {
            mach_msg_body_t body;
            mach_msg_ool_descriptor_t memory;
            NDR_record_t ndr;
            kern_return_t code;
        } with_memory;
        char bytes[70000];
    } u;
};
enum { PLAIN_SIZE = sizeof(mach_msg_header_t) + sizeof(NDR_record_t) + sizeof(kern_return_t) };

typedef void spoiler(struct reply *r, const struct rig_exception *e);

struct spoiled {
    spoiler *spoil;
    kern_return_t sent;
};

static kern_return_t send_spoiled(struct rig_exception *e, void *argument)
{
    static struct reply r;
    struct spoiled *s = argument;
    memset(&r, 0, sizeof r);
    r.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
    r.head.msgh_remote_port = e->reply;
    r.head.msgh_id = rig_exc_id(e->behavior) + 100;
    r.head.msgh_size = PLAIN_SIZE;
    r.u.plain.ndr = NDR_record;
    r.u.plain.code = KERN_SUCCESS;
    s->spoil(&r, e);
    s->sent = rig_msg(&r.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, r.head.msgh_size, 0, MACH_PORT_NULL, 1000);
    if (s->sent == MACH_MSG_SUCCESS)
        e->reply = MACH_PORT_NULL;
    rig_exc_drop(e);
    return RIG_EXC_KEPT;
}

/* The spoiled answer comes from the thread's handler; the task's then is asked, and believed. */
static void check_spoiled_times(spoiler *spoil, exception_behavior_t behavior, int times)
{
    struct rig_exc_handler thread;
    struct kit task;
    struct spoiled spoiled = {.spoil = spoil, .sent = -1};
    rig_exc_start(&thread, send_spoiled, &spoiled);
    kit_start(&task, KIT_RESUME);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, thread.port, behavior, x86_THREAD_STATE64));
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BREAKPOINT, WIDE_DEFAULT);
    rig_catch(SIGTRAP, 0);
    for (int i = 0; i < times; i++)
        x_int3();
    CHECK_EQ_INT(rig_caught(SIGTRAP), 0);
    CHECK_KERN(spoiled.sent, MACH_MSG_SUCCESS); /* it did go out as spoiled */
    CHECK_EQ_INT(thread.served, times);
    CHECK_EQ_INT(kit_served(&task), times);
    rig_exc_stop(&thread);
    kit_stop(&task);
}

/* Several times: what one leaks or breaks may show at the next. */
static void check_spoiled(spoiler *spoil, exception_behavior_t behavior) { check_spoiled_times(spoil, behavior, 5); }

/* For replies longer than the kernel has room for. 7195 destroys such a one with the right it came by, which puts a
 * notification into the thread's own reply port; that is then taken for the answer of the next level, so that the task's
 * handler is asked but not heard, and the signal comes (osfmk/kern/ipc_mig.c kernel_mach_msg_rpc). 4570 cuts it short. */
static void check_oversized(spoiler *spoil, exception_behavior_t behavior) { check_spoiled_times(spoil, behavior, 1); }

static void nothing(struct reply *r, const struct rig_exception *e)
{
    (void)r;
    (void)e;
}

/* The yardstick: unspoiled, the same reply is taken, and the task is not asked. */
CASE(reply_by_hand_is_taken)
{
    struct rig_exc_handler thread;
    struct spoiled plain = {.spoil = nothing, .sent = -1};
    rig_exc_start(&thread, send_spoiled, &plain);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_THREAD, kit_thread(), EXC_MASK_BREAKPOINT, thread.port, WIDE_DEFAULT, 0));
    rig_catch(SIGTRAP, 0);
    x_int3();
    CHECK_EQ_INT(thread.served, 1);
    CHECK_EQ_INT(rig_caught(SIGTRAP), 0);
    rig_exc_stop(&thread);
}

static void wrong_id(struct reply *r, const struct rig_exception *e) { r->head.msgh_id++, (void)e; }
CASE(reply_with_a_wrong_id) { check_spoiled(wrong_id, WIDE_DEFAULT); }

static void request_id(struct reply *r, const struct rig_exception *e) { r->head.msgh_id -= 100, (void)e; }
CASE(reply_with_the_request_id) { check_spoiled(request_id, WIDE_DEFAULT); }

static void notification_id(struct reply *r, const struct rig_exception *e)
{
    (void)e;
    r->head.msgh_id = 0107; /* MACH_NOTIFY_SEND_ONCE: what the kernel itself sends when the right dies */
    r->head.msgh_size = sizeof r->head;
}
CASE(reply_like_a_notification) { check_spoiled(notification_id, WIDE_DEFAULT); }

static void header_only(struct reply *r, const struct rig_exception *e) { r->head.msgh_size = sizeof r->head, (void)e; }
CASE(reply_of_a_header_only) { check_spoiled(header_only, WIDE_DEFAULT); }

static void one_word_more(struct reply *r, const struct rig_exception *e) { r->head.msgh_size += 4, (void)e; }
CASE(reply_one_word_too_long) { check_spoiled(one_word_more, WIDE_DEFAULT); }

static void one_word_less(struct reply *r, const struct rig_exception *e) { r->head.msgh_size -= 4, (void)e; }
CASE(reply_one_word_too_short) { check_spoiled(one_word_less, WIDE_DEFAULT); }

static void huge(struct reply *r, const struct rig_exception *e) { r->head.msgh_size = 65536, (void)e; }
CASE(reply_far_too_long) { check_oversized(huge, WIDE_DEFAULT); }

static void with_port(struct reply *r, const struct rig_exception *e)
{
    memset(&r->u, 0, sizeof r->u.with_port);
    r->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    r->head.msgh_size = sizeof r->head + sizeof r->u.with_port;
    r->u.with_port.body.msgh_descriptor_count = 1;
    r->u.with_port.port.name = e->port;
    r->u.with_port.port.disposition = MACH_MSG_TYPE_MAKE_SEND;
    r->u.with_port.port.type = MACH_MSG_PORT_DESCRIPTOR;
    r->u.with_port.ndr = NDR_record;
}
CASE(reply_that_carries_a_right) { check_oversized(with_port, WIDE_DEFAULT); }

static void with_memory(struct reply *r, const struct rig_exception *e)
{
    static char page[4096];
    (void)e;
    memset(&r->u, 0, sizeof r->u.with_memory);
    r->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    r->head.msgh_size = sizeof r->head + sizeof r->u.with_memory;
    r->u.with_memory.body.msgh_descriptor_count = 1;
    r->u.with_memory.memory.address = page;
    r->u.with_memory.memory.size = sizeof page;
    r->u.with_memory.memory.copy = MACH_MSG_VIRTUAL_COPY;
    r->u.with_memory.memory.type = MACH_MSG_OOL_DESCRIPTOR;
    r->u.with_memory.ndr = NDR_record;
}
CASE(reply_that_carries_memory) { check_oversized(with_memory, WIDE_DEFAULT); }

static void empty_complex(struct reply *r, const struct rig_exception *e)
{
    (void)e;
    memset(&r->u, 0, sizeof r->u.with_port);
    r->head.msgh_bits |= MACH_MSGH_BITS_COMPLEX; /* a body with no descriptor */
}
CASE(reply_with_the_complex_bit) { check_spoiled(empty_complex, WIDE_DEFAULT); }

static void with_reply_port(struct reply *r, const struct rig_exception *e)
{
    r->head.msgh_local_port = e->port;
    r->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
}
CASE(reply_that_wants_a_reply) { check_spoiled(with_reply_port, WIDE_DEFAULT); }

/* ---- With a state ------------------------------------------------------------------------------------------------- */

static void state_of(struct reply *r, const struct rig_exception *e, mach_msg_type_number_t told, size_t sent)
{
    r->u.plain.flavor = e->flavor;
    r->u.plain.count = told;
    memcpy(r->u.plain.state, e->state, e->state_count * sizeof *e->state);
    r->head.msgh_size = (mach_msg_size_t)(PLAIN_SIZE + 8 + sent * sizeof(natural_t));
}

static void no_state(struct reply *r, const struct rig_exception *e) { (void)r, (void)e; }
CASE(state_reply_without_a_state) { check_spoiled(no_state, WIDE_STATE); }

static void count_too_high(struct reply *r, const struct rig_exception *e) { state_of(r, e, e->state_count + 8, e->state_count); }
CASE(state_reply_that_tells_more_than_it_sends) { check_spoiled(count_too_high, WIDE_STATE); }

static void count_too_low(struct reply *r, const struct rig_exception *e) { state_of(r, e, e->state_count - 8, e->state_count); }
CASE(state_reply_that_tells_less_than_it_sends) { check_spoiled(count_too_low, WIDE_STATE); }

static void count_huge(struct reply *r, const struct rig_exception *e) { state_of(r, e, 0x40000001, e->state_count); }
CASE(state_reply_whose_count_overflows) { check_spoiled(count_huge, WIDE_STATE); }

static void longer_than_any_state(struct reply *r, const struct rig_exception *e)
{
    state_of(r, e, THREAD_STATE_MAX + 32, THREAD_STATE_MAX + 32);
}
CASE(state_reply_longer_than_any_state) { check_oversized(longer_than_any_state, WIDE_STATE); }
