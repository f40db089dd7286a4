/* kit.c - see kit.h. */
#include "kit.h"

#include <sys/mman.h>

/* Naked: the compiler adds no instruction, so the lengths in kit.h are those of the instructions written here. */
__attribute__((naked)) void x_store(__attribute__((unused)) void *address) { __asm__("movb $1, (%rdi)\n\tret"); }

__attribute__((naked)) int x_load(__attribute__((unused)) const void *address)
{
    __asm__("movl (%rdi), %eax\n\tret");
}

__attribute__((naked)) void x_load_byte(__attribute__((unused)) const void *address)
{
    __asm__("movb (%rdi), %al\n\tret");
}

__attribute__((naked)) void x_ud2(void) { __asm__("ud2\n\tret"); }

__attribute__((naked)) void x_hlt(void) { __asm__("hlt\n\tret"); }

__attribute__((naked)) void x_int3(void) { __asm__("int3\n\tret"); }

__attribute__((naked)) void x_bounds(void) { __asm__("int $5\n\tret"); }

__attribute__((naked)) void x_divide(void)
{
    __asm__("movl $1, %eax\n\txorl %edx, %edx\n\txorl %ecx, %ecx\n\tidivl %ecx\n\tret");
}

__attribute__((naked)) void x_step(void) { __asm__("pushfq\n\torq $0x100, (%rsp)\n\tpopfq\n\tnop\n\tret"); }

char *kit_page(int protection)
{
    char *page = mmap((void *)0x200000000000, (size_t)getpagesize(), protection, MAP_ANON | MAP_PRIVATE, -1, 0);
    REQUIRE(page != MAP_FAILED);
    REQUIRE((uint64_t)page > UINT32_MAX);
    return page;
}

char *kit_hole(void)
{
    char *page = kit_page(PROT_NONE);
    REQUIRE_OK(munmap(page, (size_t)getpagesize()));
    return page;
}

kern_return_t kit_map(mach_port_t task, uint64_t address)
{
    mach_vm_address_t page = address & ~((uint64_t)getpagesize() - 1);
    return mach_vm_allocate(task, &page, (mach_vm_size_t)getpagesize(), VM_FLAGS_FIXED);
}

kern_return_t kit_skip(struct rig_exception *e, int length)
{
    if (e->state_count > 0) {
        if (e->flavor != x86_THREAD_STATE64)
            return KERN_INVALID_ARGUMENT;
        RIG_EXC_STATE64(e)->__rip += (uint64_t)length;
        return KERN_SUCCESS;
    }
    x86_thread_state64_t registers;
    kern_return_t result = rig_get_registers(e->thread, &registers);
    if (result != KERN_SUCCESS)
        return result;
    registers.__rip += (uint64_t)length;
    return rig_set_registers(e->thread, &registers);
}

static volatile int turns;

static kern_return_t repair(struct kit *k, struct rig_exception *e)
{
    switch (k->repair) {
    case KIT_SKIP:
        return kit_skip(e, k->length);
    case KIT_MAP:
        return kit_map(rig_task(), (uint64_t)e->code[1]);
    case KIT_LATE:
        return k->late-- > 0 ? KERN_SUCCESS : kit_map(rig_task(), (uint64_t)e->code[1]);
    case KIT_UNLOCK:
        return rig_vm_protect(rig_task(), (uint64_t)e->code[1] & ~((uint64_t)getpagesize() - 1),
                              (mach_vm_size_t)getpagesize(), false, VM_PROT_READ | VM_PROT_WRITE);
    case KIT_FORWARD:
        return rig_exc_forward(e, k->next);
    case KIT_RESUME:
    case KIT_DECLINE:
    case KIT_DROP:
    case KIT_ASK:
        break;
    }
    return KERN_SUCCESS;
}

static kern_return_t serve(struct rig_exception *e, void *argument)
{
    struct kit *k = argument;
    k->turn = __sync_add_and_fetch(&turns, 1);
    kern_return_t result = repair(k, e);
    if (result != KERN_SUCCESS && k->trouble == KERN_SUCCESS)
        k->trouble = result;
    switch (k->repair) {
    case KIT_DECLINE:
        return k->answer != KERN_SUCCESS ? k->answer : KERN_FAILURE;
    case KIT_DROP:
        rig_exc_drop(e);
        return RIG_EXC_KEPT;
    case KIT_ASK:
        return rig_exc_raise(e, k->next);
    case KIT_FORWARD:
        return result == KERN_SUCCESS ? RIG_EXC_KEPT : KERN_FAILURE;
    default:
        return result == KERN_SUCCESS ? KERN_SUCCESS : KERN_FAILURE;
    }
}

void kit_start(struct kit *k, enum kit_repair repair)
{
    memset(k, 0, sizeof *k);
    k->repair = repair;
    rig_exc_start(&k->handler, serve, k);
}

void kit_stop(struct kit *k)
{
    rig_exc_stop(&k->handler);
    CHECK_KERN(k->trouble, KERN_SUCCESS);
}

int kit_served(const struct kit *k) { return k->handler.served; }

mach_port_t kit_thread(void) { return mach_thread_self(); }

mach_port_t kit_of(enum rig_exc_level level)
{
    return level == RIG_EXC_THREAD ? kit_thread() : level == RIG_EXC_TASK ? rig_task() : mach_host_self();
}

void kit_watch(struct kit *k, enum rig_exc_level level, exception_mask_t mask, exception_behavior_t behavior)
{
    REQUIRE_KERN(rig_exc_set(level, kit_of(level), mask, k->handler.port, behavior, x86_THREAD_STATE64));
}

void kit_unwatch(enum rig_exc_level level, exception_mask_t mask)
{
    REQUIRE_KERN(rig_exc_set(level, kit_of(level), mask, MACH_PORT_NULL, EXCEPTION_DEFAULT, 0));
}

pid_t kit_spawn_watched(mach_port_t port, exception_mask_t mask, exception_behavior_t behavior, void (*fn)(void *),
                        void *arg)
{
    struct rig_exc_ports before;
    REQUIRE_KERN(rig_exc_swap(RIG_EXC_TASK, rig_task(), mask, port, behavior, x86_THREAD_STATE64, &before));
    pid_t child = rig_spawn(fn, arg);
    REQUIRE_KERN(rig_exc_restore(RIG_EXC_TASK, rig_task(), &before));
    return child;
}

void kit_receive(mach_port_t port, struct rig_exception *e) { REQUIRE_KERN(rig_exc_receive(port, 5, e)); }

struct partner {
    void (*serve)(mach_port_t port, void *arg);
    void *arg;
};

/* The parent's meeting port comes to the child as a registered port: those are inherited (osfmk/kern/ipc_tt.c
 * ipc_task_init). The child sends a right to its own port there. */
static void meet_and_serve(void *argument)
{
    struct partner *p = argument;
    mach_port_t mine = rig_port(true);
    mach_port_array_t ports = NULL;
    mach_msg_type_number_t count = 0;
    REQUIRE_KERN(rig_ports_lookup(rig_task(), &ports, &count));
    REQUIRE(count > 0);
    mach_msg_header_t hello;
    memset(&hello, 0, sizeof hello);
    hello.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND);
    hello.msgh_size = sizeof hello;
    hello.msgh_remote_port = ports[0];
    hello.msgh_local_port = mine;
    REQUIRE_KERN(rig_msg(&hello, MACH_SEND_MSG, sizeof hello, 0, MACH_PORT_NULL, 0));
    p->serve(mine, p->arg);
}

pid_t kit_partner(void (*serve)(mach_port_t port, void *arg), void *arg, mach_port_t *port)
{
    struct partner p = {serve, arg};
    struct {
        mach_msg_header_t head;
        char trailer[MAX_TRAILER_SIZE];
    } hello;
    mach_port_t meeting = rig_port(true);
    REQUIRE_KERN(rig_ports_register(rig_task(), &meeting, 1));
    pid_t child = rig_spawn(meet_and_serve, &p);
    REQUIRE_KERN(rig_msg(&hello.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof hello, meeting,
                         (mach_msg_timeout_t)(rig_patience(5) * 1000)));
    *port = hello.head.msgh_remote_port;
    return child;
}
