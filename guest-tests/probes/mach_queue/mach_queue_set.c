/* mach_queue_set.c - receiving from port sets.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_receive_on_thread, ipc_mqueue_copyin; ipc_pset.c. */
#include "receiver.h"

static mach_port_t set_of(const mach_port_t *members, int count)
{
    mach_port_t set = MACH_PORT_NULL;
    REQUIRE_KERN(mach_port_allocate(rig_task(), MACH_PORT_RIGHT_PORT_SET, &set));
    for (int i = 0; i < count; i++)
        REQUIRE_KERN(mach_port_insert_member(rig_task(), members[i], set));
    return set;
}

CASE(set_receives_for_its_members)
{
    mach_port_t member[3] = {rig_port(true), rig_port(true), rig_port(true)};
    mach_port_t set = set_of(member, 3);
    struct letter letter;
    for (int i = 2; i >= 0; i--) {
        LETTER_SEND(member[i], i);
        CHECK_KERN(letter_take(set, &letter, 0), MACH_MSG_SUCCESS);
        CHECK(letter_is(&letter, i));
        CHECK_EQ_INT(letter.head.msgh_local_port, member[i]); /* the member, not the set */
    }
    NO_LETTER(set);
}

CASE(member_may_be_received_from_by_itself)
{
    mach_port_t member = rig_port(true), set = set_of(&member, 1);
    LETTER_SEND(member, 1);
    LETTER_SEND(member, 2);
    LETTER_ARRIVES(member, 1); /* no MACH_RCV_IN_SET in this kernel */
    LETTER_ARRIVES(set, 2);
    NO_LETTER(member);
}

CASE(queued_before_it_became_a_member)
{
    mach_port_t member = rig_port(true);
    LETTER_SEND(member, 1);
    mach_port_t set = set_of(&member, 1);
    LETTER_ARRIVES(set, 1);
    LETTER_SEND(member, 2);
    CHECK_KERN(mach_port_extract_member(rig_task(), member, set), KERN_SUCCESS);
    NO_LETTER(set); /* it took its queue along */
    LETTER_ARRIVES(member, 2);
}

CASE(member_wakes_a_receiver_of_the_set)
{
    mach_port_t member[2] = {rig_port(true), rig_port(true)};
    struct receiver receiver = {.from = set_of(member, 2)};
    receiver_start(&receiver);
    LETTER_SEND(member[1], 4);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_MSG_SUCCESS);
    CHECK(letter_is(&receiver.letter, 4));
    CHECK_EQ_INT(receiver.letter.head.msgh_local_port, member[1]);
}

/* A port with a message that joins the set somebody waits on wakes him. */
CASE(new_member_wakes_a_receiver_of_the_set)
{
    mach_port_t first = rig_port(true), later = rig_port(true);
    struct receiver receiver = {.from = set_of(&first, 1)};
    LETTER_SEND(later, 6);
    receiver_start(&receiver);
    CHECK_KERN(mach_port_insert_member(rig_task(), later, receiver.from), KERN_SUCCESS);
    receiver_join(&receiver);
    CHECK_KERN(receiver.result, MACH_MSG_SUCCESS);
    CHECK(letter_is(&receiver.letter, 6));
}

CASE(port_in_several_sets)
{
    mach_port_t member = rig_port(true), other = rig_port(true);
    const mach_port_t both[] = {other, member};
    mach_port_t one = set_of(&member, 1), two = set_of(both, 2);
    LETTER_SEND(member, 1);
    LETTER_SEND(member, 2);
    LETTER_SEND(member, 3);
    LETTER_ARRIVES(two, 1);
    LETTER_ARRIVES(one, 2);
    LETTER_ARRIVES(member, 3);
    NO_LETTER(one);
    NO_LETTER(two);
}

/* Every message of every member comes out once and in its member's order; the order among members is not promised. */
CASE(set_of_many_members_loses_nothing, .deadline = 20)
{
    enum { MEMBERS = 40, EACH = 5 };
    mach_port_t member[MEMBERS];
    int next[MEMBERS] = {0}, in_order = 0, switches = 0;
    for (int i = 0; i < MEMBERS; i++)
        member[i] = rig_port(true);
    mach_port_t set = set_of(member, MEMBERS), last = MACH_PORT_NULL;
    for (int j = 0; j < EACH; j++)
        for (int i = 0; i < MEMBERS; i++)
            LETTER_SEND(member[i], i * EACH + j);
    struct letter letter;
    for (int n = 0; n < MEMBERS * EACH; n++) {
        REQUIRE_KERN(letter_take(set, &letter, 0));
        int i = letter.head.msgh_id / EACH;
        REQUIRE(i >= 0 && i < MEMBERS);
        in_order += letter.head.msgh_local_port == member[i] && letter_is(&letter, i * EACH + next[i]++);
        switches += n > 0 && letter.head.msgh_local_port != last;
        last = letter.head.msgh_local_port;
    }
    CHECK_EQ_INT(in_order, MEMBERS * EACH);
    NO_LETTER(set);
    FACT("changes_of_member", switches);
}

/* Queues are full or not each by itself. */
CASE(full_member_does_not_stop_another)
{
    mach_port_t member[2] = {rig_port(true), rig_port(true)};
    mach_port_t set = set_of(member, 2);
    CHECK_EQ_INT(letters_fill(member[0]), MACH_PORT_QLIMIT_DEFAULT);
    LETTER_SEND(member[1], 90);
    bool seen = false;
    struct letter letter;
    for (int i = 0; i <= MACH_PORT_QLIMIT_DEFAULT; i++) {
        REQUIRE_KERN(letter_take(set, &letter, 0));
        seen |= letter_is(&letter, 90);
    }
    CHECK(seen);
}

CASE(dead_member_leaves_the_set)
{
    mach_port_t member[2] = {rig_port(true), rig_port(true)};
    mach_port_t set = set_of(member, 2);
    LETTER_SEND(member[0], 1);
    LETTER_SEND(member[1], 2);
    CHECK_KERN(mach_port_mod_refs(rig_task(), member[0], MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    LETTER_ARRIVES(set, 2);
    NO_LETTER(set);
}
