/* ipc_support.h - what the probes of System V IPC, POSIX IPC and signals share: limits read from the running kernel,
 * keys, another user, a private set of Linux limits, and calls too rare for sys_compat.h. */
#ifndef RIG_IPC_SUPPORT_H
#define RIG_IPC_SUPPORT_H

#include "sys_compat.h"

#include <stdio.h>
#include <time.h>

/* A number the kernel publishes. Linux: the field-th number (from 0) of a file below /proc. Darwin: the sysctl of that
 * name, and field is ignored. -1 where it cannot be read. */
long long ipc_limit(const char *linux_file, int field, const char *darwin_sysctl);

/* 17 for Darwin 17.4, 20 for 20.5; 0 on Linux. For the few answers that changed between kernels we know. */
int ipc_darwin_major(void);

/* Linux: gives this process IPC objects and limits of its own, so that a limit can be reached without taking anything
 * from the rest of the system; then writes text to that file below /proc. Ends the case as skipped where the kernel or
 * the user's rights do not allow it. The objects go with the last process inside. Nothing on Darwin. */
void ipc_private_limit(const char *linux_file, const char *text);

/* A System V key that no other process of this run uses; n from 0 to 15. */
key_t ipc_key(int n);

/* True if a time stamp of the kernel's is about now. */
bool ipc_is_now(time_t stamp);

/* Skips the case unless this process may become another user. */
void ipc_need_other_user(void);
/* For a child: becomes a user and group that own nothing. Supplementary groups stay, so what strangers may do is best
 * allowed to group and others alike. A failure gives up. */
void ipc_become_other_user(void);

/* Whether this process may go past resource limits: CAP_SYS_RESOURCE on Linux, root on Darwin. */
bool ipc_may_pass_limits(void);

/* A page nobody may touch, for calls that must answer EFAULT. */
void *ipc_forbidden_page(void);

/* Ends the case as unsupported if the kernel says it has no such call. For the result of a first call. */
void ipc_need_call(bool failed, const char *what);

/* One name and whether the library has it. */
struct ipc_wrapper {
    const char *name;
    bool present;
};
#define IPC_WRAPPER(function) {#function, RIG_HAVE(function)}
/* Checks that every one is there; else ends the case as unsupported and names the missing. */
void ipc_check_wrappers(const struct ipc_wrapper *all, size_t count);

/* Unnamed semaphores: Darwin has the names, each answers ENOSYS (xnu libsyscall/wrappers/posix_sem_obsolete.c). */
int ipc_sem_init(sem_t *sem, int shared, unsigned value);
int ipc_sem_destroy(sem_t *sem);
int ipc_sem_getvalue(sem_t *sem, int *value);

int ipc_waitid(idtype_t kind, id_t id, siginfo_t *info, int options);

/* Runs block(context) in a child, signals it once it sleeps, and checks that the call ended with EINTR after the handler
 * ran. flags as for sigaction: with SA_RESTART the call must be one that is never restarted. */
void ipc_check_interrupted(int (*block)(void *context), void *context, int flags);

/* Two processes that take turns at a flag in shared memory: what a hand-off through memory alone costs. */
struct ipc_turn {
    volatile int whose;
};
void ipc_turn_wait(struct ipc_turn *turn, int mine);
void ipc_turn_give(struct ipc_turn *turn, int other);

#endif
