/* mach_threads.h - threads and tasks through their kernel ports: registers, suspending, making and ending.
 *
 * task_threads, thread_suspend, thread_resume, task_suspend, task_resume, task_for_pid and pid_for_task are in every
 * libSystem known of: call them as they are. The rest is here: the library's function, else the message by hand.
 * Signatures and return codes are those of the routines they are named after (osfmk/mach/{task,thread_act}.defs). */
#ifndef RIG_MACH_THREADS_H
#define RIG_MACH_THREADS_H

#include "mach_support.h"

#include <pthread.h>

#ifdef __APPLE__

RIG_MAKE_WEAK(thread_get_state);
RIG_MAKE_WEAK(thread_set_state);
RIG_MAKE_WEAK(thread_abort);
RIG_MAKE_WEAK(thread_abort_safely);
RIG_MAKE_WEAK(thread_create);
RIG_MAKE_WEAK(thread_create_running);
RIG_MAKE_WEAK(thread_terminate);
RIG_MAKE_WEAK(thread_info);
RIG_MAKE_WEAK(task_info);
RIG_MAKE_WEAK(task_terminate);

kern_return_t rig_thread_get_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                   mach_msg_type_number_t *count);
kern_return_t rig_thread_set_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                   mach_msg_type_number_t count);
kern_return_t rig_thread_abort(thread_act_t thread);
kern_return_t rig_thread_abort_safely(thread_act_t thread);
kern_return_t rig_thread_create(task_t task, thread_act_t *thread); /* suspended, without registers yet */
kern_return_t rig_thread_create_running(task_t task, thread_state_flavor_t flavor, thread_state_t state,
                                        mach_msg_type_number_t count, thread_act_t *thread);
kern_return_t rig_thread_terminate(thread_act_t thread);
kern_return_t rig_thread_info(thread_act_t thread, thread_flavor_t flavor, thread_info_t info,
                              mach_msg_type_number_t *count);
kern_return_t rig_task_info(task_t task, task_flavor_t flavor, task_info_t info, mach_msg_type_number_t *count);
kern_return_t rig_task_terminate(task_t task);

/* ---- What probes do with them ------------------------------------------------------------------------------- */

/* The x86_THREAD_STATE64 registers. */
kern_return_t rig_get_registers(thread_act_t thread, x86_thread_state64_t *registers);
kern_return_t rig_set_registers(thread_act_t thread, const x86_thread_state64_t *registers);

/* The task port of a process; a failure ends the case. Deallocate it. */
task_t rig_task_of(pid_t pid);

/* How many threads the task has, -1 if it cannot be asked; the first one goes to *first unless that is NULL, and is
 * to be deallocated. No other right is kept. */
int rig_count_threads(task_t task, thread_act_t *first);

/* Suspend counts as the kernel reports them; -1 if it cannot be asked. */
int rig_thread_suspend_count(thread_act_t thread);
int rig_task_suspend_count(task_t task);

/* A thread of this process, as by pthread_create, but with a stack of its own, which goes with the process: a kernel of
 * another release than libSystem may refuse to make stacks for it (seen: Darwin 17.4's libpthread on 20.5, EAGAIN), not
 * to use one it is given. RIG_THREADS in all in a process; returns an error number. */
enum { RIG_THREADS = 1024 };
int rig_thread_start(pthread_t *thread, void *(*body)(void *), void *argument);
/* Waits until such a thread is done, 6 s (scaled) at most; returns 0, ETIMEDOUT, or ESRCH for no such thread. Not
 * pthread_join: the 2026 fork's has been seen to sleep on when the thread was gone. */
int rig_thread_join(pthread_t thread);

#endif
#endif
