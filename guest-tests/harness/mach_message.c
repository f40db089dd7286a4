/* mach_message.c - see mach_message.h. */
#include "mach_message.h"

#ifdef __APPLE__

void rig_msg_to(mach_msg_header_t *message, mach_port_t to, mach_msg_type_name_t how, mach_msg_id_t id,
                mach_msg_size_t size)
{
    message->msgh_bits = MACH_MSGH_BITS(how, 0);
    message->msgh_size = size;
    message->msgh_remote_port = to;
    message->msgh_local_port = MACH_PORT_NULL;
    message->msgh_voucher_port = MACH_PORT_NULL;
    message->msgh_id = id;
}

void rig_msg_reply_to(mach_msg_header_t *message, mach_port_t reply, mach_msg_type_name_t how)
{
    message->msgh_bits |= MACH_MSGH_BITS(0, how);
    message->msgh_local_port = reply;
}

void rig_msg_complex(mach_msg_base_t *message, mach_msg_type_number_t descriptors)
{
    message->header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    message->body.msgh_descriptor_count = descriptors;
}

mach_msg_port_descriptor_t rig_port_item(mach_port_t port, mach_msg_type_name_t how)
{
    mach_msg_port_descriptor_t item = {.name = port, .disposition = how, .type = MACH_MSG_PORT_DESCRIPTOR};
    return item;
}

mach_msg_ool_descriptor_t rig_memory_item(const void *address, size_t size, bool move, mach_msg_copy_options_t copy)
{
    mach_msg_ool_descriptor_t item = {.address = (void *)(uintptr_t)address,
                                      .size = (mach_msg_size_t)size,
                                      .deallocate = move,
                                      .copy = copy,
                                      .type = MACH_MSG_OOL_DESCRIPTOR};
    return item;
}

mach_msg_ool_ports_descriptor_t rig_ports_item(const mach_port_t *ports, mach_msg_type_number_t count,
                                               mach_msg_type_name_t how, bool move)
{
    mach_msg_ool_ports_descriptor_t item = {.address = (void *)(uintptr_t)ports,
                                            .count = count,
                                            .deallocate = move,
                                            .copy = MACH_MSG_VIRTUAL_COPY,
                                            .disposition = how,
                                            .type = MACH_MSG_OOL_PORTS_DESCRIPTOR};
    return item;
}

mach_msg_return_t rig_msg_send(mach_msg_header_t *message, mach_msg_timeout_t timeout_ms)
{
    return rig_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, message->msgh_size, 0, MACH_PORT_NULL, timeout_ms);
}

mach_msg_return_t rig_msg_receive(mach_msg_header_t *message, size_t room, mach_port_t from,
                                  mach_msg_timeout_t timeout_ms)
{
    return rig_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, (mach_msg_size_t)room, from, timeout_ms);
}

mach_msg_timeout_t rig_msg_patience(void) { return (mach_msg_timeout_t)(rig_patience(5) * 1000); }

enum { HELLO = 0x68656c6f };

struct hello {
    mach_msg_base_t base;
    mach_msg_port_descriptor_t port;
    mach_msg_max_trailer_t trailer;
};

struct birth {
    void (*fn)(struct rig_partner *parent, void *arg);
    void *arg;
};

/* The child's side: finds the parent's port among the registered ones and introduces itself. */
static void be_born(void *arg)
{
    const struct birth *birth = arg;
    struct rig_partner parent = {.pid = getppid(), .mine = rig_port(true)};
    mach_port_array_t registered = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(rig_task(), &registered, &count));
    REQUIRE(count > 0 && MACH_PORT_VALID(registered[0]));
    parent.to = registered[0];
    rig_port_free_array(registered, count);

    struct hello hello;
    rig_msg_to(&hello.base.header, parent.to, MACH_MSG_TYPE_COPY_SEND, HELLO, offsetof(struct hello, trailer));
    rig_msg_complex(&hello.base, 1);
    hello.port = rig_port_item(parent.mine, MACH_MSG_TYPE_COPY_SEND);
    REQUIRE_KERN(rig_msg_send(&hello.base.header, rig_msg_patience()));
    /* Until the parent has it, there would be one message more in its queue than fn knows of. */
    REQUIRE_KERN(rig_msg_receive(&hello.base.header, sizeof hello, parent.mine, rig_msg_patience()));
    REQUIRE_EQ_INT(hello.base.header.msgh_id, HELLO);
    birth->fn(&parent, birth->arg);
}

void rig_partner_start(struct rig_partner *partner, void (*fn)(struct rig_partner *parent, void *arg), void *arg)
{
    struct birth birth = {fn, arg};
    struct hello hello;
    partner->mine = rig_port(true);
    REQUIRE_KERN(rig_ports_register(rig_task(), &partner->mine, 1));
    partner->pid = rig_spawn(be_born, &birth);
    REQUIRE_KERN(rig_msg_receive(&hello.base.header, sizeof hello, partner->mine, rig_msg_patience()));
    REQUIRE(hello.base.header.msgh_id == HELLO && MACH_PORT_VALID(hello.port.name));
    partner->to = hello.port.name;
    REQUIRE_KERN(rig_ports_register(rig_task(), NULL, 0)); /* it holds a send right, and so do its children */
    rig_msg_to(&hello.base.header, partner->to, MACH_MSG_TYPE_COPY_SEND, HELLO, sizeof hello.base.header);
    REQUIRE_KERN(rig_msg_send(&hello.base.header, rig_msg_patience()));
}

#endif
