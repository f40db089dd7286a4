"""Calls that say how a kernel reports, checks or locks, not what went wrong: they are no part of a signature."""

from __future__ import annotations

import re

_DARWIN = """
handle_debugger_trap kdp_i386_trap kdp_trap kernel_trap trap_from_kernel return_from_trap DebuggerTrapWithState
panic_trap_to_debugger panic panic_plain panic_with_options panic_with_data panic_with_thread_context Debugger
DebuggerWithContext Assert assfail panic_trap panic_i386_backtrace panic_64 panic_double_fault64
panic_machine_check64 hndl_alltraps hndl_allintrs lo_alltraps lo_allintrs i386_exception sync_iss_to_iks
ml_get_timebase fleh_synchronous sleh_synchronous handle_kernel_abort panic_with_thread_kernel_state
"""
"""From the trap's handler to the debugger, and out of panic() itself (osfmk/kern/debug.c, osfmk/i386/trap.c)."""
_LINUX = """
dump_stack dump_stack_lvl __dump_stack dump_backtrace show_stack show_regs show_trace sched_show_task vpanic panic
__panic panic_saved_regs nmi_panic die __die __die_body die_addr die_kernel_fault oops_end oops_begin no_context
bad_area bad_area_nosemaphore __bad_area_nosemaphore page_fault_oops kernelmode_fixup_or_oops do_kern_addr_fault
do_user_addr_fault __do_page_fault do_page_fault exc_page_fault asm_exc_page_fault page_fault async_page_fault
__do_kernel_fault do_mem_abort do_tag_check_fault do_translation_fault do_DataAbort do_bad_area el1_da el1_sync
el1h_64_sync el1h_64_sync_handler el1_abort __dabt_svc __und_svc do_undefinstr brk_handler bug_handler
do_debug_exception do_trap do_error_trap do_invalid_op exc_invalid_op asm_exc_invalid_op invalid_op
exc_general_protection asm_exc_general_protection general_protection do_general_protection exc_divide_error
asm_exc_divide_error divide_error exc_double_fault asm_exc_double_fault double_fault do_double_fault df_debug
report_bug handle_bug fixup_bug kmsan_report print_report print_address_description object_err
check_memory_region kcsan_report print_memory_metadata unwind_backtrace warn_slowpath_common warn_slowpath_fmt
warn_slowpath_null warn_slowpath_fmt_taint __warn __warn_printk spin_bug spin_dump rwlock_bug schedule __schedule
schedule_timeout schedule_preempt_disabled io_schedule __schedule_bug schedule_debug context_switch __switch_to
__might_sleep ___might_sleep __might_resched __cant_sleep debug_smp_processor_id check_preemption_disabled
__this_cpu_preempt_check validate_chain check_prev_add check_prevs_add check_noncircular check_deadlock mark_lock
mark_lock_irq mark_held_locks mark_usage register_lock_class assign_lock_key save_trace lock_acquire lock_release
__lock_acquire __lock_release valid_state debug_check_no_locks_held debug_check_no_locks_freed mutex_lock
__mutex_lock mutex_lock_nested __mutex_lock_common __mutex_lock_slowpath rcu_dump_cpu_stacks check_cpu_stall
rcu_check_callbacks rcu_sched_clock_irq rcu_stall_dump update_process_times tick_sched_handle tick_sched_timer
tick_nohz_handler dump_cpu_task print_other_cpu_stall nmi_cpu_backtrace nmi_trigger_cpumask_backtrace
"""
"""From the exception's entry to the oops, out of panic() and warn(), and what finds the bug (kernel/panic.c,
arch/x86/mm/fault.c, mm/kasan, kernel/locking, lib/debug)."""
_FAMILIES = re.compile(
    r"_*(?:k?asan_|kmsan_|msan_|kfence_|kcsan_|ubsan_|sanitizer_|tsan_)\w*|print_\w*(?:bug|header|bad|imbalance)\w*|"
    r"lockdep_\w+|_?(?:do_)?_?raw_(?:spin|read|write)_\w+|dump_backtrace_\w+|show_trace_\w+|show_stack_\w+|"
    r"ubsan_epilogue|__x86_indirect_\w+"
)
_REPORTS = frozenset(_DARWIN.split()) | frozenset(_LINUX.split())


def is_noise(symbol: str) -> bool:
    """Whether a call, by its plain name, is one of them."""
    return symbol in _REPORTS or _FAMILIES.fullmatch(symbol) is not None
