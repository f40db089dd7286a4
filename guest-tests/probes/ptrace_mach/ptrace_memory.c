/* ptrace_memory.c - the tracee's memory through its task port: read, written, shared, and a breakpoint in its text.
 * Source: xnu-4570 osfmk/vm/vm_user.c mach_vm_read, mach_vm_read_overwrite, mach_vm_write, mach_vm_remap. */
#include "mach_memory.h"
#include "mach_threads.h"
#include "tracee.h"

#include <sys/mman.h>

enum { SIZE = 3 * 4096 };
static char pattern[SIZE] __attribute__((aligned(4096)));
static volatile int number = 7;

static void fill(char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)((seed = seed * 1103515245u + 12345u) >> 16);
}

static void fill_and_stop(void *arg)
{
    (void)arg;
    fill(pattern, SIZE, 99);
    number = 8;
    __asm__ volatile("int3");
    _exit(number);
}

/* A tracee behind that int3, and its task. */
static pid_t start(task_t *task)
{
    pid_t pid = rig_tracee(fill_and_stop, NULL);
    REQUIRE_OK(rig_trace_continue(pid, 0));
    RIG_REQUIRE(CHECK_STOPPED(pid, SIGTRAP));
    *task = rig_task_of(pid);
    return pid;
}

CASE(memory_is_read)
{
    task_t task;
    pid_t pid = start(&task);
    static char want[SIZE];
    vm_offset_t data = 0;
    mach_msg_type_number_t count = 0;
    fill(want, SIZE, 99);
    CHECK_KERN(rig_vm_read(task, (mach_vm_address_t)pattern + 1, SIZE - 2, &data, &count), KERN_SUCCESS);
    CHECK_EQ_INT(count, SIZE - 2);
    CHECK_EQ_BYTES((void *)data, want + 1, SIZE - 2);
    CHECK_KERN(vm_deallocate(rig_task(), data, count), KERN_SUCCESS);
    static char here[SIZE];
    mach_vm_size_t got = 0;
    CHECK_KERN(rig_vm_read_overwrite(task, (mach_vm_address_t)pattern + 5, SIZE - 7, (mach_vm_address_t)here + 3, &got),
               KERN_SUCCESS);
    CHECK_EQ_INT(got, SIZE - 7);
    CHECK_EQ_BYTES(here + 3, want + 5, SIZE - 7);
    CHECK_EQ_INT(here[2] | here[3 + SIZE - 7], 0); /* nothing beside */
    CHECK_EQ_INT(number, 7);                       /* its own is its own */
    CHECK_RUNS_TO_EXIT(pid, "exit 8");
}

CASE(memory_is_written)
{
    task_t task;
    pid_t pid = start(&task);
    int value = 9;
    CHECK_KERN(rig_vm_write(task, (mach_vm_address_t)&number, (vm_offset_t)&value, sizeof value), KERN_SUCCESS);
    CHECK_EQ_INT(number, 7);
    CHECK_RUNS_TO_EXIT(pid, "exit 9");
}

/* A copy that was read is the reader's: what the tracee writes later is not in it. */
CASE(what_was_read_is_a_copy)
{
    task_t task;
    pid_t pid = start(&task);
    vm_offset_t data = 0;
    mach_msg_type_number_t count = 0;
    int value = 10;
    CHECK_KERN(rig_vm_read(task, (mach_vm_address_t)&number, sizeof value, &data, &count), KERN_SUCCESS);
    CHECK_KERN(rig_vm_write(task, (mach_vm_address_t)&number, (vm_offset_t)&value, sizeof value), KERN_SUCCESS);
    CHECK_EQ_INT(*(int *)data, 8);
    *(int *)data = 11;
    CHECK_RUNS_TO_EXIT(pid, "exit 10");
}

CASE(memory_that_is_not_there)
{
    task_t task;
    pid_t pid = start(&task);
    char here[16] = "untouched";
    mach_vm_size_t got = 0;
    vm_offset_t data = 0;
    mach_msg_type_number_t count = 0;
    CHECK_KERN(rig_vm_read(task, 4096, 16, &data, &count), KERN_INVALID_ADDRESS);
    CHECK_KERN(rig_vm_read_overwrite(task, 4096, 16, (mach_vm_address_t)here, &got), KERN_INVALID_ADDRESS);
    CHECK_KERN(rig_vm_write(task, 4096, (vm_offset_t)here, 16), KERN_INVALID_ADDRESS);
    CHECK_EQ_STR(here, "untouched");
    CHECK_RUNS_TO_EXIT(pid, "exit 8");
    CHECK_NE_INT(rig_vm_read(task, (mach_vm_address_t)&number, 4, &data, &count), KERN_SUCCESS); /* the task has gone */
}

/* The task's rights count for its tracer, too, until it changes them. Little is copied by way of a buffer in the kernel,
 * where any failure is an address that is not good (vm_map_copyin_kernel_buffer, vm_map_copyout_kernel_buffer); of much
 * the map's entries are copied, and the refusal tells the reason. */
enum { MUCH = 32 * 4096, LITTLE = 16 };

CASE(memory_without_the_right)
{
    static char here[MUCH];
    char *closed = mmap(NULL, MUCH, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    char *readable = mmap(NULL, MUCH, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK((intptr_t)closed);
    REQUIRE_OK((intptr_t)readable);
    memset(here, 5, sizeof here);
    task_t task;
    pid_t pid = start(&task);
    mach_vm_address_t at = (mach_vm_address_t)closed, fixed = (mach_vm_address_t)readable;
    vm_offset_t data = 0;
    mach_msg_type_number_t count = 0;
    CHECK_KERN(rig_vm_read(task, at, LITTLE, &data, &count), KERN_INVALID_ADDRESS);
    CHECK_KERN(rig_vm_write(task, at, (vm_offset_t)here, LITTLE), KERN_INVALID_ADDRESS);
    CHECK_KERN(rig_vm_write(task, fixed, (vm_offset_t)here, LITTLE), KERN_INVALID_ADDRESS);
    CHECK_KERN(rig_vm_read(task, at, MUCH, &data, &count), KERN_PROTECTION_FAILURE);
    CHECK_KERN(rig_vm_write(task, at, (vm_offset_t)here, MUCH), KERN_PROTECTION_FAILURE);
    CHECK_KERN(rig_vm_write(task, fixed, (vm_offset_t)here, MUCH), KERN_PROTECTION_FAILURE);
    CHECK_KERN(rig_vm_protect(task, at, MUCH, FALSE, VM_PROT_READ | VM_PROT_WRITE), KERN_SUCCESS);
    CHECK_KERN(rig_vm_write(task, at, (vm_offset_t)here, MUCH), KERN_SUCCESS);
    CHECK_KERN(rig_vm_read(task, at, MUCH, &data, &count), KERN_SUCCESS);
    CHECK_EQ_BYTES((char *)data, here, MUCH);
    struct rig_region mine;
    CHECK_KERN(rig_vm_region(rig_task(), at, &mine), KERN_SUCCESS);
    CHECK_EQ_INT(mine.rights, VM_PROT_NONE); /* the tracer's own copy is as it was */
    CHECK_RUNS_TO_EXIT(pid, "exit 8");
}

/* One page in two tasks: what either writes the other sees. */
CASE(memory_is_shared_by_remap)
{
    task_t task;
    pid_t pid = start(&task);
    mach_vm_address_t at = 0, page = (mach_vm_address_t)&number & ~(mach_vm_address_t)4095;
    vm_prot_t rights = 0, most = 0;
    REQUIRE_KERN(rig_vm_remap(rig_task(), &at, 4096, 0, VM_FLAGS_ANYWHERE, task, page, FALSE, &rights, &most,
                              VM_INHERIT_NONE));
    volatile int *its = (volatile int *)(at + ((mach_vm_address_t)&number - page));
    CHECK_EQ_INT(rights, VM_PROT_READ | VM_PROT_WRITE);
    CHECK_EQ_INT(*its, 8);
    *its = 12;
    int value = 0;
    CHECK_KERN(rig_peek(task, &number, &value, sizeof value), KERN_SUCCESS);
    CHECK_EQ_INT(value, 12);
    value = 13;
    CHECK_KERN(rig_poke(task, &number, &value, sizeof value), KERN_SUCCESS);
    CHECK_EQ_INT(*its, 13);
    CHECK_RUNS_TO_EXIT(pid, "exit 13");
}

CASE(memory_is_given_and_taken)
{
    task_t task;
    pid_t pid = start(&task);
    mach_vm_address_t at = 0;
    struct rig_region region;
    CHECK_KERN(mach_vm_allocate(task, &at, SIZE, VM_FLAGS_ANYWHERE), KERN_SUCCESS);
    CHECK_KERN(rig_vm_region(task, at, &region), KERN_SUCCESS);
    CHECK_LE_INT(region.address, at);
    CHECK_EQ_INT(region.rights, VM_PROT_READ | VM_PROT_WRITE);
    char byte = 1;
    CHECK_KERN(rig_peek(task, (void *)at, &byte, 1), KERN_SUCCESS);
    CHECK_EQ_INT(byte, 0);
    CHECK_KERN(rig_vm_copy(task, (mach_vm_address_t)pattern, SIZE, at), KERN_SUCCESS);
    char want[16], got[16];
    fill(want, sizeof want, 99);
    CHECK_KERN(rig_peek(task, (void *)at, got, sizeof got), KERN_SUCCESS);
    CHECK_EQ_BYTES(got, want, sizeof got);
    CHECK_KERN(mach_vm_deallocate(task, at, SIZE), KERN_SUCCESS);
    CHECK_KERN(rig_peek(task, (void *)at, &byte, 1), KERN_INVALID_ADDRESS);
    CHECK_RUNS_TO_EXIT(pid, "exit 8");
}

/* ---- A breakpoint as a debugger sets it ----------------------------------------------------------------------- */

__attribute__((noinline)) static int triple(int n)
{
    __asm__ volatile("");
    return 3 * n;
}

static void call_it(void *arg)
{
    (void)arg;
    _exit(triple(4));
}

CASE(breakpoint_set_hit_and_repaired)
{
    pid_t pid = rig_tracee(call_it, NULL);
    task_t task = rig_task_of(pid);
    thread_act_t thread;
    x86_thread_state64_t state;
    unsigned char *at = (unsigned char *)(uintptr_t)triple, trap = 0xcc, saved = 0, seen = 0;
    REQUIRE_EQ_INT(rig_count_threads(task, &thread), 1);
    REQUIRE_KERN(rig_peek(task, at, &saved, 1));
    CHECK_NE_INT(saved, 0xcc);
    REQUIRE_KERN(rig_poke(task, at, &trap, 1));
    CHECK_EQ_INT(*at, saved); /* this task runs the same file: its text is not touched */
    CHECK_OK(rig_trace_continue(pid, 0));
    CHECK_STOPPED(pid, SIGTRAP);
    REQUIRE_KERN(rig_get_registers(thread, &state));
    CHECK_EQ_INT(state.__rip, (uintptr_t)at + 1);
    CHECK_EQ_INT(state.__rdi & 0xffffffff, 4); /* its argument */
    state.__rip--;
    REQUIRE_KERN(rig_set_registers(thread, &state));
    REQUIRE_KERN(rig_poke(task, at, &saved, 1));
    CHECK_KERN(rig_peek(task, at, &seen, 1), KERN_SUCCESS);
    CHECK_EQ_INT(seen, saved);
    CHECK_OK(rig_trace_step(pid, 0)); /* over the instruction that it stood on */
    CHECK_STOPPED(pid, SIGTRAP);
    REQUIRE_KERN(rig_get_registers(thread, &state));
    CHECK_GT_INT(state.__rip, (uintptr_t)at);
    CHECK_RUNS_TO_EXIT(pid, "exit 12");
}

/* ---- Cost ----------------------------------------------------------------------------------------------------- */

static task_t timed_task;
static thread_act_t timed_thread;
static char room[65536] __attribute__((aligned(4096)));
static size_t timed_size;

static void wait_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        rig_sleep_ms(100);
}

static pid_t start_timed(void)
{
    memset(room, 1, sizeof room);
    pid_t pid = rig_tracee(wait_for_ever, NULL);
    timed_task = rig_task_of(pid);
    REQUIRE_EQ_INT(rig_count_threads(timed_task, &timed_thread), 1);
    return pid;
}

static void get_state(void *context, unsigned long n)
{
    x86_thread_state64_t state;
    (void)context;
    for (unsigned long i = 0; i < n; i++)
        REQUIRE_QUIET(rig_get_registers(timed_thread, &state) == KERN_SUCCESS);
}

static void set_state(void *context, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        REQUIRE_QUIET(rig_set_registers(timed_thread, context) == KERN_SUCCESS);
}

CASE(time_thread_state, .deadline = 60)
{
    pid_t pid = start_timed();
    x86_thread_state64_t state;
    rig_time("thread_get_state", 0, get_state, NULL);
    REQUIRE_KERN(rig_get_registers(timed_thread, &state));
    rig_time("thread_set_state", 0, set_state, &state);
    rig_tracee_end(pid);
}

static void read_overwrite(void *context, unsigned long n)
{
    mach_vm_size_t got;
    (void)context;
    for (unsigned long i = 0; i < n; i++)
        REQUIRE_QUIET(rig_vm_read_overwrite(timed_task, (mach_vm_address_t)room, timed_size, (mach_vm_address_t)room,
                                            &got) == KERN_SUCCESS);
}

static void read_copy(void *context, unsigned long n)
{
    (void)context;
    for (unsigned long i = 0; i < n; i++) {
        vm_offset_t data;
        mach_msg_type_number_t count;
        REQUIRE_QUIET(rig_vm_read(timed_task, (mach_vm_address_t)room, timed_size, &data, &count) == KERN_SUCCESS);
        REQUIRE_QUIET(*(volatile char *)data == 1);
        REQUIRE_QUIET(vm_deallocate(rig_task(), data, count) == KERN_SUCCESS);
    }
}

static void write_over(void *context, unsigned long n)
{
    (void)context;
    for (unsigned long i = 0; i < n; i++)
        REQUIRE_QUIET(rig_vm_write(timed_task, (mach_vm_address_t)room, (vm_offset_t)room,
                                   (mach_msg_type_number_t)timed_size) == KERN_SUCCESS);
}

CASE(time_memory, .deadline = 120)
{
    static const size_t sizes[] = {8, 4096, 65536};
    pid_t pid = start_timed();
    for (size_t i = 0; i < RIG_COUNT(sizes); i++) {
        timed_size = sizes[i];
        rig_time("mach_vm_read_overwrite", timed_size, read_overwrite, NULL);
        rig_time("mach_vm_read", timed_size, read_copy, NULL);
        rig_time("mach_vm_write", timed_size, write_over, NULL);
    }
    rig_tracee_end(pid);
}

static void ask_for_task(void *context, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        task_t task;
        REQUIRE_QUIET(task_for_pid(rig_task(), *(pid_t *)context, &task) == KERN_SUCCESS);
        REQUIRE_QUIET(mach_port_deallocate(rig_task(), task) == KERN_SUCCESS);
    }
}

CASE(time_task_for_pid, .deadline = 60)
{
    pid_t pid = start_timed();
    rig_time("task_for_pid", 0, ask_for_task, &pid);
    rig_tracee_end(pid);
}
