/* mach_msg_trailer.c - what the kernel adds behind a message: sequence number, sender, audit token, context.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_kmsg.c ipc_kmsg_add_trailer, ipc_kmsg_get; osfmk/mach/message.h
 * REQUESTED_TRAILER_SIZE. */
#include "letter.h"

static mach_msg_return_t take_with(mach_port_t from, struct letter *letter, unsigned elements)
{
    memset(letter, 0xee, sizeof *letter);
    return rig_msg(&letter->head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_TRAILER_ELEMENTS(elements), 0, sizeof *letter,
                   from, rig_msg_patience());
}

CASE(minimal_trailer_unless_asked)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_NULL), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_trailer_type, MACH_MSG_TRAILER_FORMAT_0);
    CHECK_EQ_INT(letter.trailer.msgh_trailer_size, MINIMAL_TRAILER);
    CHECK_EQ_INT(letter.trailer.msgh_seqno, 0xeeeeeeee); /* nothing behind it */
}

CASE(trailer_sizes_by_elements)
{
    static const struct {
        unsigned elements;
        size_t size;
    } rows[] = {
        {MACH_RCV_TRAILER_NULL, sizeof(mach_msg_trailer_t)},
        {MACH_RCV_TRAILER_SEQNO, sizeof(mach_msg_seqno_trailer_t)},
        {MACH_RCV_TRAILER_SENDER, sizeof(mach_msg_security_trailer_t)},
        {MACH_RCV_TRAILER_AUDIT, sizeof(mach_msg_audit_trailer_t)},
        {MACH_RCV_TRAILER_CTX, sizeof(mach_msg_context_trailer_t)},
        {MACH_RCV_TRAILER_AV, sizeof(mach_msg_mac_trailer_t)},
        {MACH_RCV_TRAILER_LABELS, sizeof(mach_msg_mac_trailer_t)},
    };
    static const size_t bytes[] = {8, 12, 20, 52, 60, 68, 68};
    mach_port_t port = rig_port(true);
    struct letter letter;
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        LETTER_SEND(port, (mach_msg_id_t)i);
        if (!CHECK_KERN(take_with(port, &letter, rows[i].elements), MACH_MSG_SUCCESS))
            continue;
        CHECK_EQ_INT(rows[i].size, bytes[i]);
        CHECK_EQ_INT(letter.trailer.msgh_trailer_size, rows[i].size);
        CHECK_EQ_INT(letter.trailer.msgh_trailer_type, MACH_MSG_TRAILER_FORMAT_0);
        CHECK_EQ_INT(letter.head.msgh_size, LETTER_SIZE); /* never counts the trailer */
        if (rows[i].size < sizeof letter.trailer)
            CHECK_EQ_INT(((uint8_t *)&letter.trailer)[rows[i].size], 0xee);
    }
}

CASE(sequence_numbers_count_receives)
{
    mach_port_t port = rig_port(true), other = rig_port(true);
    struct letter letter;
    for (unsigned i = 0; i < 4; i++) {
        LETTER_SEND(port, (mach_msg_id_t)i);
        LETTER_SEND(other, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_SEQNO), MACH_MSG_SUCCESS);
        CHECK_EQ_INT(letter.trailer.msgh_seqno, i);
        if (i == 1) /* one that is too large and stays takes no number, one that is destroyed does */
            CHECK_KERN(rig_msg(&letter.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_LARGE, 0, 0, port, 0), MACH_RCV_TOO_LARGE);
    }
    CHECK_KERN(take_with(other, &letter, MACH_RCV_TRAILER_SEQNO), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_seqno, 0); /* each port its own */
    CHECK_KERN(rig_msg(&letter.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof letter.head, other, 0), MACH_RCV_TOO_LARGE);
    CHECK_KERN(take_with(other, &letter, MACH_RCV_TRAILER_SEQNO), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_seqno, 2);
    CHECK_KERN(rig_port_set_seqno(rig_task(), other, 1000), KERN_SUCCESS);
    CHECK_KERN(take_with(other, &letter, MACH_RCV_TRAILER_SEQNO), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_seqno, 1000);
}

CASE(sequence_numbers_in_a_set_are_the_members)
{
    mach_port_t set = MACH_PORT_NULL, member[2] = {rig_port(true), rig_port(true)};
    unsigned next[2] = {0, 0};
    struct letter letter;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    for (int i = 0; i < 2; i++)
        REQUIRE_KERN(mach_port_insert_member(rig_task(), member[i], set));
    for (int i = 0; i < 6; i++)
        LETTER_SEND(member[i % 3 == 0], i);
    for (int i = 0; i < 6; i++) {
        REQUIRE_KERN(take_with(set, &letter, MACH_RCV_TRAILER_SEQNO));
        int which = letter.head.msgh_local_port == member[1];
        CHECK_EQ_INT(letter.trailer.msgh_seqno, next[which]++);
    }
}

CASE(moved_receive_right_counts_anew)
{
    mach_port_t port = rig_port(true), through = rig_port(true);
    struct letter letter;
    struct parcel parcel;
    LETTER_SEND(port, 0);
    LETTER_SEND(port, 1);
    LETTER_ARRIVES(port, 0);
    parcel_write(&parcel, through, MACH_MSG_PORT_DESCRIPTOR);
    parcel.port = rig_port_item(port, MACH_MSG_TYPE_MOVE_RECEIVE);
    REQUIRE_KERN(rig_msg_send(&parcel.base.header, 0));
    parcel_take(through, &parcel);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_SEQNO), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_id, 1);
    CHECK_EQ_INT(letter.trailer.msgh_seqno, 0);
}

/* val[]: audit user, effective user and group, real user and group, process, session, process version
 * (bsd/kern/kern_prot.c set_security_token_task_internal). */
static void check_tokens(const mach_msg_max_trailer_t *trailer, uid_t uid, gid_t gid, uid_t real_uid, pid_t pid)
{
    CHECK_EQ_INT(trailer->msgh_sender.val[0], uid);
    CHECK_EQ_INT(trailer->msgh_sender.val[1], gid);
    CHECK_EQ_INT(trailer->msgh_audit.val[1], uid);
    CHECK_EQ_INT(trailer->msgh_audit.val[2], gid);
    CHECK_EQ_INT(trailer->msgh_audit.val[3], real_uid);
    CHECK_EQ_INT(trailer->msgh_audit.val[4], getgid());
    CHECK_EQ_INT(trailer->msgh_audit.val[5], pid);
}

CASE(tokens_of_this_task)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_SENDER), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_sender.val[0], geteuid());
    CHECK_EQ_INT(letter.trailer.msgh_audit.val[5], 0xeeeeeeee); /* not asked for */
    LETTER_SEND(port, 1);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_AUDIT), MACH_MSG_SUCCESS);
    check_tokens(&letter.trailer, geteuid(), getegid(), getuid(), getpid());
    FACT("audit_user", (int)letter.trailer.msgh_audit.val[0]);
    FACT("audit_session", (int)letter.trailer.msgh_audit.val[6]);
}

static void send_one(struct rig_partner *parent, void *arg)
{
    (void)arg;
    LETTER_SEND(parent->to, 2);
}

CASE(tokens_of_another_task)
{
    struct rig_partner partner;
    struct letter letter;
    unsigned version[2];
    for (int i = 0; i < 2; i++) {
        rig_partner_start(&partner, send_one, NULL);
        CHECK_EXITED(partner.pid, 0); /* as it was when it sent, not now */
        CHECK_KERN(take_with(partner.mine, &letter, MACH_RCV_TRAILER_AUDIT), MACH_MSG_SUCCESS);
        CHECK(letter_is(&letter, 2));
        check_tokens(&letter.trailer, geteuid(), getegid(), getuid(), partner.pid);
        version[i] = letter.trailer.msgh_audit.val[7];
    }
    CHECK_NE_INT(version[0], version[1]); /* tells processes apart that had the same number */
}

static void send_as_somebody(struct rig_partner *parent, void *arg)
{
    (void)arg;
    REQUIRE_OK(seteuid(12345));
    LETTER_SEND(parent->to, 3);
}

CASE(tokens_follow_a_change_of_user, .needs_root = true)
{
    struct rig_partner partner;
    struct letter letter;
    rig_partner_start(&partner, send_as_somebody, NULL);
    CHECK_EXITED(partner.pid, 0);
    CHECK_KERN(take_with(partner.mine, &letter, MACH_RCV_TRAILER_AUDIT), MACH_MSG_SUCCESS);
    check_tokens(&letter.trailer, 12345, getegid(), getuid(), partner.pid);
}

CASE(kernel_sends_with_its_own_token)
{
    mach_port_t port = rig_port(false), once = MACH_PORT_NULL;
    mach_msg_type_name_t got = 0;
    struct letter letter;
    REQUIRE_KERN(rig_port_extract_right(rig_task(), port, MACH_MSG_TYPE_MAKE_SEND_ONCE, &once, &got));
    CHECK_KERN(mach_port_deallocate(rig_task(), once), KERN_SUCCESS); /* unused: a notification */
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_AUDIT), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    const mach_msg_audit_trailer_t *trailer = (const void *)((const uint8_t *)&letter + letter.head.msgh_size);
    CHECK_EQ_INT(trailer->msgh_sender.val[0], 0); /* KERNEL_SECURITY_TOKEN_VALUE {0, 1} */
    CHECK_EQ_INT(trailer->msgh_sender.val[1], 1);
    CHECK_EQ_INT(trailer->msgh_audit.val[5], 0); /* process 0 */
}

CASE(context_is_the_receivers)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    LETTER_SEND(port, 1);
    LETTER_SEND(port, 2);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_CTX), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_context, 0);
    CHECK_KERN(rig_port_set_context(rig_task(), port, 0x1234567890abcdefull), KERN_SUCCESS);
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_CTX), MACH_MSG_SUCCESS); /* as it is when received */
    CHECK(letter.trailer.msgh_context == 0x1234567890abcdefull);
}

CASE(trailer_cannot_be_forged)
{
    mach_port_t port = rig_port(true);
    struct letter letter;
    letter_write(&letter, port, MACH_MSG_TYPE_COPY_SEND, 1);
    memset(&letter.trailer, 0x44, sizeof letter.trailer); /* in place, but behind the end of the message */
    REQUIRE_KERN(rig_msg(&letter.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_TRAILER, LETTER_SIZE, 0, MACH_PORT_NULL, 0));
    CHECK_KERN(take_with(port, &letter, MACH_RCV_TRAILER_AUDIT), MACH_MSG_SUCCESS);
    CHECK_EQ_INT(letter.trailer.msgh_trailer_size, sizeof(mach_msg_audit_trailer_t));
    check_tokens(&letter.trailer, geteuid(), getegid(), getuid(), getpid());
}
