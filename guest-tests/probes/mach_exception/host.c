/* host.c - the host's exception ports: the last level, where the kernel's Unix handler sits and makes the signals.
 *
 * What is set there is set for the whole machine. So: for one rare type only (EXC_ARITHMETIC); every exception that is
 * not this task's is left to the saved port; and a guardian process of a session of its own puts the saved port back
 * should the case die first. */
#include "kit.h"

#include <sys/utsname.h>

static const exception_mask_t RARE = EXC_MASK_ARITHMETIC;

static mach_port_t host_port(void) { return mach_host_self(); }

static void store(void *address) { x_store(address); }
static void divide(void *arg) { x_divide(), (void)arg; }

struct guarded {
    struct rig_exc_ports saved; /* for RARE */
    struct rig_gate ready;
    int life[2];
    pid_t guardian;
};

static void guard(void *argument)
{
    struct guarded *g = argument;
    struct rig_exc_ports saved; /* rights of its own: the parent's are not inherited */
    char byte;
    setsid();
    close(g->life[1]);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &saved));
    rig_gate_pass(&g->ready);
    while (read(g->life[0], &byte, 1) < 0 && errno == EINTR) {
    }
    rig_exc_restore(RIG_EXC_HOST, host_port(), &saved);
    _exit(0);
}

static void guard_host(struct guarded *g)
{
    memset(g, 0, sizeof *g);
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &g->saved));
    REQUIRE_EQ_INT(g->saved.count, 1);
    REQUIRE(g->saved.ports[0] != MACH_PORT_NULL);
    REQUIRE_OK(pipe(g->life));
    rig_gate_init(&g->ready);
    g->guardian = rig_spawn(guard, g);
    close(g->life[0]);
    rig_gate_wait(&g->ready);
}

static void unguard_host(struct guarded *g)
{
    CHECK_KERN(rig_exc_restore(RIG_EXC_HOST, host_port(), &g->saved), KERN_SUCCESS);
    close(g->life[1]);
    CHECK_EXITED(g->guardian, 0);
    rig_gate_close(&g->ready);
    struct rig_exc_ports now;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &now));
    CHECK_EQ_INT(now.ports[0], g->saved.ports[0]);
}

/* A handler for the host's port: what is not this task's goes where it went before. */
struct host_handler {
    struct rig_exc_handler handler;
    mach_port_t saved;
    int declines; /* so often, then what comes goes on to the saved port */
    bool skips;
    int own;
};

static kern_return_t serve_host(struct rig_exception *e, void *argument)
{
    struct host_handler *h = argument;
    if (e->task != rig_task())
        return rig_exc_forward(e, h->saved) == KERN_SUCCESS ? RIG_EXC_KEPT : KERN_FAILURE;
    h->own++;
    if (h->skips)
        return kit_skip(e, DIVIDE_LENGTH);
    if (h->declines-- > 0)
        return KERN_FAILURE;
    return rig_exc_forward(e, h->saved) == KERN_SUCCESS ? RIG_EXC_KEPT : KERN_FAILURE;
}

CASE(host_ports_are_the_unix_handler, .needs_root = true)
{
    struct rig_exc_ports found;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), EXC_MASK_ALL | EXC_MASK_CRASH, &found));
    int first = rig_exc_entry(&found, EXC_BAD_ACCESS);
    REQUIRE(first >= 0);
    CHECK_NE_INT(found.ports[first], MACH_PORT_NULL);
    CHECK_EQ_INT(found.behaviors[first], WIDE_DEFAULT);
    CHECK_EQ_INT(found.flavors[first], 0);
    static const exception_type_t same[] = {EXC_BAD_INSTRUCTION, EXC_ARITHMETIC, EXC_EMULATION, EXC_SOFTWARE, EXC_BREAKPOINT};
    for (size_t i = 0; i < RIG_COUNT(same); i++)
        CHECK_EQ_INT(rig_exc_entry(&found, same[i]), first);
    CHECK_NE_INT(rig_exc_entry(&found, EXC_RPC_ALERT), first);
    CHECK_NE_INT(rig_exc_entry(&found, EXC_CRASH), first);
}

CASE(host_is_asked_last, .needs_root = true)
{
    struct guarded g;
    struct host_handler host = {.skips = true};
    struct kit thread, task;
    guard_host(&g);
    kit_start(&thread, KIT_DECLINE);
    kit_start(&task, KIT_DECLINE);
    rig_exc_start(&host.handler, serve_host, &host);
    host.saved = g.saved.ports[0];
    kit_watch(&thread, RIG_EXC_THREAD, RARE, WIDE_DEFAULT);
    kit_watch(&task, RIG_EXC_TASK, RARE, WIDE_DEFAULT);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), RARE, host.handler.port, WIDE_IDENTITY, x86_THREAD_STATE64));
    rig_catch(SIGFPE, 0);
    x_divide();
    unguard_host(&g);
    CHECK_EQ_INT(kit_served(&thread), 1);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(host.own, 1);
    CHECK_LT_INT(thread.turn, task.turn);
    CHECK_EQ_INT(rig_caught(SIGFPE), 0); /* whoever sits at the host's port decides whether there is a signal */
    rig_exc_stop(&host.handler);
    kit_stop(&thread);
    kit_stop(&task);
}

/* When the last level declines nothing follows, not even the signal: the thread runs on, and faults again. */
CASE(declined_by_the_host_is_no_signal, .needs_root = true)
{
    struct guarded g;
    struct host_handler host = {.declines = 3};
    guard_host(&g);
    rig_exc_start(&host.handler, serve_host, &host);
    host.saved = g.saved.ports[0];
    REQUIRE_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), RARE, host.handler.port, WIDE_DEFAULT, 0));
    struct fault signal = fault_of(divide, NULL);
    unguard_host(&g);
    CHECK_EQ_INT(host.own, 4); /* the fourth was left to the Unix handler */
    CHECK_EQ_INT(signal.sig, SIGFPE);
    rig_exc_stop(&host.handler);
}

/* swap does not know the 64-bit codes, unlike set, and unlike swap of the other two levels. */
CASE(host_swap_takes_narrow_codes_only, .needs_root = true)
{
    struct guarded g;
    struct host_handler host = {.skips = true};
    struct rig_exc_ports old;
    guard_host(&g);
    rig_exc_start(&host.handler, serve_host, &host);
    host.saved = g.saved.ports[0];
    CHECK_KERN(rig_exc_swap(RIG_EXC_HOST, host_port(), RARE, host.handler.port, WIDE_DEFAULT, 0, &old), KERN_INVALID_ARGUMENT);
    kern_return_t swapped = rig_exc_swap(RIG_EXC_HOST, host_port(), RARE, host.handler.port, EXCEPTION_DEFAULT, 0, &old);
    if (swapped == KERN_SUCCESS)
        x_divide();
    unguard_host(&g);
    CHECK_KERN(swapped, KERN_SUCCESS);
    CHECK_EQ_INT(old.count, 1);
    CHECK_EQ_INT(old.ports[0], g.saved.ports[0]);
    CHECK_EQ_INT(old.behaviors[0], WIDE_DEFAULT);
    CHECK_EQ_INT(host.own, 1);
    CHECK_EQ_INT(host.handler.last.behavior, EXCEPTION_DEFAULT);
    rig_exc_stop(&host.handler);
}

CASE(host_refuses_what_the_others_refuse, .needs_root = true)
{
    mach_port_t port = rig_port(true);
    struct rig_exc_ports found;
    CHECK_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), 1u << EXC_TYPES_COUNT, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), 1, &found), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), RARE, port, 77, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), RARE, port, EXCEPTION_STATE, 99), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_swap(RIG_EXC_HOST, host_port(), RARE, port, EXCEPTION_STATE, 99, &found), KERN_INVALID_ARGUMENT);
}

/* The host port of a user that is not root is the plain one, without the privilege. */
static void try_as_nobody(void *argument)
{
    (void)argument;
    struct rig_exc_ports found;
    if (geteuid() == 0)
        REQUIRE_OK(setuid(77));
    mach_port_t port = rig_port(true);
    CHECK_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &found), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_set(RIG_EXC_HOST, host_port(), RARE, port, EXCEPTION_DEFAULT, 0), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_exc_swap(RIG_EXC_HOST, host_port(), RARE, port, EXCEPTION_DEFAULT, 0, &found), KERN_INVALID_ARGUMENT);
}

CASE(host_ports_need_the_privilege)
{
    pid_t child = rig_spawn(try_as_nobody, NULL);
    CHECK_EXITED(child, 0);
}

/* ---- Forwarding to the Unix handler ------------------------------------------------------------------------------- */

/* The saved port of the host is the Unix handler's: what is left to it becomes the signal, with its address. */
CASE(forwarding_to_the_unix_handler, .needs_root = true)
{
    struct rig_exc_ports host;
    struct kit task;
    char *hole = kit_hole();
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), EXC_MASK_BAD_ACCESS, &host));
    kit_start(&task, KIT_FORWARD);
    task.next = host.ports[0];
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_ACCESS, WIDE_DEFAULT);
    struct fault signal = fault_of(store, hole + 11);
    CHECK_EQ_INT(signal.sig, SIGSEGV);
    CHECK_EQ_INT((intptr_t)signal.address, (intptr_t)hole + 11);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
}

/* Asked as a client, it says success: the exception is handled, by way of a signal. */
CASE(asking_the_unix_handler, .needs_root = true)
{
    struct rig_exc_ports host;
    struct kit task;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &host));
    kit_start(&task, KIT_ASK);
    task.next = host.ports[0];
    kit_watch(&task, RIG_EXC_TASK, RARE, WIDE_DEFAULT);
    CHECK_EQ_INT(fault_of(divide, NULL).sig, SIGFPE);
    CHECK_EQ_INT(kit_served(&task), 1);
    kit_stop(&task);
}

static int kernel_release(void)
{
    struct utsname name;
    return uname(&name) == 0 ? atoi(name.release) : 0;
}

/* It serves the default form only; the state forms it refuses, so that the exception goes to the next level. Up to Darwin
 * 17 it is a thread that gives MIG's server a reply buffer too small for those forms (bsd/uxkern/ux_exception.c
 * ux_handler: rep_msg), so that the refusal writes past it, on the kernel's stack. */
CASE(unix_handler_refuses_the_state_forms, .needs_root = true)
{
    if (kernel_release() < 18)
        DANGEROUS("the kernel's reply buffer is too small for a state form");
    struct rig_exc_ports host;
    struct kit thread, task;
    REQUIRE_KERN(rig_exc_get(RIG_EXC_HOST, host_port(), RARE, &host));
    kit_start(&thread, KIT_FORWARD);
    kit_start(&task, KIT_SKIP);
    task.length = DIVIDE_LENGTH;
    thread.next = host.ports[0];
    kit_watch(&task, RIG_EXC_TASK, RARE, WIDE_DEFAULT);
    rig_catch(SIGFPE, 0);
    static const exception_behavior_t forms[] = {WIDE_STATE, WIDE_IDENTITY};
    for (size_t i = 0; i < RIG_COUNT(forms); i++) {
        kit_watch(&thread, RIG_EXC_THREAD, RARE, forms[i]);
        x_divide();
        CHECK_EQ_INT(kit_served(&thread), (int)i + 1);
        CHECK_EQ_INT(kit_served(&task), (int)i + 1);
        CHECK_EQ_INT(rig_caught(SIGFPE), 0);
    }
    kit_stop(&thread);
    kit_stop(&task);
}
