/* exc_signal_trap.c - EXC_BAD_INSTRUCTION, EXC_ARITHMETIC, EXC_BREAKPOINT and EXC_SYSCALL, and the bad system call.
 * Exception codes: xnu-4570 osfmk/i386/trap.c user_trap; si_code and si_addr: bsd/dev/i386/unix_signal.c sendsig. */
#include "row.h"

#include <stdio.h>

enum { DIVIDE_ERROR = 0, DEBUG_TRAP = 1, INT3 = 3, INVALID_OPCODE = 6, X87_ERROR = 16, SSE_ERROR = 19 };

ROW_INSTRUCTION(undefined, "ud2")
ROW_INSTRUCTION(interrupt_on_overflow, ".byte 0xce") /* into: gone in 64-bit mode */

CASE(undefined_instruction_is_sigill)
{
    static void (*const bad[])(void *) = {undefined, interrupt_on_overflow};
    for (size_t i = 0; i < RIG_COUNT(bad); i++) {
        struct fault got = fault_of(bad[i], NULL);
        CHECK_ROW(got, SIGILL, ILL_ILLOPC, row_at); /* EXC_I386_INVOP */
        CHECK_EQ_INT(got.trap, INVALID_OPCODE);
    }
}

ROW_INSTRUCTION(divide, "movl $1, %%eax\n\txorl %%edx, %%edx\n\tidivl (%%rdi)")
ROW_INSTRUCTION(divide_unsigned, "movl $1, %%eax\n\txorl %%edx, %%edx\n\tdivl (%%rdi)")
ROW_INSTRUCTION(divide_the_least, "movl $0x80000000, %%eax\n\tcltd\n\tidivl (%%rdi)")

/* idivl (%rdi) has two bytes and the two instructions before it seven. */
static bool at_division(struct fault got) { return (char *)got.instruction > (char *)row_at; }

CASE(division_by_zero_is_sigfpe)
{
    int zero = 0;
    struct fault got = fault_of(divide, &zero);
    CHECK_ROW(got, SIGFPE, FPE_INTDIV, got.instruction);
    CHECK(at_division(got));
    CHECK_EQ_INT(got.trap, DIVIDE_ERROR);
    got = fault_of(divide_unsigned, &zero);
    CHECK_ROW(got, SIGFPE, FPE_INTDIV, got.instruction);
}

/* A quotient too large is the same trap, so the same code: FPE_INTOVF is for into, which 64-bit mode lacks. */
CASE(division_overflow_is_sigfpe)
{
    int minus_one = -1, two = 2;
    struct fault got = fault_of(divide_the_least, &minus_one);
    CHECK_ROW(got, SIGFPE, FPE_INTDIV, got.instruction);
    CHECK(at_division(got));
    CHECK_NO_SIGNAL(fault_of(divide_the_least, &two));
}

/* x87: the trap comes with the next x87 instruction that waits. Status and control hold the flags in the same bits. */
struct x87 {
    double left, right, result;
    uint16_t control, status;
};

static void x87_divide(void *arg)
{
    struct x87 *x = arg;
    void *at;
    __asm__ volatile("leaq 1f(%%rip), %0" : "=r"(at));
    row_at = at;
    __asm__ volatile("fninit\n\tfldcw %1\n\tfldl %2\n\tfdivl %3\n1:\tfwait\n\tfnstsw %0\n\tfninit"
                     : "=m"(x->status)
                     : "m"(x->control), "m"(x->left), "m"(x->right)
                     : "memory");
}

static void x87_store(void *arg)
{
    struct x87 *x = arg;
    float narrow;
    void *at;
    __asm__ volatile("leaq 1f(%%rip), %0" : "=r"(at));
    row_at = at;
    __asm__ volatile("fninit\n\tfldcw %2\n\tfldl %3\n\tfstps %1\n1:\tfwait\n\tfnstsw %0\n\tfninit"
                     : "=m"(x->status), "=m"(narrow)
                     : "m"(x->control), "m"(x->left)
                     : "memory");
}

enum { INVALID = 1, ZERO = 4, OVERFLOW = 8, UNDERFLOW = 16, INEXACT = 32, ALL = 63, CONTROL = 0x300 };

CASE(x87_exceptions_are_sigfpe)
{
    static const struct {
        double left, right;
        void (*run)(void *);
        int unmasked, code;
    } rows[] = {
        {1, 0, x87_divide, ZERO, FPE_FLTDIV},          {0, 0, x87_divide, INVALID, FPE_FLTINV},
        {1, 3, x87_divide, INEXACT, FPE_FLTRES},       {1e300, 1, x87_store, OVERFLOW, FPE_FLTOVF},
        {1e-300, 1, x87_store, UNDERFLOW, FPE_FLTUND},
    };
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        struct x87 x = {.left = rows[i].left, .right = rows[i].right, .control = CONTROL | ALL};
        CHECK_NO_SIGNAL(fault_of(rows[i].run, &x)); /* all masked, as a program begins */
        CHECK_EQ_INT(x.status & rows[i].unmasked, rows[i].unmasked);
        x.control = (uint16_t)(CONTROL | (ALL & ~rows[i].unmasked));
        struct fault got = fault_of(rows[i].run, &x);
        CHECK_ROW(got, SIGFPE, rows[i].code, row_at);
        CHECK_EQ_INT(got.trap, X87_ERROR);
    }
    __asm__ volatile("fninit");
}

struct sse {
    double left, right, result;
    uint32_t control, after;
};

static void sse_divide(void *arg)
{
    struct sse *s = arg;
    static const uint32_t usual = 0x1f80;
    void *at;
    __asm__ volatile("leaq 1f(%%rip), %0" : "=r"(at));
    row_at = at;
    __asm__ volatile("ldmxcsr %2\n\tmovsd %3, %%xmm0\n1:\tdivsd %4, %%xmm0\n\tmovsd %%xmm0, %0\n\tstmxcsr %1\n\tldmxcsr %5"
                     : "=m"(s->result), "=m"(s->after)
                     : "m"(s->control), "m"(s->left), "m"(s->right), "m"(usual)
                     : "xmm0", "memory");
}

CASE(sse_exceptions_are_sigfpe)
{
    static const struct {
        double left, right;
        int unmasked, code;
    } rows[] = {
        {1, 0, ZERO, FPE_FLTDIV},         {0, 0, INVALID, FPE_FLTINV},           {1, 3, INEXACT, FPE_FLTRES},
        {1e300, 1e-300, OVERFLOW, FPE_FLTOVF}, {1e-300, 1e300, UNDERFLOW, FPE_FLTUND},
    };
    int silent = 0;
    for (size_t i = 0; i < RIG_COUNT(rows); i++) {
        struct sse s = {.left = rows[i].left, .right = rows[i].right, .control = ALL << 7};
        CHECK_NO_SIGNAL(fault_of(sse_divide, &s));
        CHECK_EQ_INT(s.after & (uint32_t)rows[i].unmasked, rows[i].unmasked);
        s.control = (uint32_t)(ALL & ~rows[i].unmasked) << 7;
        struct fault got = fault_of(sse_divide, &s);
        if (got.sig == 0 && (s.after & (uint32_t)rows[i].unmasked)) {
            silent++;
            continue;
        }
        CHECK_ROW(got, SIGFPE, rows[i].code, row_at);
        CHECK_EQ_INT(got.trap, SSE_ERROR);
    }
    if (silent)
        SKIP("this processor only sets the flags of unmasked SSE exceptions, as QEMU's emulation does");
}

ROW_INSTRUCTION(breakpoint, "int3")
ROW_INSTRUCTION(long_breakpoint, ".byte 0xcd, 0x03")

CASE(breakpoint_is_sigtrap)
{
    struct fault got = fault_of(breakpoint, NULL);
    CHECK_ROW(got, SIGTRAP, TRAP_BRKPT, (char *)row_at + 1); /* behind it: a trap, not a fault */
    CHECK_EQ_INT((uintptr_t)got.instruction, (uintptr_t)row_at + 1);
    CHECK_EQ_INT(got.trap, INT3);
    CHECK_ROW(fault_of(long_breakpoint, NULL), SIGTRAP, TRAP_BRKPT, (char *)row_at + 2);
}

ROW_INSTRUCTION(breakpoints, "int3\n\tint3\n\tint3")

CASE(breakpoint_goes_on_behind_itself)
{
    int count;
    CHECK_ROW(fault_passed(breakpoints, NULL, &count), SIGTRAP, TRAP_BRKPT, (char *)row_at + 1);
    CHECK_EQ_INT(count, 3);
}

/* EFLAGS.TF: the trap comes behind the first whole instruction after the one that set it. popfq takes a byte, nop too. */
ROW_INSTRUCTION(one_step, "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop")

CASE(single_step_is_sigtrap)
{
    struct fault got = fault_of(one_step, NULL);
    CHECK_ROW(got, SIGTRAP, TRAP_BRKPT, got.instruction); /* EXC_I386_SGL; never TRAP_TRACE */
    CHECK_EQ_INT(got.trap, DEBUG_TRAP);
    CHECK_EQ_INT(*((unsigned char *)got.instruction - 1), 0x90); /* it stands behind the first nop */
    CHECK_EQ_INT(*(unsigned char *)got.instruction, 0x90);
}

static volatile int steps;
static char *volatile first_step, *volatile last_step;

static void count_step(int sig, siginfo_t *info, void *context)
{
    struct fault got = fault_told(sig, info, context);
    if (steps++ == 0)
        first_step = got.instruction;
    last_step = got.instruction;
}

/* The flag stays set in the saved registers, and the handler itself runs without: so each instruction brings one. */
CASE(single_steps_count_instructions)
{
    row_handle(SIGTRAP, count_step, 0, 0);
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                     "nop\n\tnop\n\tnop\n\t"
                     "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
                     :
                     :
                     : "memory", "cc");
    CHECK_EQ_INT(steps, 6); /* three nops, pushfq, andq, and the popfq that ends it */
    CHECK_GT_INT((intptr_t)last_step, (intptr_t)first_step);
}

static long call_number_out_of_range(void)
{
    return rig_syscall(4000, 0L);
}

static void bad_system_call(void *arg)
{
    errno = 0;
    long result = call_number_out_of_range();
    *(int *)arg = result == -1 ? errno : 0;
}

/* nosys: SIGSYS, and ENOSYS for who lives on (bsd/kern/subr_xxx.c nosys). By psignal_uthread, not by an exception, so
 * without an address of a fault. */
CASE(bad_system_call_is_sigsys)
{
    int error = 0, count = 0;
    struct fault got = fault_passed(bad_system_call, &error, &count);
    CHECK_EQ_STR(rig_signal_name(got.sig), "SIGSYS");
    CHECK_EQ_INT(count, 1);
    CHECK_EQ_STR(rig_errno_name(error), "ENOSYS");
    rig_via("syscall");
}

CASE(ignored_sigsys_leaves_enosys)
{
    int error = 0;
    signal(SIGSYS, SIG_IGN);
    bad_system_call(&error);
    CHECK_EQ_STR(rig_errno_name(error), "ENOSYS");
    rig_via("syscall");
}

static void bad_call_in_child(void *arg) { bad_system_call(arg); }

CASE(unhandled_sigsys_kills)
{
    int error;
    CHECK_KILLED_BY(rig_spawn(bad_call_in_child, &error), SIGSYS);
}

/* The system call instruction with that number in rax, as it is: what it gives back. */
static void raw_call(void *arg)
{
    uint64_t *rax = arg;
    __asm__ volatile("syscall" : "+a"(*rax) : : "rcx", "r11", "memory", "cc");
}

/* An unknown Mach trap is EXC_SYSCALL (osfmk/i386/bsd_i386.c mach_call_munger64), which has no row in ux_exception: no
 * signal, and the thread goes on with its registers as they were. */
CASE(unknown_mach_trap_is_no_signal)
{
    static const uint64_t numbers[] = {0x1000000 + 9, 0x1000000 + 4000}; /* a hole in the table; beyond its end */
    for (size_t i = 0; i < RIG_COUNT(numbers); i++) {
        uint64_t rax = numbers[i];
        int count = -1;
        CHECK_NO_SIGNAL(fault_passed(raw_call, &rax, &count));
        CHECK_EQ_INT(count, 0);
        CHECK_EQ_INT(rax, numbers[i]);
    }
    rig_via("mach");
}

/* The machine-dependent calls have an answer of their own (osfmk/i386/bsd_i386.c machdep_syscall64). */
CASE(unknown_machine_call_is_refused)
{
    uint64_t rax = 0x3000000 + 77;
    CHECK_NO_SIGNAL(fault_passed(raw_call, &rax, NULL));
    CHECK_KERN((kern_return_t)rax, KERN_INVALID_ARGUMENT);
    rig_via("mach");
}
