/* act.h - short words for handlers and masks, and a handler that keeps what it was told. */
#ifndef SIGNALS_ACT_H
#define SIGNALS_ACT_H

#include "ipc_support.h"

#include <sys/time.h>

/* The one signal in a set; none with 0. */
sigset_t act_set(int sig);
void act_block(int sig);
void act_unblock(int sig);
bool act_is_pending(int sig);
bool act_is_blocked(int sig);

/* Installs a handler that counts and keeps the last siginfo. */
void act_keep_info(int sig, int flags);
struct act_info {
    volatile int count;
    volatile int sig, code, pid, status;
    volatile long uid;
};
extern struct act_info act_info;

/* SIG_IGN, SIG_DFL or a plain handler, with no flags and an empty mask. */
void act_set_handler(int sig, void (*handler)(int));

/* Sleeps until the handler installed last by rig_catch or act_keep_info for this blocked signal has run again. Ends the
 * case by its deadline if that never comes. */
void act_wait_for(int sig);

/* For rig_spawn in the case's own process: a child that only waits, for at most as long as that lives. (One that has
 * left the case's process group would otherwise outlive a case that gave up.) */
void act_idle(void *arg);

#endif
