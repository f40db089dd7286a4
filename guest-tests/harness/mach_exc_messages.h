/* mach_exc_messages.h - exception messages in all six forms, decoded into one structure, answered, passed on, made by
 * hand; and a thread that serves an exception port. For Darwin-only probes. No MIG-made code.
 *
 * The kernel is the client: it sends exception_raise (2401), exception_raise_state (2402) or
 * exception_raise_state_identity (2403) of osfmk/mach/exc.defs, or with MACH_EXCEPTION_CODES their sisters with 64-bit
 * codes (2405-2407, mach_exc.defs), and waits for a reply, whose id is 100 more. */
#ifndef RIG_MACH_EXC_MESSAGES_H
#define RIG_MACH_EXC_MESSAGES_H

#include "mach_exc_ports.h"

#ifdef __APPLE__

#include <pthread.h>

struct rig_exception {
    exception_behavior_t behavior; /* EXCEPTION_DEFAULT..., with the bit MACH_EXCEPTION_CODES if the codes are wide */
    exception_type_t type;         /* EXC_BAD_ACCESS... */
    mach_msg_type_number_t code_count;
    int64_t code[2];      /* narrow codes are sign-extended */
    mach_port_t thread;   /* send rights of the receiver; MACH_PORT_NULL in EXCEPTION_STATE */
    mach_port_t task;
    thread_state_flavor_t flavor; /* the rest: 0 in EXCEPTION_DEFAULT */
    mach_msg_type_number_t state_count;
    natural_t state[THREAD_STATE_MAX]; /* change it, and answer KERN_SUCCESS: the thread goes on with that */
    mach_port_t reply;                 /* the send-once right of whoever waits */
    mach_port_t port;                  /* where it was received */
    mach_msg_size_t size;              /* of the message received */
};

/* The id of a form's request: 2401...2407. */
mach_msg_id_t rig_exc_id(exception_behavior_t behavior);

/* The state as x86_THREAD_STATE64, for a message of that flavor. */
#define RIG_EXC_STATE64(e) ((x86_thread_state64_t *)(void *)(e)->state)

/* Waits `seconds` (scaled) for an exception message. KERN_SUCCESS; MIG_BAD_ID for a message that is none (destroyed),
 * MIG_TYPE_ERROR for one that is not laid out as its id says, else what mach_msg returned (MACH_RCV_TIMED_OUT...). */
kern_return_t rig_exc_receive(mach_port_t port, double seconds, struct rig_exception *e);

/* Answers, and releases the thread's and the task's rights. KERN_SUCCESS resumes the thread, in the state forms with
 * e->state; all else declines, and the kernel asks the next level. Returns what mach_msg did. */
kern_return_t rig_exc_answer(struct rig_exception *e, kern_return_t code);

/* Leaves it to another handler of the same form: the reply goes from there straight to whoever waits. */
kern_return_t rig_exc_forward(struct rig_exception *e, mach_port_t to);

/* Sends `e` as a message of the form e->behavior says and waits 5 s (scaled) for the answer: what another handler says
 * to it. e->thread and e->task stay the caller's; a new state is put into e->state. */
kern_return_t rig_exc_raise(struct rig_exception *e, mach_port_t to);

/* Releases every right in `e` without an answer: to the kernel the handler has died (osfmk/mach/exc.defs's client gets
 * a send-once notification in place of the reply, MIG_SERVER_DIED). */
void rig_exc_drop(struct rig_exception *e);

/* ---- Serving a port ----------------------------------------------------------------------------------------- */
/* Returns the answer to give; RIG_EXC_KEPT when the function has answered, forwarded, dropped or kept it. */
typedef kern_return_t rig_exc_function(struct rig_exception *e, void *argument);
#define RIG_EXC_KEPT ((kern_return_t)-1)

/* Serves until the port dies, `most` exceptions were served (0: any number), or none came for `seconds` (scaled).
 * Returns how many there were. In a case's process, a child or a role. */
int rig_exc_serve(mach_port_t port, rig_exc_function *function, void *argument, int most, double seconds);

/* The same in a thread of this process (not in a forked child: no image's pthread_create promises to work there). */
struct rig_exc_handler {
    mach_port_t port; /* made by rig_exc_start: receive right and send right of one name */
    rig_exc_function *function;
    void *argument;
    volatile int served;
    struct rig_exception last; /* the last one, as it came */
    pthread_t thread;
};
void rig_exc_start(struct rig_exc_handler *handler, rig_exc_function *function, void *argument);
/* Destroys the port's receive right and joins the thread. */
void rig_exc_stop(struct rig_exc_handler *handler);

#endif
#endif
