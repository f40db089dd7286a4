/* receiver.c - see receiver.h. */
#include "receiver.h"

#include "mach_threads.h"

static void *receive_one(void *arg)
{
    struct receiver *receiver = arg;
    __atomic_store_n(&receiver->self, mach_thread_self(), __ATOMIC_SEQ_CST);
    receiver->result = rig_msg(&receiver->letter.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT | receiver->options, 0,
                               (mach_msg_size_t)receiver->room, receiver->from, receiver->timeout);
    return NULL;
}

static bool waits(mach_port_t thread)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    return rig_thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) == KERN_SUCCESS &&
           info.run_state == TH_STATE_WAITING;
}

void receiver_start(struct receiver *receiver)
{
    if (receiver->room == 0)
        receiver->room = sizeof receiver->letter;
    if (receiver->timeout == 0)
        receiver->timeout = rig_msg_patience();
    receiver->self = MACH_PORT_NULL;
    RIG_REQUIRE(CHECK_ERROR_IS(rig_thread_start(&receiver->thread, receive_one, receiver), 0));
    uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(5) * 1e9);
    int quiet = 0; /* seen waiting so often in a row: it does not only wait for a lock on its way */
    while (quiet < 3 && rig_now_ns() < end) {
        mach_port_t thread = __atomic_load_n(&receiver->self, __ATOMIC_SEQ_CST);
        quiet = MACH_PORT_VALID(thread) && waits(thread) ? quiet + 1 : 0;
        rig_sleep_ms(1);
    }
    REQUIRE(quiet == 3);
}

void receiver_join(struct receiver *receiver)
{
    REQUIRE_EQ_INT(rig_thread_join(receiver->thread), 0); /* its receive has a timeout */
}
