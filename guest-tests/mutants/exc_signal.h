/* exc_signal.h - mutants of the probe exc_signal. */
#include "mutant.h"

#include "fault.h"
#include "mach_exc_messages.h"
#include "mach_memory.h"
#include "mach_threads.h"
#include "sys_compat.h"

#include <pthread.h>

/* What the kernel's table and sendsig say of a fault. */
static inline struct fault mutant_told(struct fault f)
{
    if (MUTANT(protection_is_sigsegv, "memory without the right is SIGSEGV") && f.sig == SIGBUS)
        f.sig = SIGSEGV;
    if (MUTANT(hole_is_sigbus, "an unmapped address is SIGBUS") && f.sig == SIGSEGV && f.code == SEGV_MAPERR)
        f.sig = SIGBUS;
    if (MUTANT(hole_is_accerr, "an unmapped address has SEGV_ACCERR") && f.sig == SIGSEGV && f.code == SEGV_MAPERR)
        f.code = SEGV_ACCERR;
    if (MUTANT(address_is_the_pages, "si_addr is the page's") && (f.sig == SIGSEGV || f.sig == SIGBUS))
        f.address = (void *)((uintptr_t)f.address & ~(uintptr_t)4095);
    if (MUTANT(protection_trap_has_an_address, "a general protection fault tells an address") && f.sig == SIGSEGV && f.code == 0)
        f.address = (void *)8;
    if (MUTANT(protection_trap_is_sigbus, "a general protection fault is SIGBUS") && f.sig == SIGSEGV && f.trap == 13)
        f.sig = SIGBUS;
    if (MUTANT(breakpoint_is_before, "a breakpoint's address is its own") && f.sig == SIGTRAP && f.trap == 3)
        f.address = (char *)f.address - 1;
    if (MUTANT(step_is_trace, "a single step has TRAP_TRACE") && f.sig == SIGTRAP && f.trap == 1)
        f.code = TRAP_TRACE;
    if (MUTANT(division_is_overflow, "an integer division by zero is FPE_INTOVF") && f.sig == SIGFPE && f.code == FPE_INTDIV)
        f.code = FPE_INTOVF;
    if (MUTANT(float_codes_are_one, "every floating point exception is FPE_FLTINV") && f.sig == SIGFPE && f.code < FPE_INTDIV &&
        f.code != FPE_NOOP)
        f.code = FPE_FLTINV;
    if (MUTANT(opcode_is_noop, "an undefined instruction is ILL_NOOP") && f.sig == SIGILL)
        f.code = ILL_NOOP;
    if (MUTANT(trap_number_is_lost, "the handler's context has no trap number"))
        f.trap = 0;
    if (MUTANT(emt_is_ill, "EXC_EMULATION is SIGILL") && f.sig == SIGEMT)
        f.sig = SIGILL;
    return f;
}

static inline struct fault mutant_fault_of(void (*provoke)(void *), void *arg) { return mutant_told(fault_of(provoke, arg)); }

static inline struct fault mutant_fault_passed(void (*provoke)(void *), void *arg, int *count)
{
    struct fault f = mutant_told(fault_passed(provoke, arg, count));
    if (MUTANT(signal_comes_twice, "an exception brings its signal twice") && count && *count == 1)
        *count = 2;
    return f;
}

static inline struct fault mutant_fault_told(int sig, const siginfo_t *info, const void *context)
{
    struct fault f = fault_told(sig, info, context);
    if (MUTANT(overflow_is_maperr, "a stack overflow has SEGV_MAPERR") && f.code == SEGV_ACCERR)
        f.code = SEGV_MAPERR;
    if (MUTANT(guard_is_sigbus, "the stack's guard is SIGBUS") && f.code == SEGV_ACCERR)
        f.sig = SIGBUS;
    return f;
}
#define fault_of(...) mutant_fault_of(__VA_ARGS__)
#define fault_passed(...) mutant_fault_passed(__VA_ARGS__)
#define fault_told(...) mutant_fault_told(__VA_ARGS__)

static inline int mutant_sigaction(int sig, const struct sigaction *given, struct sigaction *old)
{
    struct sigaction action = *given;
    if (MUTANT(mask_is_forgotten, "sa_mask blocks nothing in the handler of a fault"))
        sigemptyset(&action.sa_mask);
    if (MUTANT(own_signal_stays_open, "a fault's signal is not blocked in its own handler"))
        action.sa_flags |= SA_NODEFER;
    if (MUTANT(nodefer_is_forgotten, "SA_NODEFER changes nothing"))
        action.sa_flags &= ~SA_NODEFER;
    if (MUTANT(resethand_is_forgotten, "SA_RESETHAND changes nothing: the fault goes on for ever"))
        action.sa_flags &= ~(int)SA_RESETHAND;
    if (MUTANT(onstack_is_forgotten, "SA_ONSTACK changes nothing"))
        action.sa_flags &= ~SA_ONSTACK;
    return sigaction(sig, &action, old);
}
#define sigaction(...) mutant_sigaction(__VA_ARGS__) /* with arguments only: struct sigaction stays */

static inline int mutant_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    if (MUTANT(blocked_fault_kills, "a fault whose signal is blocked kills") && how == SIG_BLOCK && set && sigismember(set, SIGBUS)) {
        signal(SIGBUS, SIG_DFL);
        return 0;
    }
    if (MUTANT(unblocking_drops, "a pending signal is lost when it is unblocked") && how == SIG_UNBLOCK && set)
        for (int sig = 1; sig < NSIG; sig++)
            if (sigismember(set, sig))
                signal(sig, SIG_IGN);
    return sigprocmask(how, set, old);
}
#define sigprocmask(...) mutant_sigprocmask(__VA_ARGS__)

static inline void (*mutant_signal(int sig, void (*handler)(int)))(int)
{
    if (MUTANT(ignored_fault_kills, "a fault whose signal is ignored kills") && sig == SIGBUS && handler == SIG_IGN)
        handler = SIG_DFL;
    if (MUTANT(ignored_sigsys_kills, "SIGSYS of a bad system call cannot be ignored") && sig == SIGSYS && handler == SIG_IGN)
        handler = SIG_DFL;
    return signal(sig, handler);
}
#define signal(...) mutant_signal(__VA_ARGS__)

static inline int mutant_sigpending(sigset_t *set)
{
    int result = rig_sigpending(set);
    if (MUTANT(pending_is_empty, "a fault's blocked signal is not pending"))
        sigemptyset(set);
    return result;
}
#define rig_sigpending(...) mutant_sigpending(__VA_ARGS__)

static inline long mutant_syscall_array(long number, const long arguments[6])
{
    long result = rig_syscall_array(number, arguments);
    if (MUTANT(bad_call_is_einval, "a bad system call fails with EINVAL") && result == -1 && errno == ENOSYS)
        return mutant_fails(EINVAL);
    return result;
}
#define rig_syscall_array(...) mutant_syscall_array(__VA_ARGS__)

static inline kern_return_t mutant_exc_raise(struct rig_exception *e, mach_port_t to)
{
    if (MUTANT(message_is_lost, "an exception message is answered, but nothing comes of it"))
        return KERN_SUCCESS;
    if (MUTANT(pipe_is_syscall, "EXC_UNIX_BAD_PIPE brings SIGSYS") && e->type == EXC_SOFTWARE && e->code[0] == 0x10001)
        e->code[0] = 0x10000;
    if (MUTANT(soft_signal_is_abort, "EXC_SOFT_SIGNAL brings SIGABRT") && e->type == EXC_SOFTWARE && e->code[0] == EXC_SOFT_SIGNAL)
        e->code[0] = 0x10002;
    if (MUTANT(bound_is_nothing, "EXC_I386_BOUND brings nothing") && e->type == EXC_SOFTWARE && e->code[0] == EXC_I386_BOUND)
        e->code[0] = 0;
    if (MUTANT(other_codes_are_sigsegv, "EXC_BAD_ACCESS with another code is SIGSEGV") && e->type == EXC_BAD_ACCESS &&
        e->code[0] == KERN_MEMORY_ERROR)
        e->code[0] = KERN_INVALID_ADDRESS;
    if (MUTANT(crash_kills, "EXC_CRASH brings a signal") && e->type == EXC_CRASH)
        e->type = EXC_BAD_INSTRUCTION;
    if (MUTANT(stack_is_no_exception, "a protection failure of the stack is SIGBUS") && e->type == EXC_BAD_ACCESS &&
        e->code[0] == KERN_PROTECTION_FAILURE)
        e->code[0] = KERN_MEMORY_ERROR;
    if (MUTANT(subcode_is_lost, "the subcode of EXC_ARITHMETIC is lost") && e->type == EXC_ARITHMETIC)
        e->code[1] = 0;
    if (MUTANT(signal_goes_to_the_caller, "the signal goes to the thread that sends the message") && e->task == rig_task() &&
        e->behavior != EXCEPTION_STATE)
        e->thread = mach_thread_self();
    kern_return_t result = rig_exc_raise(e, to);
    if (MUTANT(state_forms_are_taken, "a message with a state is taken") && result == KERN_INVALID_ARGUMENT &&
        e->behavior != RIG_EXC_WIDE(EXCEPTION_DEFAULT))
        return KERN_SUCCESS;
    if (MUTANT(no_thread_is_taken, "a message about no thread is taken") && result == KERN_INVALID_ARGUMENT)
        return KERN_SUCCESS;
    return result;
}
#define rig_exc_raise(...) mutant_exc_raise(__VA_ARGS__)

static inline kern_return_t mutant_exc_get(enum rig_exc_level level, mach_port_t of, exception_mask_t mask, struct rig_exc_ports *found)
{
    kern_return_t result = rig_exc_get(level, of, mask, found);
    if (MUTANT(handler_is_for_everybody, "anybody may ask for the host's exception port") && result != KERN_SUCCESS) {
        found->count = 0;
        return KERN_SUCCESS;
    }
    return result;
}
#define rig_exc_get(...) mutant_exc_get(__VA_ARGS__)

static inline kern_return_t mutant_vm_allocate(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size, int flags)
{
    kern_return_t result = mach_vm_allocate(task, address, size, flags);
    if (MUTANT(page_zero_can_be_had, "memory below 4 GiB can be allocated") && result == KERN_INVALID_ADDRESS)
        return KERN_SUCCESS;
    return result;
}
#define mach_vm_allocate(...) mutant_vm_allocate(__VA_ARGS__)

static inline kern_return_t mutant_vm_protect(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, boolean_t maximum,
                                              vm_prot_t rights)
{
    if (MUTANT(protect_does_nothing, "mach_vm_protect succeeds and changes nothing"))
        return KERN_SUCCESS;
    return rig_vm_protect(task, address, size, maximum, rights);
}
#define rig_vm_protect(...) mutant_vm_protect(__VA_ARGS__)
