/* ptrace_mach.h - mutants of the probe ptrace_mach. */
#include "mutant.h"

#include "ipc_support.h"
#include "mach_exc_messages.h"
#include "mach_memory.h"
#include "mach_threads.h"
#include "tracee.h"

static inline int mutant_ptrace(int request, pid_t pid, uintptr_t address, int data)
{
    if (MUTANT(deny_attach_is_a_word, "PT_DENY_ATTACH succeeds and changes nothing") && request == PT_DENY_ATTACH)
        return 0;
    if (MUTANT(sigexc_is_a_word, "PT_SIGEXC succeeds and changes nothing") && request == PT_SIGEXC)
        return 0;
    if (MUTANT(attachexc_is_attach, "PT_ATTACHEXC is PT_ATTACH") && request == PT_ATTACHEXC)
        request = PT_ATTACH;
    if (MUTANT(thupdate_drops_the_signal, "PT_THUPDATE with a signal drops it") && request == PT_THUPDATE && data < NSIG)
        data = 0;
    if (MUTANT(thupdate_keeps_the_signal, "PT_THUPDATE without a signal delivers the one that came") && request == PT_THUPDATE &&
        data == 0)
        return rig_ptrace(request, pid, address, SIGUSR1);
    if (MUTANT(continue_goes_anywhere, "PT_CONTINUE takes any address") && (request == PT_CONTINUE || request == PT_STEP))
        address = 1;
    if (MUTANT(signal_is_cut, "a number that is no signal is cut to one") && data >= NSIG)
        data %= NSIG;
    int result = rig_ptrace(request, pid, address, data);
    if (MUTANT(reading_requests_are_enosys, "PT_READ_* fails with another errno") && result == -1 && request >= 1 && request <= 3 &&
        errno == EINVAL)
        return mutant_fails(ENOSYS);
    if (MUTANT(machine_requests_are_enotsup, "PT_GETREGS and its like fail with another errno") && result == -1 &&
        request >= PT_FIRSTMACH && errno == EINVAL)
        return mutant_fails(ENOTSUP);
    if (MUTANT(init_is_esrch, "requests about process 1 fail with ESRCH") && result == -1 && pid == 1)
        return mutant_fails(ESRCH);
    if (MUTANT(no_threads_port_is_einval, "PT_THUPDATE with another port fails with EINVAL") && result == -1 && errno == ESRCH &&
        request == PT_THUPDATE)
        return mutant_fails(EINVAL);
    return result;
}
#define rig_ptrace(...) mutant_ptrace(__VA_ARGS__)

static inline kern_return_t mutant_exc_receive(mach_port_t port, double seconds, struct rig_exception *e)
{
    kern_return_t result = rig_exc_receive(port, seconds, e);
    if (result != KERN_SUCCESS)
        return result;
    if (MUTANT(exception_without_number, "the exception of a signal does not tell which"))
        e->code[1] = 0;
    if (MUTANT(exception_of_another_code, "the exception of a signal has another code"))
        e->code[0] = 0x10002;
    if (MUTANT(exception_of_another_type, "the exception of a signal is EXC_BREAKPOINT"))
        e->type = EXC_BREAKPOINT;
    if (MUTANT(exception_of_nobody, "the exception names the tracer's task"))
        e->task = rig_task();
    return result;
}
#define rig_exc_receive(...) mutant_exc_receive(__VA_ARGS__)

static inline kern_return_t mutant_get_registers(thread_act_t thread, x86_thread_state64_t *registers)
{
    kern_return_t result = rig_get_registers(thread, registers);
    if (MUTANT(register_r12_is_lost, "thread_get_state leaves out r12"))
        registers->__r12 = 0;
    if (MUTANT(rip_is_at_the_breakpoint, "thread_get_state tells an rip before the breakpoint"))
        registers->__rip--;
    if (MUTANT(kernel_privilege_is_kept, "privilege bits of rflags can be set") && result == KERN_SUCCESS)
        registers->__rflags |= 0x3000;
    return result;
}
#define rig_get_registers(...) mutant_get_registers(__VA_ARGS__)

static inline kern_return_t mutant_set_registers(thread_act_t thread, const x86_thread_state64_t *registers)
{
    x86_thread_state64_t now, next = *registers;
    if (MUTANT(set_state_does_nothing, "thread_set_state succeeds and changes nothing"))
        return KERN_SUCCESS;
    if (MUTANT(set_state_forgets_rdi, "thread_set_state leaves rdi as it was") && (rig_get_registers)(thread, &now) == KERN_SUCCESS)
        next.__rdi = now.__rdi;
    kern_return_t result = rig_set_registers(thread, &next);
    if (MUTANT(any_rip_is_taken, "an rip that cannot be is taken") && result == KERN_INVALID_ARGUMENT)
        return KERN_SUCCESS;
    return result;
}
#define rig_set_registers(...) mutant_set_registers(__VA_ARGS__)

static inline kern_return_t mutant_get_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                             mach_msg_type_number_t *count)
{
    kern_return_t result = rig_thread_get_state(thread, flavor, state, count);
    if (MUTANT(short_count_is_fine, "a state larger than its room is given") && result == KERN_INVALID_ARGUMENT &&
        flavor == x86_THREAD_STATE64)
        return KERN_SUCCESS;
    if (MUTANT(dr6_tells_nothing, "dr6 does not tell which watchpoint was hit") && flavor == x86_DEBUG_STATE64)
        ((x86_debug_state64_t *)(void *)state)->__dr6 = 0;
    return result;
}
#define rig_thread_get_state(...) mutant_get_state(__VA_ARGS__)

static inline kern_return_t mutant_set_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                             mach_msg_type_number_t count)
{
    if (MUTANT(watchpoint_is_not_set, "a debug register cannot be set, but the call succeeds") && flavor == x86_DEBUG_STATE64)
        return KERN_SUCCESS;
    if (MUTANT(float_state_is_not_set, "x86_FLOAT_STATE64 cannot be set, but the call succeeds") && flavor == x86_FLOAT_STATE64)
        return KERN_SUCCESS;
    return rig_thread_set_state(thread, flavor, state, count);
}
#define rig_thread_set_state(...) mutant_set_state(__VA_ARGS__)

static inline kern_return_t mutant_vm_read(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size, vm_offset_t *data,
                                           mach_msg_type_number_t *count)
{
    kern_return_t result = rig_vm_read(task, address, size, data, count);
    if (MUTANT(read_changes_the_last_byte, "mach_vm_read gives a wrong last byte") && result == KERN_SUCCESS)
        ((char *)*data)[*count - 1] ^= 1;
    if (MUTANT(read_tells_pages, "mach_vm_read tells whole pages") && result == KERN_SUCCESS)
        *count = (*count + 4095u) & ~4095u;
    if (MUTANT(read_of_much_is_invalid, "a large read without the right is KERN_INVALID_ADDRESS") && result == KERN_PROTECTION_FAILURE)
        return KERN_INVALID_ADDRESS;
    return result;
}
#define rig_vm_read(...) mutant_vm_read(__VA_ARGS__)

static inline kern_return_t mutant_read_overwrite(vm_map_t task, mach_vm_address_t address, mach_vm_size_t size,
                                                  mach_vm_address_t data, mach_vm_size_t *got)
{
    kern_return_t result = rig_vm_read_overwrite(task, address, size, data, got);
    if (MUTANT(read_overwrites_one_more, "mach_vm_read_overwrite writes a byte too many") && result == KERN_SUCCESS)
        ((char *)data)[size] = 1;
    return result;
}
#define rig_vm_read_overwrite(...) mutant_read_overwrite(__VA_ARGS__)

static inline kern_return_t mutant_vm_write(vm_map_t task, mach_vm_address_t address, vm_offset_t data, mach_msg_type_number_t count)
{
    if (MUTANT(write_is_lost, "mach_vm_write succeeds and writes nothing"))
        return KERN_SUCCESS;
    if (MUTANT(write_goes_here, "mach_vm_write writes to the tracer's own memory, too") && count == sizeof(int))
        memcpy((void *)address, (void *)data, count);
    return rig_vm_write(task, address, data, count);
}
#define rig_vm_write(...) mutant_vm_write(__VA_ARGS__)

static inline kern_return_t mutant_vm_remap(vm_map_t task, mach_vm_address_t *address, mach_vm_size_t size, mach_vm_offset_t mask,
                                            int flags, vm_map_t from_task, mach_vm_address_t from, boolean_t copy,
                                            vm_prot_t *rights, vm_prot_t *most, vm_inherit_t inheritance)
{
    if (MUTANT(remap_copies, "mach_vm_remap copies where it should share"))
        copy = TRUE;
    return rig_vm_remap(task, address, size, mask, flags, from_task, from, copy, rights, most, inheritance);
}
#define rig_vm_remap(...) mutant_vm_remap(__VA_ARGS__)

static inline kern_return_t mutant_vm_copy(vm_map_t task, mach_vm_address_t from, mach_vm_size_t size, mach_vm_address_t to)
{
    if (MUTANT(copy_is_lost, "mach_vm_copy succeeds and copies nothing"))
        return KERN_SUCCESS;
    return rig_vm_copy(task, from, size, to);
}
#define rig_vm_copy(...) mutant_vm_copy(__VA_ARGS__)

static inline kern_return_t mutant_task_for_pid(mach_port_name_t self, int pid, mach_port_name_t *task)
{
    kern_return_t result = task_for_pid(self, pid, task);
    if (MUTANT(task_is_for_everybody, "task_for_pid gives any user's task to anybody") && result == KERN_FAILURE && kill(pid, 0) == -1 &&
        errno == EPERM)
        return KERN_SUCCESS;
    if (MUTANT(task_of_nobody, "task_for_pid of a process that is gone fails with another code") && result == KERN_FAILURE &&
        kill(pid, 0) == -1 && errno == ESRCH)
        return KERN_INVALID_ARGUMENT;
    return result;
}
#define task_for_pid(...) mutant_task_for_pid(__VA_ARGS__)

static inline int mutant_suspend_count(task_t task)
{
    int count = rig_task_suspend_count(task);
    if (MUTANT(stop_is_no_suspension, "a trace stop does not suspend the task") && count > 0)
        return count - 1;
    return count;
}
#define rig_task_suspend_count(...) mutant_suspend_count(__VA_ARGS__)

static inline pid_t mutant_waitpid(pid_t pid, int *status, int options)
{
    pid_t got = waitpid(pid, status, options);
    if (MUTANT(end_is_told_once, "the end is told to a parent that traces only once") && got > 0 && !WIFSTOPPED(*status))
        return mutant_fails(ECHILD);
    if (MUTANT(sigkill_ends_a_stop, "SIGKILL ends a stopped tracee at once") && got == 0 && options == (WNOHANG | WUNTRACED)) {
        *status = SIGKILL;
        return pid;
    }
    return got;
}
#define waitpid(...) mutant_waitpid(__VA_ARGS__)

static inline int mutant_caught(int sig)
{
    int count = rig_caught(sig);
    if (MUTANT(attacher_gets_no_sigsegv, "who attaches to a process that denies it gets no signal") && sig == SIGSEGV)
        return 0;
    return count;
}
#define rig_caught(...) mutant_caught(__VA_ARGS__)
