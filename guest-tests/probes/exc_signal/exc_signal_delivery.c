/* exc_signal_delivery.c - what happens to the signal of an exception on its way: masks, handlers, faults in handlers,
 * signals that are blocked or ignored. Source: xnu-4570 bsd/kern/kern_sig.c threadsignal, issignal_locked, postsig_locked. */
#include "mach_memory.h"
#include "mach_threads.h"
#include "row.h"
#include "sys_compat.h"

#include <pthread.h>
#include <sys/mman.h>

static volatile int runs, mask_in_handler;
static char *volatile closed; /* a page that a handler opens */

static int blocked_now(void)
{
    sigset_t set;
    int bits = 0;
    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&set, sig))
            bits |= 1 << (sig - 1);
    return bits;
}

#define BIT(sig) (1 << ((sig) - 1))

static void block(int sig)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    REQUIRE_OK(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void open_page(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    runs++;
    mask_in_handler = blocked_now();
    if (info->si_addr != closed || mprotect(closed, row_page_size(), PROT_READ | PROT_WRITE) != 0)
        _exit(3);
}

/* In the handler: the signal itself, sa_mask and what was blocked before; after it, what was blocked before. */
CASE(mask_while_the_handler_runs)
{
    closed = row_page(PROT_NONE);
    block(SIGUSR1);
    row_handle(SIGBUS, open_page, 0, SIGUSR2);
    fault_write(closed);
    CHECK_EQ_INT(runs, 1);
    CHECK_EQ_INT(mask_in_handler, BIT(SIGBUS) | BIT(SIGUSR1) | BIT(SIGUSR2));
    CHECK_EQ_INT(blocked_now(), BIT(SIGUSR1));
}

CASE(nodefer_leaves_the_signal_open)
{
    closed = row_page(PROT_NONE);
    row_handle(SIGBUS, open_page, SA_NODEFER, 0);
    fault_write(closed);
    CHECK_EQ_INT(mask_in_handler, 0);
    CHECK_EQ_INT(runs, 1);
}

/* The instruction is tried again, with the registers it had. */
CASE(handler_repairs_and_it_is_tried_again)
{
    closed = row_page(PROT_NONE);
    row_handle(SIGBUS, open_page, 0, 0);
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(mprotect(closed, row_page_size(), PROT_NONE));
        fault_write(closed);
        CHECK_EQ_INT(runs, i);
        CHECK_EQ_INT(closed[0], 1);
    }
}

static char *volatile hole;

static void map_hole(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    runs++;
    if (info->si_addr != hole ||
        mmap(hole, row_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0) != hole)
        _exit(3);
}

CASE(handler_maps_the_hole)
{
    hole = row_page(PROT_READ);
    CHECK_OK(munmap(hole, row_page_size()));
    row_handle(SIGSEGV, map_hole, 0, 0);
    fault_write(hole);
    CHECK_EQ_INT(runs, 1);
    CHECK_EQ_INT(hole[0], 1);
}

static void skip_two_bytes(int sig, siginfo_t *info, void *context)
{
    ucontext_t *at = context;
    (void)sig, (void)info;
    runs++;
    at->uc_mcontext->__ss.__rip += 2;
    at->uc_mcontext->__ss.__rax = 4711;
}

/* sigreturn takes the registers from the context that the handler has changed (bsd/dev/i386/unix_signal.c sigreturn). */
CASE(handler_changes_the_registers)
{
    long rax = 0;
    row_handle(SIGILL, skip_two_bytes, 0, 0);
    __asm__ volatile("ud2" : "+a"(rax) : : "memory", "cc");
    CHECK_EQ_INT(runs, 1);
    CHECK_EQ_INT(rax, 4711);
}

static void count_and_stay(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    runs++;
}

static void fault_with_handler_once(void *arg)
{
    row_handle(SIGBUS, count_and_stay, (int)SA_RESETHAND, 0);
    fault_write(arg);
}

/* The handler does not repair: the second try finds the default action. */
CASE(resethand_kills_at_the_second_try)
{
    CHECK_KILLED_BY(rig_spawn(fault_with_handler_once, row_page(PROT_NONE)), SIGBUS);
}

static void fault_inside(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    runs++;
    if (sig == SIGBUS) {
        long rax = 0;
        __asm__ volatile("ud2" : "+a"(rax) : : "memory", "cc"); /* skip_two_bytes takes it */
        runs += rax == 4711 ? 10 : 0;
        mprotect(closed, row_page_size(), PROT_READ | PROT_WRITE);
    }
}

CASE(fault_of_another_kind_in_a_handler)
{
    closed = row_page(PROT_NONE);
    row_handle(SIGBUS, fault_inside, 0, 0);
    row_handle(SIGILL, skip_two_bytes, 0, 0);
    fault_write(closed);
    CHECK_EQ_INT(runs, 12);
}

static void die_of(void *provoke) { ((void (*)(void))(uintptr_t)provoke)(); }
static void of_segv(void) { fault_write(NULL); }
static void of_bus(void) { fault_write((void *)die_of); }
static void of_ill(void) { __asm__ volatile("ud2"); }
static void of_fpe(void) { __asm__ volatile("xorl %%ecx, %%ecx\n\tidivl %%ecx" : : : "eax", "ecx", "edx", "cc"); }
static void of_trap(void) { __asm__ volatile("int3"); }
static void of_step(void) { __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop" : : : "memory", "cc"); }

CASE(without_a_handler_it_kills)
{
    static const struct {
        void (*provoke)(void);
        int sig;
    } rows[] = {{of_segv, SIGSEGV}, {of_bus, SIGBUS},   {of_ill, SIGILL},
                {of_fpe, SIGFPE},   {of_trap, SIGTRAP}, {of_step, SIGTRAP}};
    for (size_t i = 0; i < RIG_COUNT(rows); i++)
        CHECK_KILLED_BY(rig_spawn(die_of, (void *)(uintptr_t)rows[i].provoke), rows[i].sig);
}

/* ---- Blocked and ignored ------------------------------------------------------------------------------------ */
/* threadsignal drops an ignored signal and queues a blocked one; the thread goes back to the same instruction, faults
 * again, and so on for ever: nothing kills it, as POSIX systems elsewhere do. Another task that gives the page its right
 * back ends that. */

struct victim {
    char *page;
    bool ignore;
    struct rig_gate ready, repaired;
};

enum { WROTE = 16, PENDING = 1, HANDLED = 2 };

static void fault_unseen(void *arg)
{
    struct victim *v = arg;
    row_handle(SIGBUS, count_and_stay, 0, 0);
    if (v->ignore)
        signal(SIGBUS, SIG_IGN);
    else
        block(SIGBUS);
    rig_gate_pass(&v->ready);
    fault_write(v->page);
    sigset_t pending;
    sigemptyset(&pending);
    rig_sigpending(&pending);
    _exit(WROTE | (sigismember(&pending, SIGBUS) ? PENDING : 0) | (runs ? HANDLED : 0));
}

/* Starts it and lets it fault for a while: it must neither die nor get on. */
static pid_t begin_fault(struct victim *v)
{
    int status;
    v->page = row_page(PROT_NONE);
    rig_gate_init(&v->ready);
    pid_t child = rig_spawn(fault_unseen, v);
    rig_gate_wait(&v->ready);
    rig_sleep_ms(300);
    CHECK_EQ_INT(waitpid(child, &status, WNOHANG), 0);
    return child;
}

static void repair_page(pid_t child, const struct victim *v)
{
    task_t task = rig_task_of(child);
    REQUIRE_KERN(rig_vm_protect(task, (mach_vm_address_t)v->page, row_page_size(), FALSE, VM_PROT_READ | VM_PROT_WRITE));
    CHECK_KERN(mach_port_deallocate(rig_task(), task), KERN_SUCCESS);
}

CASE(blocked_fault_is_tried_again_for_ever)
{
    struct victim v = {.ignore = false};
    pid_t child = begin_fault(&v);
    repair_page(child, &v);
    CHECK_EXITED(child, WROTE | PENDING); /* the signal has been queued all the while */
}

CASE(ignored_fault_is_tried_again_for_ever)
{
    struct victim v = {.ignore = true};
    pid_t child = begin_fault(&v);
    repair_page(child, &v);
    CHECK_EXITED(child, WROTE);
}

CASE(endless_fault_can_be_killed)
{
    struct victim v = {.ignore = false};
    pid_t child = begin_fault(&v);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_KILLED_BY(child, SIGKILL);
}

/* ---- Threads ------------------------------------------------------------------------------------------------- */

static char *thread_page[2];
static pthread_t handled_in[2];
static volatile int may_fault;

static void note_thread(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    int i = info->si_addr == thread_page[1];
    handled_in[i] = pthread_self();
    mprotect(thread_page[i], row_page_size(), PROT_READ | PROT_WRITE);
}

static void *fault_there(void *arg)
{
    while (!may_fault)
        rig_sleep_ms(1);
    fault_write(arg);
    return NULL;
}

/* The signal is the faulting thread's own, and so is the mask that counts: two fault at once, and the main thread, which
 * a signal of the process would go to, blocks it. */
CASE(fault_belongs_to_its_thread)
{
    pthread_t threads[2];
    row_handle(SIGBUS, note_thread, 0, 0);
    for (int i = 0; i < 2; i++) {
        thread_page[i] = row_page(PROT_NONE);
        int error = rig_thread_start(&threads[i], fault_there, thread_page[i]);
        if (!CHECK_ERROR_IS(error, 0))
            return;
    }
    /* After their start: they do not block it. (sigprocmask would: it is for all threads of the process, kern_sig.c
     * block_procsigmask.) */
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    CHECK_ERROR_IS(pthread_sigmask(SIG_BLOCK, &bus, NULL), 0);
    may_fault = 1;
    for (int i = 0; i < 2; i++)
        CHECK_ERROR_IS(rig_thread_join(threads[i]), 0);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_equal(handled_in[i], threads[i]));
        CHECK_EQ_INT(thread_page[i][0], 1);
    }
    sigset_t pending;
    sigemptyset(&pending);
    CHECK_OK(rig_sigpending(&pending));
    CHECK_EQ_INT(sigismember(&pending, SIGBUS), 0);
}
