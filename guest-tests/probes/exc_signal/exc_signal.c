/* exc_signal.c - EXC_BAD_ACCESS: which signal a bad address comes as.
 *
 * The kernel's rule: KERN_INVALID_ADDRESS, nothing is mapped there, is SIGSEGV; any other answer of vm_fault is SIGBUS
 * (xnu-4570 bsd/uxkern/ux_exception.c ux_exception); a general protection fault, for which the processor gives no
 * address, is SIGSEGV (bsd/dev/i386/unix_signal.c machine_exception). si_code and si_addr: unix_signal.c sendsig. */
#include "mach_memory.h"
#include "row.h"
#include "sys_compat.h"

#include <sys/mman.h>

PROBE("exc_signal", "1");

enum { PAGE_FAULT = 14, GENERAL_PROTECTION = 13, STACK_FAULT = 12 }; /* osfmk/i386/trap.h */
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_EXECUTE = 16 };

static void jump(void *address) { ((void (*)(void))(uintptr_t)address)(); }

CASE(unmapped_read_is_sigsegv)
{
    char *page = row_page(PROT_READ | PROT_WRITE);
    CHECK_OK(munmap(page, row_page_size()));
    struct fault got = fault_of(fault_read, page + 300);
    CHECK_ROW(got, SIGSEGV, SEGV_MAPERR, page + 300);
    CHECK_EQ_INT(got.trap, PAGE_FAULT);
    CHECK_EQ_INT(got.error & (PF_WRITE | PF_EXECUTE | PF_USER), PF_USER);
    CHECK_EQ_INT(got.accessed, (uintptr_t)page + 300);
}

CASE(unmapped_write_is_sigsegv)
{
    char *page = row_page(PROT_READ | PROT_WRITE);
    CHECK_OK(munmap(page, row_page_size()));
    struct fault got = fault_of(fault_write, page + 301);
    CHECK_ROW(got, SIGSEGV, SEGV_MAPERR, page + 301);
    CHECK_EQ_INT(got.trap, PAGE_FAULT);
    CHECK_EQ_INT(got.error & (PF_WRITE | PF_USER), PF_WRITE | PF_USER);
}

CASE(unmapped_jump_is_sigsegv)
{
    char *page = row_page(PROT_READ | PROT_WRITE);
    CHECK_OK(munmap(page, row_page_size()));
    struct fault got = fault_of(jump, page + 16);
    CHECK_ROW(got, SIGSEGV, SEGV_MAPERR, page + 16);
    CHECK_EQ_INT((uintptr_t)got.instruction, (uintptr_t)page + 16); /* the thread is there already */
}

/* vm_deallocate leaves the same hole as munmap. */
CASE(deallocated_memory_is_sigsegv)
{
    mach_vm_address_t page = 0;
    REQUIRE_KERN(mach_vm_allocate(rig_task(), &page, row_page_size(), VM_FLAGS_ANYWHERE));
    CHECK_NO_SIGNAL(fault_of(fault_write, (void *)page));
    REQUIRE_KERN(mach_vm_deallocate(rig_task(), page, row_page_size()));
    CHECK_ROW(fault_of(fault_write, (void *)page), SIGSEGV, SEGV_MAPERR, page);
}

/* A 64-bit program has __PAGEZERO over its first 4 GiB: nothing is mapped there nor ever can be, for the map's lowest
 * address is raised (bsd/kern/mach_loader.c load_segment, vm_map_raise_min_offset). So page zero is as any hole. */
CASE(page_zero_is_as_unmapped)
{
    mach_vm_address_t low = 4096;
    struct rig_region region;
    CHECK_ROW(fault_of(fault_write, NULL), SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_ROW(fault_of(fault_read, NULL), SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_ROW(fault_of(jump, NULL), SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_ROW(fault_of(fault_read, (void *)0xfffffff8), SIGSEGV, SEGV_MAPERR, 0xfffffff8);
    CHECK_KERN(rig_vm_region(rig_task(), 0, &region), KERN_SUCCESS);
    CHECK_GE_INT(region.address, 0x100000000);
    CHECK_KERN(mach_vm_allocate(rig_task(), &low, 4096, VM_FLAGS_FIXED), KERN_INVALID_ADDRESS);
}

/* The kernel's own addresses are no part of a user's map: nothing is mapped there. */
CASE(kernel_address_is_sigsegv)
{
    void *kernel = (void *)0xffffff8000200000;
    CHECK_ROW(fault_of(fault_read, kernel), SIGSEGV, SEGV_MAPERR, kernel);
    CHECK_ROW(fault_of(fault_write, kernel), SIGSEGV, SEGV_MAPERR, kernel);
}

CASE(write_to_read_only_is_sigbus)
{
    char *page = row_page(PROT_READ);
    struct fault got = fault_of(fault_write, page + 7);
    CHECK_ROW(got, SIGBUS, BUS_ADRERR, page + 7);
    CHECK_EQ_INT(got.trap, PAGE_FAULT);
    CHECK_EQ_INT(got.error & PF_WRITE, PF_WRITE);
    CHECK_NO_SIGNAL(fault_of(fault_read, page + 7));
}

CASE(no_access_is_sigbus)
{
    char *page = row_page(PROT_NONE);
    CHECK_ROW(fault_of(fault_read, page + 8), SIGBUS, BUS_ADRERR, page + 8);
    CHECK_ROW(fault_of(fault_write, page + 9), SIGBUS, BUS_ADRERR, page + 9);
}

CASE(write_to_text_is_sigbus)
{
    void *text = (void *)case_write_to_text_is_sigbus;
    CHECK_ROW(fault_of(fault_write, text), SIGBUS, BUS_ADRERR, text);
    CHECK_NO_SIGNAL(fault_of(fault_read, text));
}

/* Data of a 64-bit task is never executable without the right (osfmk/vm/vm_map.c override_nx). */
CASE(jump_into_data_is_sigbus)
{
    char *page = row_page(PROT_READ | PROT_WRITE);
    page[0] = (char)0xc3; /* ret */
    struct fault got = fault_of(jump, page);
    CHECK_ROW(got, SIGBUS, BUS_ADRERR, page);
    CHECK_EQ_INT((uintptr_t)got.instruction, (uintptr_t)page);
    CHECK_OK(mprotect(page, row_page_size(), PROT_READ | PROT_EXEC));
    CHECK_NO_SIGNAL(fault_of(jump, page));
}

/* The rights alone decide, not how they came about: a mapping closed by mach_vm_protect. */
CASE(rights_taken_by_mach_are_sigbus)
{
    char *page = row_page(PROT_READ | PROT_WRITE);
    CHECK_NO_SIGNAL(fault_of(fault_write, page));
    CHECK_KERN(rig_vm_protect(rig_task(), (mach_vm_address_t)page, row_page_size(), FALSE, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_ROW(fault_of(fault_write, page), SIGBUS, BUS_ADRERR, page);
}

/* A file's last page is filled up with zeroes; the page after it has nothing behind it: the pager's error, which is not
 * KERN_INVALID_ADDRESS (bsd/vm/vnode_pager.c, osfmk/vm/vm_fault.c vm_fault_page: KERN_MEMORY_ERROR). */
CASE(past_the_end_of_a_mapped_file_is_sigbus)
{
    int fd = open("short", O_RDWR | O_CREAT | O_EXCL, 0600);
    REQUIRE_OK(fd);
    REQUIRE_EQ_INT(write(fd, "abc", 3), 3);
    char *map = mmap(NULL, 2 * row_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        SKIP("the scratch directory's file system cannot map files: %s", rig_errno_name(errno));
    CHECK_NO_SIGNAL(fault_of(fault_read, map + row_page_size() - 1));
    struct fault got = fault_of(fault_read, map + row_page_size());
    if (got.sig == 0)
        SKIP("this file system gives a page past the end of the file, so its pager has no error to tell");
    CHECK_ROW(got, SIGBUS, BUS_ADRERR, map + row_page_size());
    CHECK_OK(close(fd));
}

ROW_INSTRUCTION(load, "movb (%%rdi), %%al")
ROW_INSTRUCTION(jump_far_away, "jmp *%%rdi")

/* No page fault: the processor refuses the address itself, and tells no address. */
CASE(non_canonical_address_is_sigsegv)
{
    static const uintptr_t addresses[] = {0x8000000000000000, 0x0000800000000000, 0xffff7fffffffffff, 0x4141414141414141};
    for (size_t i = 0; i < RIG_COUNT(addresses); i++) {
        struct fault got = fault_of(load, (void *)addresses[i]);
        CHECK_ROW(got, SIGSEGV, 0, NULL); /* code EXC_I386_GPFLT */
        CHECK_EQ_INT(got.trap, GENERAL_PROTECTION);
        CHECK_EQ_INT((uintptr_t)got.instruction, (uintptr_t)row_at);
    }
    CHECK_ROW(fault_of(jump_far_away, (void *)addresses[0]), SIGSEGV, 0, NULL);
}

ROW_INSTRUCTION(halt, "hlt")
ROW_INSTRUCTION(no_interrupts, "cli")
ROW_INSTRUCTION(read_port, "inb $0x80, %%al")
ROW_INSTRUCTION(read_model_register, "rdmsr")
ROW_INSTRUCTION(read_control_register, "movq %%cr0, %%rax")
ROW_INSTRUCTION(no_such_gate, "int $0x50")

/* "We just can't win!" says the source: what a user may not run is a bad access, not a bad instruction. */
CASE(privileged_instruction_is_sigsegv)
{
    static void (*const privileged[])(void *) = {halt,          no_interrupts,         read_port, read_model_register,
                                                 no_such_gate, read_control_register};
    for (size_t i = 0; i < RIG_COUNT(privileged); i++) {
        struct fault got = fault_of(privileged[i], NULL);
        CHECK_ROW(got, SIGSEGV, 0, NULL);
        CHECK_EQ_INT(got.trap, GENERAL_PROTECTION);
        CHECK_EQ_INT((uintptr_t)got.instruction, (uintptr_t)row_at);
    }
}

ROW_INSTRUCTION(load_by_base_pointer, "xchgq %%rdi, %%rbp\n\tmovb (%%rbp), %%al\n\txchgq %%rdi, %%rbp")

/* The same through the stack segment is a trap of its own: EXC_BAD_INSTRUCTION with EXC_I386_STKFLT, so SIGILL. Not every
 * emulator makes the difference: the trap number in the handler's context says which came. */
CASE(non_canonical_stack_address_is_sigill)
{
    struct fault got = fault_of(load_by_base_pointer, (void *)0x8000000000000000);
    FACT("trap", got.trap);
    if (got.trap == GENERAL_PROTECTION) {
        CHECK_ROW(got, SIGSEGV, 0, NULL);
        SKIP("this processor raises a general protection fault instead of a stack fault");
    }
    CHECK_EQ_INT(got.trap, STACK_FAULT);
    CHECK_ROW(got, SIGILL, ILL_NOOP, got.instruction);
}
