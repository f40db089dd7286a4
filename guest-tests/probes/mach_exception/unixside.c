/* unixside.c - exception handlers and signal handlers together. */
#include "kit.h"

static kern_return_t decline_three_times(struct rig_exception *e, void *argument)
{
    int *left = argument;
    return (*left)-- > 0 ? KERN_FAILURE : kit_map(rig_task(), (uint64_t)e->code[1]);
}

/* Starts a handler that declines three faults and mends the fourth, and stores through it. */
static int faults_until_mended(char *hole)
{
    struct rig_exc_handler handler;
    int left = 3;
    rig_exc_start(&handler, decline_three_times, &left);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, handler.port, WIDE_DEFAULT, 0));
    x_store(hole);
    CHECK_EQ_INT(*hole, 1);
    int served = handler.served;
    rig_exc_stop(&handler);
    return served;
}

/* A fault's signal that is ignored is dropped, and the instruction faults again: for ever, were it not for the handler. */
CASE(ignored_signal_lets_the_fault_repeat)
{
    REQUIRE(signal(SIGSEGV, SIG_IGN) != SIG_ERR);
    CHECK_EQ_INT(faults_until_mended(kit_hole()), 4);
}

/* Blocked, it stays pending, and comes once when it is let through. */
CASE(blocked_signal_lets_the_fault_repeat)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    rig_catch(SIGSEGV, 0);
    REQUIRE_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_EQ_INT(faults_until_mended(kit_hole()), 4);
    CHECK_EQ_INT(rig_caught(SIGSEGV), 0);
    REQUIRE_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ_INT(rig_caught(SIGSEGV), 1);
}

static char *hole_for_the_handler;
static volatile int in_handler;

static void fault_inside(int sig)
{
    (void)sig;
    in_handler++;
    x_store(hole_for_the_handler);
    in_handler++;
}

static kern_return_t mend_the_second(struct rig_exception *e, void *argument)
{
    (void)argument;
    return in_handler ? kit_map(rig_task(), (uint64_t)e->code[1]) : KERN_FAILURE;
}

/* The first fault becomes a signal; its handler faults at another place, with SIGSEGV blocked: the exception handler is
 * asked there, too, and mends it. Back from the signal handler the first faults again. */
CASE(fault_within_a_signal_handler)
{
    struct rig_exc_handler handler;
    struct sigaction action;
    char *hole = kit_hole();
    hole_for_the_handler = hole + 16 * (long)getpagesize();
    memset(&action, 0, sizeof action);
    action.sa_handler = fault_inside;
    REQUIRE_OK(sigaction(SIGSEGV, &action, NULL));
    rig_exc_start(&handler, mend_the_second, NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, handler.port, WIDE_DEFAULT, 0));
    x_store(hole);
    CHECK_EQ_INT(in_handler, 2);
    CHECK_EQ_INT(*hole_for_the_handler, 1);
    CHECK_EQ_INT(*hole, 1);
    CHECK_EQ_INT(handler.served, 3); /* declined, mended in the handler, mended after it */
    rig_exc_stop(&handler);
}

static volatile int order, exception_at, signal_at;

static void note_signal(int sig)
{
    (void)sig;
    signal_at = ++order;
}

static kern_return_t note_exception(struct rig_exception *e, void *argument)
{
    (void)argument;
    (void)e;
    exception_at = ++order;
    return KERN_FAILURE;
}

/* A trap, so that the signal handler can return past it. */
CASE(exception_handler_is_asked_before_the_signal_handler)
{
    struct rig_exc_handler handler;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    REQUIRE_OK(sigaction(SIGTRAP, &action, NULL));
    rig_exc_start(&handler, note_exception, NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, handler.port, WIDE_DEFAULT, 0));
    x_int3();
    CHECK_EQ_INT(exception_at, 1);
    CHECK_EQ_INT(signal_at, 2);
    rig_exc_stop(&handler);
}

/* A signal that was sent is no exception: no port hears of it. */
CASE(sent_signal_is_no_exception)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGUSR1};
    mach_port_t port = rig_port(true);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_ALL, port, WIDE_DEFAULT, 0));
    for (size_t i = 0; i < RIG_COUNT(signals); i++) {
        rig_catch(signals[i], 0);
        REQUIRE_OK(kill(getpid(), signals[i]));
        CHECK_EQ_INT(rig_caught(signals[i]), 1);
    }
    CHECK_QUIET(port);
}
