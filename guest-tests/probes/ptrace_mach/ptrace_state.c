/* ptrace_state.c - the Mach way to what other systems have in ptrace: another task's registers and memory, breakpoints.
 * Source: xnu-4570 osfmk/i386/pcb.c machine_thread_get_state, machine_thread_set_state, set_thread_state64;
 * osfmk/kern/thread_act.c; osfmk/vm/vm_user.c; bsd/vm/vm_unix.c task_for_pid. */
#include "ipc_support.h"
#include "mach_memory.h"
#include "mach_threads.h"
#include "tracee.h"

#include <sys/mman.h>

/* The registers as the child's instructions see them: loads all from this, traps, stores all to it. rsp and rbp are left
 * alone. Order: rax rbx rcx rdx rdi rsi r8...r15 */
enum { REGISTERS = 14 };
struct shared {
    uint64_t in[REGISTERS], out[REGISTERS];
    volatile int number;
    volatile int called;
};

static void load_trap_store(void *arg)
{
    __asm__ volatile("pushq %%rbx\n\tpushq %%rbp\n\tpushq %0\n\t"
                     "movq %0, %%rbp\n\t"
                     "movq (%%rbp), %%rax\n\tmovq 8(%%rbp), %%rbx\n\tmovq 16(%%rbp), %%rcx\n\tmovq 24(%%rbp), %%rdx\n\t"
                     "movq 32(%%rbp), %%rdi\n\tmovq 40(%%rbp), %%rsi\n\tmovq 48(%%rbp), %%r8\n\tmovq 56(%%rbp), %%r9\n\t"
                     "movq 64(%%rbp), %%r10\n\tmovq 72(%%rbp), %%r11\n\tmovq 80(%%rbp), %%r12\n\tmovq 88(%%rbp), %%r13\n\t"
                     "movq 96(%%rbp), %%r14\n\tmovq 104(%%rbp), %%r15\n\t"
                     "int3\n\t"
                     "popq %%rbp\n\t"
                     "movq %%rax, 112(%%rbp)\n\tmovq %%rbx, 120(%%rbp)\n\tmovq %%rcx, 128(%%rbp)\n\t"
                     "movq %%rdx, 136(%%rbp)\n\tmovq %%rdi, 144(%%rbp)\n\tmovq %%rsi, 152(%%rbp)\n\t"
                     "movq %%r8, 160(%%rbp)\n\tmovq %%r9, 168(%%rbp)\n\tmovq %%r10, 176(%%rbp)\n\t"
                     "movq %%r11, 184(%%rbp)\n\tmovq %%r12, 192(%%rbp)\n\tmovq %%r13, 200(%%rbp)\n\t"
                     "movq %%r14, 208(%%rbp)\n\tmovq %%r15, 216(%%rbp)\n\t"
                     "popq %%rbp\n\tpopq %%rbx"
                     :
                     : "D"(arg)
                     : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

/* The same registers of a state, in that order. */
static uint64_t *of_state(x86_thread_state64_t *s, int i)
{
    uint64_t *const all[REGISTERS] = {&s->__rax, &s->__rbx, &s->__rcx, &s->__rdx, &s->__rdi, &s->__rsi, &s->__r8,
                                      &s->__r9,  &s->__r10, &s->__r11, &s->__r12, &s->__r13, &s->__r14, &s->__r15};
    return all[i];
}

static struct shared *new_shared(void)
{
    struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    REQUIRE_OK((intptr_t)shared);
    for (int i = 0; i < REGISTERS; i++)
        shared->in[i] = 0x1111000000000000u * (unsigned)(i % 7) + 0xabc00u + (unsigned)i;
    return shared;
}

/* A traced child in that function, stopped behind its int3 or where it began. */
struct target {
    pid_t pid;
    task_t task;
    thread_act_t thread;
};

static struct target start(void (*fn)(void *), void *arg)
{
    struct target t = {.pid = rig_tracee(fn, arg)};
    t.task = rig_task_of(t.pid);
    REQUIRE_EQ_INT(rig_count_threads(t.task, &t.thread), 1);
    return t;
}

static struct target start_at_trap(void (*fn)(void *), void *arg)
{
    struct target t = start(fn, arg);
    REQUIRE_OK(rig_trace_continue(t.pid, 0));
    RIG_REQUIRE(CHECK_STOPPED(t.pid, SIGTRAP));
    return t;
}

CASE(registers_are_read)
{
    struct shared *shared = new_shared();
    struct target t = start_at_trap(load_trap_store, shared);
    x86_thread_state64_t state;
    REQUIRE_KERN(rig_get_registers(t.thread, &state));
    for (int i = 0; i < REGISTERS; i++)
        if (!CHECK_EQ_INT(*of_state(&state, i), shared->in[i]))
            NOTE("register %d", i);
    unsigned char before;
    CHECK_KERN(rig_peek(t.task, (void *)(state.__rip - 1), &before, 1), KERN_SUCCESS);
    CHECK_EQ_INT(before, 0xcc); /* behind the int3 */
    CHECK_EQ_INT(state.__cs & 3, 3);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 0");
    for (int i = 0; i < REGISTERS; i++)
        CHECK_EQ_INT(shared->out[i], shared->in[i]); /* reading changes nothing */
}

CASE(registers_are_written)
{
    struct shared *shared = new_shared();
    struct target t = start_at_trap(load_trap_store, shared);
    x86_thread_state64_t state;
    REQUIRE_KERN(rig_get_registers(t.thread, &state));
    for (int i = 0; i < REGISTERS; i++)
        *of_state(&state, i) = ~shared->in[i];
    CHECK_KERN(rig_set_registers(t.thread, &state), KERN_SUCCESS);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 0");
    for (int i = 0; i < REGISTERS; i++)
        if (!CHECK_EQ_INT(shared->out[i], ~shared->in[i]))
            NOTE("register %d", i);
}

static void trap_then_5(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
    _exit(5);
}

_Noreturn static void leave_6(void) { _exit(6); }

/* What PT_CONTINUE at an address is elsewhere. */
CASE(it_goes_on_elsewhere)
{
    struct target t = start_at_trap(trap_then_5, NULL);
    x86_thread_state64_t state;
    REQUIRE_KERN(rig_get_registers(t.thread, &state));
    state.__rip = (uint64_t)(uintptr_t)leave_6;
    state.__rsp = (state.__rsp & ~(uint64_t)15) - 8; /* as after a call */
    CHECK_KERN(rig_set_registers(t.thread, &state), KERN_SUCCESS);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 6");
}

CASE(states_that_are_refused)
{
    struct target t = start_at_trap(trap_then_5, NULL);
    x86_thread_state64_t good, bad;
    natural_t words[x86_THREAD_STATE64_COUNT];
    mach_msg_type_number_t count = x86_THREAD_STATE64_COUNT - 1;
    REQUIRE_KERN(rig_get_registers(t.thread, &good));
    CHECK_KERN(rig_thread_get_state(t.thread, x86_THREAD_STATE64, words, &count), KERN_INVALID_ARGUMENT);
    count = x86_THREAD_STATE64_COUNT;
    CHECK_KERN(rig_thread_get_state(t.thread, 12345, words, &count), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_thread_set_state(t.thread, x86_THREAD_STATE64, (thread_state_t)&good, x86_THREAD_STATE64_COUNT - 1),
               KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_thread_set_state(t.thread, 12345, (thread_state_t)&good, x86_THREAD_STATE64_COUNT),
               KERN_INVALID_ARGUMENT);
    bad = good;
    bad.__rip = 0x8000000000000000; /* an address that cannot be */
    CHECK_KERN(rig_set_registers(t.thread, &bad), KERN_INVALID_ARGUMENT);
    CHECK_KERN(rig_get_registers(rig_task(), &bad), KERN_INVALID_ARGUMENT); /* that port is no thread's */
    CHECK_RUNS_TO_EXIT(t.pid, "exit 5"); /* none of it took */
}

/* A tracer cannot lift its tracee into the kernel: code segment and privilege bits are set as a user's
 * (set_thread_state64: EFL_USER_CLEAR, EFL_USER_SET). */
CASE(flags_and_segments_stay_a_users)
{
    enum { CARRY = 1, IOPL = 0x3000, INTERRUPTS = 0x200 };
    struct target t = start_at_trap(trap_then_5, NULL);
    x86_thread_state64_t state, after;
    REQUIRE_KERN(rig_get_registers(t.thread, &state));
    state.__rflags = (state.__rflags | IOPL | CARRY) & ~(uint64_t)INTERRUPTS;
    state.__cs = 8;
    CHECK_KERN(rig_set_registers(t.thread, &state), KERN_SUCCESS);
    REQUIRE_KERN(rig_get_registers(t.thread, &after));
    CHECK_EQ_INT(after.__rflags & IOPL, 0);
    CHECK_EQ_INT(after.__rflags & INTERRUPTS, INTERRUPTS);
    CHECK_EQ_INT(after.__rflags & CARRY, CARRY);
    CHECK_EQ_INT(after.__cs & 3, 3);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 5");
}

static void double_and_trap(void *arg)
{
    struct shared *shared = arg;
    double value = 1.5;
    __asm__ volatile("movsd %0, %%xmm3\n\tint3\n\tmovsd %%xmm3, %0" : "+m"(value) : : "xmm3");
    shared->number = (int)(value * 2);
}

CASE(floating_point_registers)
{
    struct shared *shared = new_shared();
    struct target t = start_at_trap(double_and_trap, shared);
    x86_float_state64_t state;
    mach_msg_type_number_t count = x86_FLOAT_STATE64_COUNT;
    double value = 0;
    REQUIRE_KERN(rig_thread_get_state(t.thread, x86_FLOAT_STATE64, (thread_state_t)&state, &count));
    CHECK_EQ_INT(count, x86_FLOAT_STATE64_COUNT);
    memcpy(&value, &state.__fpu_xmm3, sizeof value);
    CHECK(value == 1.5);
    value = 21;
    memcpy(&state.__fpu_xmm3, &value, sizeof value);
    CHECK_KERN(rig_thread_set_state(t.thread, x86_FLOAT_STATE64, (thread_state_t)&state, count), KERN_SUCCESS);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 0");
    CHECK_EQ_INT(shared->number, 42);
}

static void write_number(void *arg)
{
    struct shared *shared = arg;
    shared->called = 1;
    shared->number = 4711;
    shared->called = 2;
}

/* A debug register watches four bytes for writes (x86_DEBUG_STATE64; osfmk/i386/pcb.c set_debug_state64). */
CASE(watchpoint)
{
    struct shared *shared = new_shared();
    struct target t = start(write_number, shared);
    x86_debug_state64_t debug;
    mach_msg_type_number_t count = x86_DEBUG_STATE64_COUNT;
    memset(&debug, 0, sizeof debug);
    debug.__dr0 = (uint64_t)(uintptr_t)&shared->number;
    debug.__dr7 = 1u | (1u << 16) | (3u << 18); /* on for dr0; writes; four bytes */
    REQUIRE_KERN(rig_thread_set_state(t.thread, x86_DEBUG_STATE64, (thread_state_t)&debug, count));
    CHECK_OK(rig_trace_continue(t.pid, 0));
    CHECK_STOPPED(t.pid, SIGTRAP);
    CHECK_EQ_INT(shared->number, 4711); /* behind the write */
    CHECK_EQ_INT(shared->called, 1);
    CHECK_KERN(rig_thread_get_state(t.thread, x86_DEBUG_STATE64, (thread_state_t)&debug, &count), KERN_SUCCESS);
    CHECK_EQ_INT(debug.__dr6 & 15, 1);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 0");
}

/* An address of the kernel cannot be watched. */
CASE(watchpoint_in_the_kernel_is_refused)
{
    struct target t = start(write_number, new_shared());
    x86_debug_state64_t debug;
    memset(&debug, 0, sizeof debug);
    debug.__dr0 = 0xffffff8000200000;
    debug.__dr7 = 1u | (1u << 16) | (3u << 18);
    CHECK_KERN(rig_thread_set_state(t.thread, x86_DEBUG_STATE64, (thread_state_t)&debug, x86_DEBUG_STATE64_COUNT),
               KERN_INVALID_ARGUMENT);
    CHECK_RUNS_TO_EXIT(t.pid, "exit 0");
}

static void as_other_user(void *arg)
{
    task_t task = MACH_PORT_NULL;
    ipc_become_other_user();
    CHECK_KERN(task_for_pid(rig_task(), *(pid_t *)arg, &task), KERN_FAILURE);
    CHECK_EQ_INT(task, MACH_PORT_NULL);
}

CASE(task_for_pid_needs_the_right, .needs_root = true)
{
    ipc_need_other_user();
    pid_t child = rig_tracee_idle();
    CHECK_EXITED(rig_spawn(as_other_user, &child), 0);
    task_t task = rig_task_of(child); /* root may */
    int pid = 0;
    CHECK_KERN(pid_for_task(task, &pid), KERN_SUCCESS);
    CHECK_EQ_INT(pid, child);
    rig_kill(child);
    CHECK_KERN(pid_for_task(task, &pid), KERN_FAILURE);
    CHECK_KERN(task_for_pid(rig_task(), child, &task), KERN_FAILURE);
}
