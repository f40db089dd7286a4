/* queue.c - several threads suspended at once, their exceptions waiting in one port. */
#include "kit.h"

enum { THREADS = 8 }; /* more than the default queue limit of 5, which does not hold the kernel's messages back */

struct faulter {
    volatile bool done;
    pthread_t thread;
    mach_port_t port;
};

static void *stop_at_breakpoint(void *argument)
{
    struct faulter *f = argument;
    f->port = kit_thread();
    x_int3();
    f->done = true;
    return NULL;
}

static void wait_until_queued(mach_port_t port, unsigned count)
{
    for (int i = 0; i < 400 && rig_port_status(port).mps_msgcount < count; i++)
        rig_sleep_ms(5);
    REQUIRE_EQ_INT(rig_port_status(port).mps_msgcount, count);
}

static mach_port_t suspend_all(struct faulter *faulters)
{
    mach_port_t port = rig_port(true);
    memset(faulters, 0, THREADS * sizeof *faulters);
    CHECK_EQ_INT(rig_port_status(port).mps_qlimit, MACH_PORT_QLIMIT_DEFAULT);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, port, WIDE_IDENTITY, x86_THREAD_STATE64));
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE_EQ_INT(rig_thread_start(&faulters[i].thread, stop_at_breakpoint, &faulters[i]), 0);
        wait_until_queued(port, i + 1);
    }
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(!faulters[i].done);
    return port;
}

CASE(threads_queue_and_are_drained_in_order)
{
    struct faulter faulters[THREADS];
    mach_port_t port = suspend_all(faulters);
    for (unsigned i = 0; i < THREADS; i++) {
        struct rig_exception e;
        kit_receive(port, &e);
        CHECK_EQ_INT(e.thread, faulters[i].port);
        CHECK_EQ_INT(RIG_EXC_STATE64(&e)->__rip, (uint64_t)x_int3 + 1);
        CHECK_KERN(rig_exc_answer(&e, KERN_SUCCESS), KERN_SUCCESS);
        CHECK_ERROR_IS(rig_thread_join(faulters[i].thread), 0);
        CHECK(faulters[i].done);
        if (i + 1 < THREADS)
            CHECK(!faulters[i + 1].done);
    }
    CHECK_QUIET(port);
}

CASE(each_answer_resumes_its_own_thread)
{
    static struct rig_exception waiting[THREADS];
    struct faulter faulters[THREADS];
    mach_port_t port = suspend_all(faulters);
    for (unsigned i = 0; i < THREADS; i++)
        kit_receive(port, &waiting[i]);
    CHECK_QUIET(port);
    for (unsigned i = THREADS; i-- > 0;) { /* the last comes first */
        CHECK_KERN(rig_exc_answer(&waiting[i], KERN_SUCCESS), KERN_SUCCESS);
        CHECK_ERROR_IS(rig_thread_join(faulters[i].thread), 0);
        for (unsigned j = 0; j < i; j++)
            CHECK(!faulters[j].done);
    }
}
