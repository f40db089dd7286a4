/* mach_queue_stress.c - many messages, several senders: nothing lost, doubled, mixed up or changed.
 * Contracts: xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c ipc_mqueue_post, ipc_mqueue_release_msgcount. */
#include "../mach_msg/letter.h"
#include "mach_memory.h"

enum { SENDERS = 4, EACH = 250, MOST = 8192 };

static mach_port_t registered_port(void)
{
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(rig_task(), &ports, &count));
    return ports[0];
}

static void send_numbered(void *arg)
{
    int me = *(int *)arg;
    mach_port_t port = registered_port();
    for (int i = 0; i < EACH; i++)
        REQUIRE_QUIET(letter_post(port, me * EACH + i, rig_msg_patience()) == MACH_MSG_SUCCESS);
}

CASE(several_senders_lose_nothing, .deadline = 60)
{
    mach_port_t port = rig_port(true);
    pid_t child[SENDERS];
    int next[SENDERS] = {0}, good = 0, longest = 0, run = 0, last = -1, number[SENDERS];
    struct letter letter;
    REQUIRE_KERN(rig_ports_register(rig_task(), &port, 1));
    for (int i = 0; i < SENDERS; i++) {
        number[i] = i;
        child[i] = rig_spawn(send_numbered, &number[i]);
    }
    /* they block on the full queue most of the time: whoever waits must get his turn */
    for (int n = 0; n < SENDERS * EACH; n++) {
        REQUIRE_QUIET(letter_take(port, &letter, rig_msg_patience()) == MACH_MSG_SUCCESS);
        int who = letter.head.msgh_id / EACH;
        REQUIRE_QUIET(who >= 0 && who < SENDERS);
        good += letter_is(&letter, who * EACH + next[who]++);
        run = who == last ? run + 1 : 1;
        longest = run > longest ? run : longest;
        last = who;
    }
    CHECK_EQ_INT(good, SENDERS * EACH); /* each sender's in his order */
    for (int i = 0; i < SENDERS; i++)
        CHECK_EXITED(child[i], 0);
    NO_LETTER(port);
    FACT("longest_run_of_one_sender", longest);
}

static void send_twice(void *arg)
{
    int me = *(int *)arg;
    mach_port_t port = registered_port();
    CHECK_KERN(letter_post(port, me, rig_msg_patience()), MACH_MSG_SUCCESS);
    CHECK_KERN(letter_post(port, 100 + me, rig_msg_patience()), MACH_MSG_SUCCESS);
}

/* Room that is made goes to one who waits: all get in, whoever is first. */
CASE(blocked_senders_all_get_in, .deadline = 30)
{
    enum { WAITING = 3 };
    mach_port_t port = rig_port(true);
    int number[WAITING], seen[WAITING] = {0}, in_order = 0;
    pid_t child[WAITING];
    struct letter letter;
    REQUIRE_KERN(rig_ports_register(rig_task(), &port, 1));
    rig_port_set_limit(port, 1);
    LETTER_SEND(port, 99); /* full */
    for (int i = 0; i < WAITING; i++) {
        number[i] = i;
        child[i] = rig_spawn(send_twice, &number[i]);
    }
    for (int i = 0; i < WAITING; i++)
        CHECK(rig_wait_blocked(child[i]));
    CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 1); /* nobody got past the limit */
    LETTER_ARRIVES(port, 99);
    for (int n = 0; n < 2 * WAITING; n++) {
        REQUIRE_KERN(letter_take(port, &letter, rig_msg_patience()));
        int who = letter.head.msgh_id % 100;
        REQUIRE(who >= 0 && who < WAITING);
        CHECK(letter_is(&letter, who + 100 * seen[who]++)); /* his first, then his second */
        in_order += n < WAITING && seen[who] == 1;
    }
    FACT("first_messages_before_any_second", in_order); /* 3 where the wait queue is first in, first out */
    for (int i = 0; i < WAITING; i++)
        CHECK_EXITED(child[i], 0);
    NO_LETTER(port);
}

/* ---- Both ways at once ------------------------------------------------------------------------------------------------ */

/* Bytes inline and out of line, their number and seed in the id. */
struct load {
    mach_msg_base_t base;
    mach_msg_ool_descriptor_t memory;
    uint8_t bytes[MOST];
    mach_msg_max_trailer_t trailer;
};

static void load_send(mach_port_t to, unsigned n, struct load *load)
{
    static uint8_t outside[MOST * 4];
    unsigned inside = n * 2741 % MOST & ~3u, out = n * 7919 % sizeof outside;
    rig_msg_to(&load->base.header, to, MACH_MSG_TYPE_COPY_SEND, (mach_msg_id_t)n,
               (mach_msg_size_t)(offsetof(struct load, bytes) + inside));
    rig_msg_complex(&load->base, 1);
    pattern_fill(load->bytes, inside, (uint8_t)n);
    pattern_fill(outside, out, (uint8_t)(n + 1));
    load->memory = rig_memory_item(outside, out, false, n % 2 ? MACH_MSG_VIRTUAL_COPY : MACH_MSG_PHYSICAL_COPY);
    REQUIRE_QUIET(rig_msg_send(&load->base.header, rig_msg_patience()) == MACH_MSG_SUCCESS);
}

static void load_take(mach_port_t from, unsigned n, struct load *load)
{
    unsigned inside = n * 2741 % MOST & ~3u, out = n * 7919 % (MOST * 4);
    memset(load, 0, sizeof *load);
    REQUIRE_QUIET(rig_msg_receive(&load->base.header, sizeof *load, from, rig_msg_patience()) == MACH_MSG_SUCCESS);
    REQUIRE_QUIET(load->base.header.msgh_id == (mach_msg_id_t)n);
    REQUIRE_QUIET(load->base.header.msgh_size == offsetof(struct load, bytes) + inside);
    REQUIRE_QUIET(load->memory.size == out);
    REQUIRE_QUIET(pattern_is(load->bytes, inside, (uint8_t)n));
    if (out > 0) {
        REQUIRE_QUIET(pattern_is(load->memory.address, out, (uint8_t)(n + 1)));
        REQUIRE_QUIET(mach_vm_deallocate(rig_task(), (mach_vm_address_t)(uintptr_t)load->memory.address, out) == KERN_SUCCESS);
    }
}

enum { ROUNDS = 400, AHEAD = 3 };

/* Each side is a few messages ahead of the other, so both queues are in use all the time. */
static void both_ways(struct rig_partner *side, void *arg)
{
    static struct load load;
    (void)arg;
    for (unsigned n = 0; n < ROUNDS + AHEAD; n++) {
        if (n < ROUNDS)
            load_send(side->to, n, &load);
        if (n >= AHEAD)
            load_take(side->mine, n - AHEAD, &load);
    }
}

CASE(loads_go_both_ways_unchanged, .deadline = 60)
{
    struct rig_partner partner;
    mach_msg_type_number_t before = rig_port_count();
    rig_partner_start(&partner, both_ways, NULL);
    both_ways(&partner, NULL);
    CHECK_EXITED(partner.pid, 0);
    NO_LETTER(partner.mine);
    CHECK_LE_INT(rig_port_count(), before + 2); /* partner.mine and partner.to */
}
