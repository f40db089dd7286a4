/* mach_queue_kqueue.c - EVFILT_MACHPORT: readiness of ports and sets, and receiving by the kqueue itself.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_pset.c filt_machportattach, filt_machportprocess. */
#include "receiver.h"

#include <sys/event.h>
#include <time.h>

RIG_MAKE_WEAK(kevent64);

static int watch(int kq, mach_port_t name)
{
    struct kevent change;
    EV_SET(&change, name, EVFILT_MACHPORT, EV_ADD, 0, 0, (void *)0x77);
    return kevent(kq, &change, 1, NULL, 0, NULL);
}

static int wait_ms(int kq, struct kevent *event, double ms)
{
    struct timespec timeout = {(time_t)(ms / 1000), (long)(ms * 1e6) % 1000000000l};
    memset(event, 0, sizeof *event);
    return kevent(kq, NULL, 0, event, 1, &timeout);
}

CASE(kqueue_tells_of_a_message_in_a_set)
{
    mach_port_t set = MACH_PORT_NULL, member[2] = {rig_port(true), rig_port(true)};
    struct kevent event;
    int kq = kqueue();
    REQUIRE_OK(kq);
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    for (int i = 0; i < 2; i++)
        REQUIRE_KERN(mach_port_insert_member(rig_task(), member[i], set));
    REQUIRE_OK(watch(kq, set));
    CHECK_EQ_INT(wait_ms(kq, &event, 0), 0);
    LETTER_SEND(member[1], 1);
    CHECK_EQ_INT(wait_ms(kq, &event, 5000), 1);
    CHECK_EQ_INT(event.ident, set);
    CHECK_EQ_INT(event.filter, EVFILT_MACHPORT);
    CHECK_EQ_INT(event.data, member[1]); /* which member has it */
    CHECK(event.udata == (void *)0x77);
    CHECK_EQ_INT(wait_ms(kq, &event, 0), 1); /* as long as it is queued */
    LETTER_ARRIVES(set, 1);
    CHECK_EQ_INT(wait_ms(kq, &event, 0), 0);
}

CASE(kqueue_tells_of_a_message_at_a_port)
{
    mach_port_t port = rig_port(true);
    struct kevent event;
    int kq = kqueue();
    REQUIRE_OK(kq);
    LETTER_SEND(port, 1); /* queued before it is watched */
    REQUIRE_OK(watch(kq, port));
    CHECK_EQ_INT(wait_ms(kq, &event, 5000), 1);
    CHECK_EQ_INT(event.ident, port);
    CHECK_EQ_INT(event.data, port);
    LETTER_ARRIVES(port, 1);
    CHECK_EQ_INT(wait_ms(kq, &event, 0), 0);
    LETTER_SEND(port, 2);
    CHECK_EQ_INT(wait_ms(kq, &event, 5000), 1);
    LETTER_ARRIVES(port, 2);
}

CASE(kqueue_refuses_other_names)
{
    mach_port_t gone = rig_port(false);
    int kq = kqueue();
    REQUIRE_OK(kq);
    REQUIRE_KERN(mach_port_mod_refs(rig_task(), gone, MACH_PORT_RIGHT_RECEIVE, -1));
    CHECK_ERRNO(watch(kq, gone), ENOENT);
    CHECK_ERRNO(watch(kq, rig_task()), ENOTSUP); /* a send right */
}

static void send_when_the_parent_waits(struct rig_partner *parent, void *arg)
{
    (void)arg;
    CHECK(rig_wait_blocked(parent->pid));
    LETTER_SEND(parent->to, 5);
}

CASE(message_wakes_a_blocked_kevent)
{
    struct rig_partner partner;
    mach_port_t set = MACH_PORT_NULL;
    struct kevent event;
    int kq = kqueue();
    REQUIRE_OK(kq);
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    REQUIRE_OK(watch(kq, set));
    rig_partner_start(&partner, send_when_the_parent_waits, NULL);
    REQUIRE_KERN(mach_port_insert_member(rig_task(), partner.mine, set));
    CHECK_EQ_INT(wait_ms(kq, &event, rig_patience(5) * 1000), 1);
    CHECK_EQ_INT(event.ident, set);
    LETTER_ARRIVES(set, 5);
    CHECK_EXITED(partner.pid, 0);
}

CASE(kqueue_tells_that_the_port_is_gone)
{
    mach_port_t port = rig_port(true);
    struct kevent event;
    int kq = kqueue();
    REQUIRE_OK(kq);
    REQUIRE_OK(watch(kq, port));
    CHECK_KERN(mach_port_mod_refs(rig_task(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ_INT(wait_ms(kq, &event, rig_patience(5) * 1000), 1);
    CHECK(event.flags & EV_EOF);
    CHECK_EQ_INT(wait_ms(kq, &event, 0), 0); /* once */
}

/* ---- Receiving by kevent64 ------------------------------------------------------------------------------------------- */

enum { KEVENT64 = 369, IMMEDIATE = 1 }; /* bsd/kern/syscalls.master; KEVENT_FLAG_IMMEDIATE, bsd/sys/event.h */

/* Never waits. The seventh argument, the timeout, is then not looked at (kevent_get_timeout): the raw call has six. */
static int now(int kq, const struct kevent64_s *change, struct kevent64_s *event)
{
    if (RIG_HAVE(kevent64)) {
        rig_via("libsystem");
        return kevent64(kq, change, change ? 1 : 0, event, event ? 1 : 0, IMMEDIATE, NULL);
    }
    rig_via("syscall");
    return (int)rig_syscall(KEVENT64, kq, (long)change, change ? 1 : 0, (long)event, event ? 1 : 0, IMMEDIATE);
}

CASE(kevent64_receives_the_message)
{
    mach_port_t set = MACH_PORT_NULL, member = rig_port(true);
    struct kevent64_s event;
    struct letter letter;
    int kq = kqueue();
    REQUIRE_OK(kq);
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    REQUIRE_KERN(mach_port_insert_member(rig_task(), member, set));
    EV_SET64(&event, set, EVFILT_MACHPORT, EV_ADD, MACH_RCV_MSG | MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_SEQNO), 0, 0,
             (uint64_t)(uintptr_t)&letter, sizeof letter);
    REQUIRE_OK(now(kq, &event, NULL));
    CHECK_EQ_INT(now(kq, NULL, &event), 0);
    LETTER_SEND(member, 1);
    LETTER_SEND(member, 2);
    for (unsigned i = 0; i < 2; i++) {
        memset(&letter, 0, sizeof letter);
        CHECK_EQ_INT(now(kq, NULL, &event), 1);
        CHECK_KERN((kern_return_t)event.fflags, MACH_MSG_SUCCESS); /* what mach_msg would have returned */
        CHECK_EQ_INT(event.ext[1], LETTER_SIZE + sizeof(mach_msg_seqno_trailer_t));
        CHECK(letter_is(&letter, (mach_msg_id_t)i + 1));
        CHECK_EQ_INT(letter.head.msgh_local_port, member);
        CHECK_EQ_INT(letter.trailer.msgh_seqno, i);
    }
    CHECK_EQ_INT(now(kq, NULL, &event), 0);
    NO_LETTER(set);
}

CASE(kevent64_tells_what_is_too_large)
{
    mach_port_t port = rig_port(true);
    struct kevent64_s event;
    struct letter letter;
    int kq = kqueue();
    REQUIRE_OK(kq);
    EV_SET64(&event, port, EVFILT_MACHPORT, EV_ADD, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_LARGE_IDENTITY, 0, 0,
             (uint64_t)(uintptr_t)&letter, sizeof letter.head);
    REQUIRE_OK(now(kq, &event, NULL));
    LETTER_SEND(port, 1);
    CHECK_EQ_INT(now(kq, NULL, &event), 1);
    CHECK_KERN((kern_return_t)event.fflags, MACH_RCV_TOO_LARGE);
    CHECK_EQ_INT(event.ext[1], LETTER_SIZE);
    CHECK_EQ_INT(event.data, port);
    LETTER_ARRIVES(port, 1);
}
