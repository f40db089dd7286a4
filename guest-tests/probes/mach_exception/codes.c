/* codes.c - what each exception carries: its type, code[0], code[1], and where the thread stands. */
#include "kit.h"

#include <sys/mman.h>

/* Provokes a fault with a handler that skips it, and checks what came. at: the rip the message must show; 0: not told. */
static void check_codes(struct rig_at where, void (*fault)(void *), void *arg, int length, exception_type_t type,
                        int64_t code, int64_t subcode, uint64_t at)
{
    struct kit task;
    kit_start(&task, KIT_SKIP);
    task.length = length;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ALL, WIDE_IDENTITY);
    fault(arg);
    struct rig_exception *e = &task.handler.last;
    rig_check_int(where, kit_served(&task), "==", 1, kit_served(&task) == 1);
    rig_check_int(where, e->type, "==", type, e->type == type);
    rig_check_int(where, e->code_count, "==", 2, e->code_count == 2);
    rig_check_int(where, e->code[0], "==", code, e->code[0] == code);
    rig_check_int(where, e->code[1], "==", subcode, e->code[1] == subcode);
    if (at) {
        long long rip = (long long)RIG_EXC_STATE64(e)->__rip;
        rig_check_int(where, rip, "==", (long long)at, rip == (long long)at);
    }
    kit_unwatch(RIG_EXC_TASK, EXC_MASK_ALL);
    kit_stop(&task);
}
#define CHECK_CODES(...) check_codes(RIG_AT("exception"), __VA_ARGS__)

static void store(void *address) { x_store(address); }
static void load(void *address) { x_load_byte(address); }
static void ud2(void *arg) { x_ud2(), (void)arg; }
static void hlt(void *arg) { x_hlt(), (void)arg; }
static void int3(void *arg) { x_int3(), (void)arg; }
static void bounds(void *arg) { x_bounds(), (void)arg; }
static void divide(void *arg) { x_divide(), (void)arg; }

CASE(unmapped_address)
{
    char *hole = kit_hole();
    CHECK_CODES(store, hole + 0x123, STORE_LENGTH, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, (intptr_t)hole + 0x123,
                (uint64_t)x_store);
    CHECK_CODES(load, hole, 2, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, (intptr_t)hole, (uint64_t)x_load_byte);
}

CASE(page_zero)
{
    CHECK_CODES(store, NULL, STORE_LENGTH, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, 0, (uint64_t)x_store);
    CHECK_CODES(store, (void *)0x18, STORE_LENGTH, EXC_BAD_ACCESS, KERN_INVALID_ADDRESS, 0x18, (uint64_t)x_store);
}

CASE(memory_without_the_right)
{
    char *read_only = kit_page(PROT_READ), *closed = kit_page(PROT_NONE);
    CHECK_CODES(store, read_only + 7, STORE_LENGTH, EXC_BAD_ACCESS, KERN_PROTECTION_FAILURE, (intptr_t)read_only + 7,
                (uint64_t)x_store);
    CHECK_CODES(load, closed + 9, 2, EXC_BAD_ACCESS, KERN_PROTECTION_FAILURE, (intptr_t)closed + 9, (uint64_t)x_load_byte);
    CHECK_EQ_INT(read_only[7], 0);
}

/* A general protection fault has no address: cr2 holds none. */
CASE(non_canonical_address)
{
    CHECK_CODES(store, (void *)0x8000000000000000u, STORE_LENGTH, EXC_BAD_ACCESS, EXC_I386_GPFLT, 0, (uint64_t)x_store);
}

CASE(privileged_instruction)
{
    CHECK_CODES(hlt, NULL, HLT_LENGTH, EXC_BAD_ACCESS, EXC_I386_GPFLT, 0, (uint64_t)x_hlt);
}

CASE(undefined_instruction)
{
    CHECK_CODES(ud2, NULL, UD2_LENGTH, EXC_BAD_INSTRUCTION, EXC_I386_INVOP, 0, (uint64_t)x_ud2);
}

CASE(division_by_zero) { CHECK_CODES(divide, NULL, DIVIDE_LENGTH, EXC_ARITHMETIC, EXC_I386_DIV, 0, 0); }

/* 1.0 / 0.0 on the x87 with that exception unmasked; the fwait faults. An emulator may leave it out. */
static void x87_divide(void *arg)
{
    uint16_t *status = arg;
    uint16_t control = 0x037b; /* all masked but divide-by-zero */
    __asm__ volatile("fninit\n\tfldcw %1\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait\n\tfnstsw %0\n\tfninit"
                     : "=m"(*status)
                     : "m"(control));
}

CASE(x87_division)
{
    struct kit task;
    uint16_t status = 0;
    kit_start(&task, KIT_SKIP);
    task.length = 1; /* fwait */
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_ALL, WIDE_IDENTITY);
    x87_divide(&status);
    if (kit_served(&task) == 0 && (status & 4))
        UNSUPPORTED("this processor does not trap: status 0x%x", status);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(task.handler.last.type, EXC_ARITHMETIC);
    CHECK_EQ_INT(task.handler.last.code[0], EXC_I386_EXTERR);
    CHECK_EQ_INT(task.handler.last.code[1] & 0xff, 0x84); /* the status word: zero divide, and its summary */
    kit_stop(&task);
}

CASE(breakpoint) { CHECK_CODES(int3, NULL, 0, EXC_BREAKPOINT, EXC_I386_BPT, 0, (uint64_t)x_int3 + 1); }

static kern_return_t stop_stepping(struct rig_exception *e, void *arg)
{
    (void)arg;
    RIG_EXC_STATE64(e)->__rflags &= ~(uint64_t)0x100;
    return KERN_SUCCESS;
}

CASE(single_step)
{
    struct rig_exc_handler handler;
    rig_exc_start(&handler, stop_stepping, NULL);
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BREAKPOINT, handler.port, WIDE_STATE, x86_THREAD_STATE64));
    x_step();
    CHECK_EQ_INT(handler.served, 1); /* once: the trap flag was cleared by the new state */
    CHECK_EQ_INT(handler.last.type, EXC_BREAKPOINT);
    CHECK_EQ_INT(handler.last.code[0], EXC_I386_SGL);
    CHECK((RIG_EXC_STATE64(&handler.last)->__rflags & 0x100) != 0);
    rig_exc_stop(&handler);
}

CASE(bounds_gate) { CHECK_CODES(bounds, NULL, 0, EXC_SOFTWARE, EXC_I386_BOUND, 0, (uint64_t)x_bounds + 2); }

/* The registers in the message are the thread's at the fault: all of them, not only rip. */
CASE(state_holds_the_registers)
{
    struct kit task;
    uint64_t rax = 0x1111222233334444, r15 = 0x5555666677778888, rsp_before;
    kit_start(&task, KIT_SKIP);
    task.length = UD2_LENGTH;
    kit_watch(&task, RIG_EXC_TASK, EXC_MASK_BAD_INSTRUCTION, WIDE_STATE);
    __asm__ volatile("movq %1, %%rax\n\tmovq %2, %%r15\n\tmovq %%rsp, %0\n\tud2"
                     : "=&r"(rsp_before)
                     : "r"(rax), "r"(r15)
                     : "rax", "r15", "memory");
    const x86_thread_state64_t *state = RIG_EXC_STATE64(&task.handler.last);
    CHECK_EQ_INT(state->__rax, rax);
    CHECK_EQ_INT(state->__r15, r15);
    CHECK_EQ_INT(state->__rsp, rsp_before);
    CHECK_EQ_INT(task.handler.last.state_count, x86_THREAD_STATE64_COUNT);
    kit_stop(&task);
}

/* The trap's own words: x86_EXCEPTION_STATE64 tells trap number, error code and cr2. */
CASE(exception_state_tells_the_trap)
{
    struct kit task;
    kit_start(&task, KIT_MAP);
    char *hole = kit_hole();
    REQUIRE_KERN(rig_exc_set(RIG_EXC_TASK, rig_task(), EXC_MASK_BAD_ACCESS, task.handler.port, WIDE_STATE,
                             x86_EXCEPTION_STATE64));
    /* Such a state can be read, not set (osfmk/i386/pcb.c machine_thread_set_state): the handler's success counts for
     * nothing, and the signal comes though the page is there by then. */
    struct fault signal = fault_of(store, hole + 3);
    CHECK_EQ_INT(kit_served(&task), 1);
    CHECK_EQ_INT(task.handler.last.flavor, x86_EXCEPTION_STATE64);
    CHECK_EQ_INT(task.handler.last.state_count, x86_EXCEPTION_STATE64_COUNT);
    const x86_exception_state64_t *trap = (const void *)task.handler.last.state;
    CHECK_EQ_INT(trap->__trapno, 14);
    CHECK_EQ_INT(trap->__err & 7, 6); /* a write, in user mode, to a page not present */
    CHECK_EQ_INT(trap->__faultvaddr, (intptr_t)hole + 3);
    CHECK_EQ_INT(signal.sig, SIGSEGV);
    kit_stop(&task);
}
