/* mach_exc_messages.c - see mach_exc_messages.h. */
#include "mach_exc_messages.h"

#ifdef __APPLE__

enum { RAISE = 2401, MACH_RAISE = 2405 }; /* osfmk/mach/exc.defs, mach_exc.defs: default, state, state with identity */

/* Room for the longest form; read and written piece by piece, for the codes and the state have variable lengths. */
struct message {
    mach_msg_header_t head;
    char rest[256 + sizeof(natural_t) * THREAD_STATE_MAX + MAX_TRAILER_SIZE];
};

struct cursor {
    char *at;
    char *end;
    bool bad;
};

static void take(struct cursor *c, void *to, size_t size)
{
    if (c->bad || (size_t)(c->end - c->at) < size) {
        c->bad = true;
        memset(to, 0, size);
        return;
    }
    memcpy(to, c->at, size);
    c->at += size;
}

static void give(struct cursor *c, const void *from, size_t size)
{
    if (c->bad || (size_t)(c->end - c->at) < size) {
        c->bad = true;
        return;
    }
    memcpy(c->at, from, size);
    c->at += size;
}

static void give_int(struct cursor *c, int value) { give(c, &value, sizeof value); }

static int form(exception_behavior_t behavior) { return (int)((unsigned)behavior & ~MACH_EXCEPTION_CODES); }

static bool is_wide(exception_behavior_t behavior) { return ((unsigned)behavior & MACH_EXCEPTION_CODES) != 0; }

mach_msg_id_t rig_exc_id(exception_behavior_t behavior)
{
    return (is_wide(behavior) ? MACH_RAISE : RAISE) + form(behavior) - EXCEPTION_DEFAULT;
}

static bool decode(struct message *m, struct rig_exception *e)
{
    mach_msg_id_t base = m->head.msgh_id >= MACH_RAISE ? MACH_RAISE : RAISE;
    e->behavior = m->head.msgh_id - base + EXCEPTION_DEFAULT;
    bool wide = base == MACH_RAISE, identity = e->behavior != EXCEPTION_STATE;
    if (wide)
        e->behavior = RIG_EXC_WIDE(e->behavior);
    struct cursor c = {m->rest, (char *)&m->head + m->head.msgh_size, false};
    if (identity != ((m->head.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0))
        return false;
    if (identity) {
        mach_msg_body_t body;
        mach_msg_port_descriptor_t thread, task;
        take(&c, &body, sizeof body);
        take(&c, &thread, sizeof thread);
        take(&c, &task, sizeof task);
        if (c.bad || body.msgh_descriptor_count != 2)
            return false;
        e->thread = thread.name;
        e->task = task.name;
    }
    NDR_record_t ndr;
    take(&c, &ndr, sizeof ndr);
    take(&c, &e->type, sizeof e->type);
    take(&c, &e->code_count, sizeof e->code_count);
    if (e->code_count > 2)
        return false;
    for (mach_msg_type_number_t i = 0; i < e->code_count; i++) {
        int narrow = 0;
        if (wide) {
            take(&c, &e->code[i], sizeof e->code[i]);
        } else {
            take(&c, &narrow, sizeof narrow);
            e->code[i] = narrow;
        }
    }
    if (form(e->behavior) != EXCEPTION_DEFAULT) {
        take(&c, &e->flavor, sizeof e->flavor);
        take(&c, &e->state_count, sizeof e->state_count);
        if (e->state_count > THREAD_STATE_MAX)
            return false;
        take(&c, e->state, e->state_count * sizeof *e->state);
    }
    return !c.bad && c.at == c.end;
}

kern_return_t rig_exc_receive(mach_port_t port, double seconds, struct rig_exception *e)
{
    struct message m;
    memset(e, 0, sizeof *e);
    mach_msg_return_t result = rig_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof m, port,
                                       (mach_msg_timeout_t)(rig_patience(seconds) * 1000));
    if (result != MACH_MSG_SUCCESS)
        return result;
    mach_msg_id_t id = m.head.msgh_id;
    if (!(id >= RAISE && id < RAISE + 3) && !(id >= MACH_RAISE && id < MACH_RAISE + 3)) {
        mach_msg_destroy(&m.head);
        return MIG_BAD_ID;
    }
    if (!decode(&m, e)) {
        mach_msg_destroy(&m.head);
        return MIG_TYPE_ERROR;
    }
    e->reply = m.head.msgh_remote_port;
    e->port = m.head.msgh_local_port;
    e->size = m.head.msgh_size;
    return KERN_SUCCESS;
}

static void release_identity(struct rig_exception *e)
{
    if (e->thread != MACH_PORT_NULL)
        mach_port_deallocate(rig_task(), e->thread);
    if (e->task != MACH_PORT_NULL)
        mach_port_deallocate(rig_task(), e->task);
    e->thread = e->task = MACH_PORT_NULL;
}

void rig_exc_drop(struct rig_exception *e)
{
    release_identity(e);
    if (e->reply != MACH_PORT_NULL)
        mach_port_deallocate(rig_task(), e->reply);
    e->reply = MACH_PORT_NULL;
}

kern_return_t rig_exc_answer(struct rig_exception *e, kern_return_t code)
{
    struct message m;
    memset(&m.head, 0, sizeof m.head);
    struct cursor c = {m.rest, m.rest + sizeof m.rest, false};
    give(&c, &NDR_record, sizeof NDR_record);
    give_int(&c, code);
    if (code == KERN_SUCCESS && form(e->behavior) != EXCEPTION_DEFAULT) {
        give_int(&c, e->flavor);
        give_int(&c, (int)e->state_count);
        give(&c, e->state, e->state_count * sizeof *e->state);
    }
    m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
    m.head.msgh_remote_port = e->reply;
    m.head.msgh_id = rig_exc_id(e->behavior) + 100;
    m.head.msgh_size = (mach_msg_size_t)(c.at - (char *)&m);
    release_identity(e);
    mach_msg_return_t result = c.bad ? MIG_ARRAY_TOO_LARGE
                                     : rig_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, m.head.msgh_size, 0,
                                               MACH_PORT_NULL, (mach_msg_timeout_t)(rig_patience(5) * 1000));
    if (result == MACH_MSG_SUCCESS)
        e->reply = MACH_PORT_NULL;
    return result;
}

/* The message of an exception, without its header's ports. */
static bool encode(const struct rig_exception *e, struct message *m)
{
    memset(&m->head, 0, sizeof m->head);
    struct cursor c = {m->rest, m->rest + sizeof m->rest, false};
    if (form(e->behavior) != EXCEPTION_STATE) {
        mach_msg_body_t body = {2};
        mach_msg_port_descriptor_t port;
        memset(&port, 0, sizeof port);
        port.disposition = MACH_MSG_TYPE_COPY_SEND;
        port.type = MACH_MSG_PORT_DESCRIPTOR;
        give(&c, &body, sizeof body);
        port.name = e->thread;
        give(&c, &port, sizeof port);
        port.name = e->task;
        give(&c, &port, sizeof port);
        m->head.msgh_bits = MACH_MSGH_BITS_COMPLEX;
    }
    give(&c, &NDR_record, sizeof NDR_record);
    give_int(&c, e->type);
    give_int(&c, (int)e->code_count);
    for (mach_msg_type_number_t i = 0; i < e->code_count && i < 2; i++) {
        if (is_wide(e->behavior))
            give(&c, &e->code[i], sizeof e->code[i]);
        else
            give_int(&c, (int)e->code[i]);
    }
    if (form(e->behavior) != EXCEPTION_DEFAULT) {
        give_int(&c, e->flavor);
        give_int(&c, (int)e->state_count);
        give(&c, e->state, e->state_count * sizeof *e->state);
    }
    m->head.msgh_id = rig_exc_id(e->behavior);
    m->head.msgh_size = (mach_msg_size_t)(c.at - (char *)m);
    return !c.bad;
}

kern_return_t rig_exc_forward(struct rig_exception *e, mach_port_t to)
{
    struct message m;
    if (!encode(e, &m))
        return MIG_ARRAY_TOO_LARGE;
    m.head.msgh_bits |= MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    m.head.msgh_remote_port = to;
    m.head.msgh_local_port = e->reply;
    mach_msg_return_t result = rig_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, m.head.msgh_size, 0, MACH_PORT_NULL,
                                       (mach_msg_timeout_t)(rig_patience(5) * 1000));
    if (result != MACH_MSG_SUCCESS)
        return result;
    e->reply = MACH_PORT_NULL;
    release_identity(e);
    return KERN_SUCCESS;
}

kern_return_t rig_exc_raise(struct rig_exception *e, mach_port_t to)
{
    struct message request;
    struct message reply;
    if (!encode(e, &request))
        return MIG_ARRAY_TOO_LARGE;
    memset(&reply, 0, sizeof reply);
    kern_return_t result = rig_mig(to, rig_exc_id(e->behavior), &request.head, request.head.msgh_size, &reply.head,
                                   sizeof reply);
    if (result != KERN_SUCCESS || form(e->behavior) == EXCEPTION_DEFAULT)
        return result;
    struct cursor c = {reply.rest, (char *)&reply.head + reply.head.msgh_size, false};
    NDR_record_t ndr;
    int code = 0;
    take(&c, &ndr, sizeof ndr);
    take(&c, &code, sizeof code);
    take(&c, &e->flavor, sizeof e->flavor);
    take(&c, &e->state_count, sizeof e->state_count);
    if (e->state_count > THREAD_STATE_MAX)
        return MIG_TYPE_ERROR;
    take(&c, e->state, e->state_count * sizeof *e->state);
    return c.bad ? MIG_TYPE_ERROR : code;
}

#endif
