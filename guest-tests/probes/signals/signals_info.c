/* signals_info.c - what SA_SIGINFO tells of signals sent, and of faults. Faults: the table measured on Darwin 20.5, and
 * Linux's arch/x86/kernel/traps.c and mm/fault.c. */
#include "act.h"
#include "fault.h"

#include <sys/mman.h>

#ifdef __APPLE__
enum { SENT_BY_KILL = 0 }; /* not SI_USER: bsd/kern/kern_sig.c psignal_internal, si_code = 0 */
#else
enum { SENT_BY_KILL = SI_USER };
#endif

/* The sender lives on until told: on Darwin its end would write over what is kept of its signal. */
static void send_usr1(void *arg)
{
    struct rig_gate *gates = arg;
    CHECK_OK(kill(getppid(), SIGUSR1));
    rig_gate_pass(&gates[0]);
    rig_gate_wait(&gates[1]);
}

CASE(info_of_a_kill)
{
    struct rig_gate gates[2];
    rig_gate_init(&gates[0]);
    rig_gate_init(&gates[1]);
    act_keep_info(SIGUSR1, SA_RESTART);
    pid_t child = rig_spawn(send_usr1, gates);
    rig_gate_wait(&gates[0]);
    CHECK_EQ_INT(act_info.count, 1);
    CHECK_EQ_INT(act_info.sig, SIGUSR1);
    CHECK_EQ_INT(act_info.code, SENT_BY_KILL);
    CHECK_EQ_INT(act_info.pid, child);
    CHECK_EQ_INT(act_info.uid, getuid());
    rig_gate_pass(&gates[1]);
    CHECK_EXITED(child, 0);
}

CASE(info_of_a_kill_by_oneself)
{
    act_keep_info(SIGUSR1, 0);
    CHECK_OK(kill(getpid(), SIGUSR1));
    CHECK_EQ_INT(act_info.count, 1);
    CHECK_EQ_INT(act_info.code, SENT_BY_KILL);
    CHECK_EQ_INT(act_info.pid, getpid());
}

/* xnu keeps one set of these values a process, and fills it only for a signal that is not held at that moment
 * (bsd/kern/kern_sig.c psignal_internal): what it tells of a held one is measured, not judged. */
CASE(info_of_a_held_signal)
{
    struct rig_gate gates[2];
    rig_gate_init(&gates[0]);
    rig_gate_init(&gates[1]);
    act_keep_info(SIGUSR1, 0);
    act_block(SIGUSR1);
    pid_t child = rig_spawn(send_usr1, gates);
    rig_gate_wait(&gates[0]);
    CHECK_EQ_INT(act_info.count, 0);
    act_unblock(SIGUSR1);
    CHECK_EQ_INT(act_info.count, 1);
    CHECK_EQ_INT(act_info.sig, SIGUSR1);
#ifdef __APPLE__
    FACT("sender_is_known", act_info.pid == child);
#else
    CHECK_EQ_INT(act_info.pid, child);
    CHECK_EQ_INT(act_info.code, SENT_BY_KILL);
#endif
    rig_gate_pass(&gates[1]);
    CHECK_EXITED(child, 0);
}

/* The faults: signal, code, address. */
static void check_fault(struct fault got, int sig, int code, const void *address)
{
    CHECK_EQ_STR(rig_signal_name(got.sig), rig_signal_name(sig));
    CHECK_EQ_INT(got.code, code);
    CHECK_EQ_INT((intptr_t)got.address, (intptr_t)address);
}

static char *new_page(int protection)
{
    char *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), protection, MAP_PRIVATE | MAP_ANON, -1, 0);
    REQUIRE_OK(page);
    return page;
}

CASE(fault_page_zero)
{
    check_fault(fault_of(fault_write, NULL), SIGSEGV, SEGV_MAPERR, NULL);
    check_fault(fault_of(fault_read, (void *)16), SIGSEGV, SEGV_MAPERR, (void *)16);
}

CASE(fault_unmapped)
{
    char *page = new_page(PROT_READ | PROT_WRITE);
    CHECK_OK(munmap(page, (size_t)sysconf(_SC_PAGESIZE)));
    check_fault(fault_of(fault_write, page + 100), SIGSEGV, SEGV_MAPERR, page + 100);
    check_fault(fault_of(fault_read, page + 200), SIGSEGV, SEGV_MAPERR, page + 200);
}

#ifdef __APPLE__
enum { NO_RIGHT_CODE = BUS_ADRERR };
#else
enum { NO_RIGHT_CODE = SEGV_ACCERR };
#endif

CASE(fault_write_to_read_only)
{
    char *page = new_page(PROT_READ);
    check_fault(fault_of(fault_write, page + 5), FAULT_NO_RIGHT, NO_RIGHT_CODE, page + 5);
    CHECK_EQ_INT(fault_of(fault_read, page + 5).sig, 0);
}

CASE(fault_no_access)
{
    char *page = new_page(PROT_NONE);
    check_fault(fault_of(fault_write, page + 6), FAULT_NO_RIGHT, NO_RIGHT_CODE, page + 6);
    check_fault(fault_of(fault_read, page + 7), FAULT_NO_RIGHT, NO_RIGHT_CODE, page + 7);
}

#ifdef __APPLE__
enum { PROTECTION_TRAP_CODE = 0 };
#else
enum { PROTECTION_TRAP_CODE = 128 }; /* SI_KERNEL */
#endif

CASE(fault_address_that_cannot_be)
{
    check_fault(fault_of(fault_write, (void *)0x8000000000000000), SIGSEGV, PROTECTION_TRAP_CODE, NULL);
}

static void *instruction; /* where the last of these stood */

#define MARK "leaq 1f(%%rip), %%rax\n\tmovq %%rax, %0\n\t1:\n\t"

static void halt(void *arg)
{
    (void)arg;
    __asm__ volatile(MARK "hlt" : "=m"(instruction) : : "rax", "memory");
}

static void undefined_instruction(void *arg)
{
    (void)arg;
    __asm__ volatile(MARK "ud2" : "=m"(instruction) : : "rax", "memory");
}

static void divide_by_zero(void *arg)
{
    int zero = 0;
    (void)arg;
    __asm__ volatile("xorl %%edx, %%edx\n\t" MARK "idivl %1" : "=m"(instruction) : "r"(zero) : "rax", "rdx", "memory");
}

static void breakpoint(void *arg)
{
    (void)arg;
    __asm__ volatile(MARK "int3" : "=m"(instruction) : : "rax", "memory");
}

CASE(fault_privileged_instruction)
{
    check_fault(fault_of(halt, NULL), SIGSEGV, PROTECTION_TRAP_CODE, NULL);
}

CASE(fault_undefined_instruction)
{
    struct fault got = fault_of(undefined_instruction, NULL);
#ifdef __APPLE__
    check_fault(got, SIGILL, ILL_ILLOPC, instruction);
#else
    check_fault(got, SIGILL, ILL_ILLOPN, instruction);
#endif
}

CASE(fault_division_by_zero)
{
    struct fault got = fault_of(divide_by_zero, NULL);
    check_fault(got, SIGFPE, FPE_INTDIV, instruction);
}

/* Linux gives no address with it; on Darwin it is that of the next instruction. */
CASE(fault_breakpoint)
{
    struct fault got = fault_of(breakpoint, NULL);
#ifdef __APPLE__
    check_fault(got, SIGTRAP, TRAP_BRKPT, (char *)instruction + 1);
#else
    check_fault(got, SIGTRAP, 128, NULL); /* SI_KERNEL */
#endif
}

static char *repaired;
static volatile int repairs;

static void repair(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    repairs++;
    if (info->si_addr == repaired)
        mprotect(repaired, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
    else
        _exit(3);
}

CASE(handler_repairs_and_the_instruction_is_tried_again)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = repair;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    REQUIRE_OK(sigaction(FAULT_NO_RIGHT, &action, NULL));
    repaired = new_page(PROT_NONE);
    fault_write(repaired);
    CHECK_EQ_INT(repairs, 1);
    CHECK_EQ_INT(repaired[0], 1);
}

static void touch_nothing(void *arg) { fault_write(arg); }

CASE(unhandled_fault_kills)
{
    CHECK_KILLED_BY(rig_spawn(touch_nothing, NULL), SIGSEGV);
    CHECK_KILLED_BY(rig_spawn(touch_nothing, new_page(PROT_NONE)), FAULT_NO_RIGHT);
}
