/* kit.h - faults of a known shape, and handlers of a known behaviour, for the cases of mach_exception. */
#ifndef KIT_H
#define KIT_H

#include "rig.h"

#include "fault.h"
#include "mach_exc_messages.h"
#include "mach_memory.h"
#include "mach_ports.h"
#include "mach_threads.h"

/* ---- Faults -------------------------------------------------------------------------------------------------- */
/* Each is a function whose named instruction faults; it returns when that was done or skipped. */
void x_store(void *address);          /* movb $1, (address) */
int x_load(const void *address);      /* movl (address), %eax; returns %eax */
void x_load_byte(const void *address);
void x_ud2(void);
void x_hlt(void);
void x_int3(void);   /* the saved rip is after it */
void x_bounds(void); /* int $5, the gate of the bound instruction, which 64-bit code lacks; rip after it */
void x_divide(void); /* 1 / 0 */
void x_step(void);   /* sets the trap flag; the nop after it traps, rip after the nop */
enum { STORE_LENGTH = 3, LOAD_LENGTH = 2, UD2_LENGTH = 2, HLT_LENGTH = 1, DIVIDE_LENGTH = 2 };

/* A page-aligned address above 4 GiB with nothing mapped at it. */
char *kit_hole(void);
char *kit_page(int protection);

/* ---- Handlers ------------------------------------------------------------------------------------------------ */
enum kit_repair {
    KIT_RESUME,  /* success, nothing done: for int3 */
    KIT_SKIP,    /* goes on `length` bytes further: by the new state, or by thread_set_state in the default form */
    KIT_MAP,     /* maps a page at code[1] */
    KIT_UNLOCK,  /* makes the page at code[1] writable */
    KIT_DECLINE, /* answers `answer`, or KERN_FAILURE if that is 0 */
    KIT_DROP,    /* destroys the reply right */
    KIT_FORWARD, /* leaves it to the port `next` */
    KIT_ASK,     /* asks the port `next`, and answers what it said */
    KIT_LATE     /* success without a repair, `late` times; then KIT_MAP */
};

struct kit {
    struct rig_exc_handler handler;
    enum kit_repair repair;
    int length;
    kern_return_t answer;
    mach_port_t next;
    int late;
    int turn;              /* when it was asked last, counted over all handlers */
    kern_return_t trouble; /* the first call in the handler that failed */
};

/* Starts a handler thread. Set the other members after it. */
void kit_start(struct kit *k, enum kit_repair repair);
void kit_stop(struct kit *k);
int kit_served(const struct kit *k);

/* Makes k the handler of this thread (RIG_EXC_THREAD) or task for the mask, with flavor x86_THREAD_STATE64. */
void kit_watch(struct kit *k, enum rig_exc_level level, exception_mask_t mask, exception_behavior_t behavior);
/* No port for the mask any more. */
void kit_unwatch(enum rig_exc_level level, exception_mask_t mask);

/* This thread's port. Each call adds a user reference to the one name; nobody counts them. */
mach_port_t kit_thread(void);
mach_port_t kit_of(enum rig_exc_level level); /* this thread, this task, or the host */

/* Repairs, for handlers written in the cases. */
kern_return_t kit_skip(struct rig_exception *e, int length);
kern_return_t kit_map(mach_port_t task, uint64_t address);

/* ---- Children ------------------------------------------------------------------------------------------------- */
/* Forks a child that has `port` as its task's port for the mask, by inheritance: this task's own ports are as before
 * when it returns. */
pid_t kit_spawn_watched(mach_port_t port, exception_mask_t mask, exception_behavior_t behavior, void (*fn)(void *),
                        void *arg);
/* A child with an exception port of its own, to which this task gets a send right; it runs serve() with the port. */
pid_t kit_partner(void (*serve)(mach_port_t port, void *arg), void *arg, mach_port_t *port);
/* Receives one exception at the port; ends the case when none comes. */
void kit_receive(mach_port_t port, struct rig_exception *e);
/* No exception waits at the port now. */
#define CHECK_QUIET(port) CHECK_EQ_INT(rig_port_status(port).mps_msgcount, 0)

#define WIDE_DEFAULT RIG_EXC_WIDE(EXCEPTION_DEFAULT)
#define WIDE_STATE RIG_EXC_WIDE(EXCEPTION_STATE)
#define WIDE_IDENTITY RIG_EXC_WIDE(EXCEPTION_STATE_IDENTITY)

#endif
