/* mach_exc_serve.c - serving an exception port, in this thread or in one of its own: see mach_exc_messages.h. */
#include "mach_exc_messages.h"
#include "mach_threads.h"

#ifdef __APPLE__

static int serve(mach_port_t port, rig_exc_function *function, void *argument, int most, double seconds,
                 struct rig_exc_handler *handler)
{
    int served = 0;
    while (most == 0 || served < most) {
        struct rig_exception e;
        kern_return_t result = rig_exc_receive(port, seconds, &e);
        if (result == MACH_RCV_INTERRUPTED || result == MIG_BAD_ID)
            continue;
        if (result != KERN_SUCCESS)
            break; /* timed out, or the port died */
        served++;
        if (handler) { /* before the answer: the faulting thread reads it once it runs again */
            handler->last = e;
            handler->served = served;
        }
        kern_return_t answer = function(&e, argument);
        if (answer != RIG_EXC_KEPT)
            rig_exc_answer(&e, answer);
    }
    return served;
}

int rig_exc_serve(mach_port_t port, rig_exc_function *function, void *argument, int most, double seconds)
{
    return serve(port, function, argument, most, seconds, NULL);
}

static void *handler_thread(void *argument)
{
    struct rig_exc_handler *handler = argument;
    serve(handler->port, handler->function, handler->argument, 0, 600, handler);
    return NULL;
}

void rig_exc_start(struct rig_exc_handler *handler, rig_exc_function *function, void *argument)
{
    memset(handler, 0, sizeof *handler);
    handler->port = rig_port(true);
    handler->function = function;
    handler->argument = argument;
    int error = rig_thread_start(&handler->thread, handler_thread, handler);
    if (error != 0) {
        CHECK_ERROR_IS(error, 0);
        rig_give_up();
    }
}

void rig_exc_stop(struct rig_exc_handler *handler)
{
    CHECK_KERN(mach_port_mod_refs(rig_task(), handler->port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_ERROR_IS(rig_thread_join(handler->thread), 0);
    mach_port_deallocate(rig_task(), handler->port); /* the send right, a dead name by now */
}

#endif
