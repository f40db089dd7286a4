/* mach_msg.c - simple messages: header, body, sizes, and what a send refuses.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c, by the function that the manifest names. */
#include "letter.h"

PROBE("mach_msg", "1");

CASE(simple_message_arrives)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 17);
    REQUIRE_KERN(letter_take(port, &letter, 0));
    CHECK(letter_is(&letter, 17));
    CHECK_EQ_INT(letter.head.msgh_size, LETTER_SIZE); /* without the trailer */
    CHECK_EQ_INT(letter.head.msgh_voucher_port, MACH_PORT_NULL);
    NO_LETTER(port);
}

CASE(header_as_received)
{
    mach_port_t port = rig_port(true), reply = rig_port(false);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, -5);
    rig_msg_reply_to(&letter.head, reply, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
    REQUIRE_KERN(letter_take(port, &letter, 0));
    /* the two ports change places, and so do their bits; what was made or copied has become a right */
    CHECK_EQ_INT(letter.head.msgh_local_port, port);
    CHECK_EQ_INT(letter.head.msgh_bits, MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND));
    CHECK(letter.head.msgh_remote_port != reply);
    CHECK_EQ_INT(rig_port_type(letter.head.msgh_remote_port), MACH_PORT_TYPE_SEND_ONCE);
    CHECK_EQ_INT(letter.head.msgh_id, -5);
}

CASE(header_without_a_reply_port)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    REQUIRE_KERN(letter_take(port, &letter, 0));
    CHECK_EQ_INT(letter.head.msgh_remote_port, MACH_PORT_NULL);
    CHECK_EQ_INT(letter.head.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND));
}

/* A send right to `port` of another name: none exists for send rights, so a send-once right serves. */
static mach_port_t send_once_to(mach_port_t port)
{
    mach_port_t once = MACH_PORT_NULL;
    mach_msg_type_name_t got = 0;
    REQUIRE_KERN(rig_port_extract_right(rig_task(), port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &got));
    REQUIRE_EQ_INT(got, MACH_MSG_TYPE_PORT_SEND_ONCE);
    return once;
}

CASE(destination_by_each_disposition)
{
    mach_port_t port = rig_port(true);
    static const struct {
        mach_msg_type_name_t how, becomes;
        unsigned refs_after; /* of the send right, 2 before */
    } rows[] = {
        {MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_PORT_SEND, 2},
        {MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_PORT_SEND, 2},
        {MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_PORT_SEND, 1},
        {MACH_MSG_TYPE_MAKE_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND_ONCE, 2},
    };
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        struct letter letter;
        REQUIRE_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_SEND, 2 - (int)refs(port, MACH_PORT_RIGHT_SEND)));
        letter_write(&letter, port, rows[i].how, (mach_msg_id_t)i);
        if (!CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS))
            continue;
        CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), rows[i].refs_after);
        CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
        CHECK(letter_is(&letter, (mach_msg_id_t)i));
        CHECK_EQ_INT(MACH_MSGH_BITS_LOCAL(letter.head.msgh_bits), rows[i].becomes);
        CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), rows[i].refs_after); /* used up, not given to the receiver */
    }
    struct letter letter;
    mach_port_t once = send_once_to(port);
    letter_write(&letter, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 99);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(rig_port_type(once), 0);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(MACH_MSGH_BITS_LOCAL(letter.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ_INT(letter.head.msgh_local_port, port);
}

CASE(reply_port_by_each_disposition)
{
    mach_port_t port = rig_port(true), reply = rig_port(true);
    static const struct {
        mach_msg_type_name_t how, becomes;
        unsigned queued, received; /* references of the send right, 1 before */
    } rows[] = {
        {MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_PORT_SEND, 1, 2},
        {MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_PORT_SEND, 1, 2},
        {MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_PORT_SEND, 0, 1},
    };
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        struct letter letter;
        REQUIRE_KERN(mach_port_mod_refs(rig_task(), reply, MACH_PORT_RIGHT_SEND, 1 - (int)refs(reply, MACH_PORT_RIGHT_SEND)));
        letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
        rig_msg_reply_to(&letter.head, reply, rows[i].how);
        if (!CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS))
            continue;
        CHECK_EQ_INT(refs(reply, MACH_PORT_RIGHT_SEND), rows[i].queued);
        CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
        CHECK_EQ_INT(letter.head.msgh_remote_port, reply); /* send rights to one port share a name */
        CHECK_EQ_INT(MACH_MSGH_BITS_REMOTE(letter.head.msgh_bits), rows[i].becomes);
        CHECK_EQ_INT(refs(reply, MACH_PORT_RIGHT_SEND), rows[i].received);
    }
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    rig_msg_reply_to(&letter.head, send_once_to(reply), MACH_MSG_TYPE_MOVE_SEND_ONCE);
    CHECK_KERN(rig_msg_send(&letter.head, 0), MACH_MSG_SUCCESS);
    CHECK_KERN(letter_take(port, &letter, 0), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(MACH_MSGH_BITS_REMOTE(letter.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ_INT(rig_port_type(letter.head.msgh_remote_port), MACH_PORT_TYPE_SEND_ONCE);
}

CASE(destination_is_its_own_reply_port)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 3);
    rig_msg_reply_to(&letter.head, port, MACH_MSG_TYPE_MAKE_SEND);
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
    REQUIRE_KERN(letter_take(port, &letter, 0));
    CHECK_EQ_INT(letter.head.msgh_local_port, port);
    CHECK_EQ_INT(letter.head.msgh_remote_port, port);
    CHECK_EQ_INT(refs(port, MACH_PORT_RIGHT_SEND), 2);
}

CASE(inline_bodies_of_all_sizes)
{
    static const size_t sizes[] = {0, 4, 8, 100, 252, 1024, 4092, 4096, 4100, 16384, 65536};
    static struct {
        mach_msg_header_t head;
        uint8_t body[65536];
        mach_msg_max_trailer_t trailer;
    } out, in;
    mach_port_t port = rig_port(true);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        rig_msg_to(&out.head, port, MACH_MSG_TYPE_COPY_SEND, (mach_msg_id_t)i, (mach_msg_size_t)(sizeof out.head + sizes[i]));
        pattern_fill(out.body, sizes[i], (uint8_t)i);
        memset(&in, 0xee, sizeof in);
        if (!CHECK_KERN(rig_msg_send(&out.head, 0), MACH_MSG_SUCCESS) ||
            !CHECK_KERN(rig_msg_receive(&in.head, sizeof in, port, 0), MACH_MSG_SUCCESS))
            continue;
        CHECK_EQ_INT(in.head.msgh_size, sizeof in.head + sizes[i]);
        CHECK(pattern_is(in.body, sizes[i], (uint8_t)i));
        /* behind it the trailer, and then nothing that was not there before */
        const mach_msg_trailer_t *trailer = (const void *)(in.body + sizes[i]);
        CHECK_EQ_INT(trailer->msgh_trailer_size, MINIMAL_TRAILER);
        CHECK_EQ_INT(((const uint8_t *)(trailer + 1))[0], 0xee);
    }
}

CASE(sizes_not_of_four_are_refused)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    for (mach_msg_size_t more = 1; more < 4; more++)
        CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof letter.head + more, 0, MACH_PORT_NULL, 0),
                   MACH_SEND_MSG_TOO_SMALL);
    NO_LETTER(port);
}

CASE(shorter_than_a_header_is_refused)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    for (mach_msg_size_t size = 0; size < sizeof letter.head; size += 4)
        CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, size, 0, MACH_PORT_NULL, 0), MACH_SEND_MSG_TOO_SMALL);
    NO_LETTER(port);
}

CASE(size_is_the_argument_not_the_field)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    letter.head.msgh_size = 7; /* never looked at */
    REQUIRE_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, LETTER_SIZE, 0, MACH_PORT_NULL, 0));
    REQUIRE_KERN(letter_take(port, &letter, 0));
    CHECK_EQ_INT(letter.head.msgh_size, LETTER_SIZE);
}

CASE(larger_than_any_message_is_refused)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    /* three quarters of 64 MiB is the limit; the size is refused before a byte is read */
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 48 << 20, 0, MACH_PORT_NULL, 0), MACH_SEND_TOO_LARGE);
    CHECK_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, 0xfffffffcu, 0, MACH_PORT_NULL, 0),
               MACH_SEND_TOO_LARGE);
    NO_LETTER(port);
}

CASE(unreadable_message_is_refused)
{
    mach_port_t port = rig_port(true);
    long page = sysconf(_SC_PAGESIZE);
    uint8_t *bytes = pages((size_t)page * 2, 0);
    struct letter *letter = (struct letter *)(void *)(bytes + page - LETTER_SIZE);
    letter_write((struct letter *)(void *)bytes, port, MACH_MSG_TYPE_COPY_SEND, 1);
    memmove(letter, bytes, LETTER_SIZE);
    pages_free(bytes + page, (size_t)page);
    CHECK_KERN(rig_msg(&letter->head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, LETTER_SIZE + 64, 0, MACH_PORT_NULL, 0),
               MACH_SEND_INVALID_DATA); /* its end is not there */
    CHECK_KERN(rig_msg((void *)(bytes + page), MACH_SEND_MSG | MACH_SEND_TIMEOUT, LETTER_SIZE, 0, MACH_PORT_NULL, 0),
               MACH_SEND_INVALID_DATA);
    NO_LETTER(port);
    CHECK_KERN(rig_msg_send(&letter->head, 0), MACH_MSG_SUCCESS); /* to the last byte of the page */
    LETTER_ARRIVES(port, 1);
}

CASE(kernel_bits_of_the_header_are_cleared)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    letter.head.msgh_bits |= 0x10600000; /* MACH_MSGH_BITS_CIRCULAR, and two that mean nothing */
    REQUIRE_KERN(rig_msg_send(&letter.head, 0));
    REQUIRE_KERN(letter_take(port, &letter, 0));
    CHECK_EQ_INT(letter.head.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND));
}

CASE(messages_keep_their_order)
{
    mach_port_t port = rig_port(true);
    rig_port_set_limit(port, 200);
    for (int i = 0; i < 200; i++)
        REQUIRE_QUIET(letter_post(port, i, 0) == MACH_MSG_SUCCESS);
    int in_order = 0;
    struct letter letter;
    while (in_order < 200 && letter_take(port, &letter, 0) == MACH_MSG_SUCCESS && letter_is(&letter, in_order))
        in_order++;
    CHECK_EQ_INT(in_order, 200);
    NO_LETTER(port);
}
