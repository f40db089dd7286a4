/* sys_compat.h - calls that some libSystem lacks: the library's function where there is one, else the raw system
 * call. Each says by rig_via() which way it took. On Linux they are the libc calls.
 * Signatures and errors are those of the calls they are named after. */
#ifndef RIG_SYS_COMPAT_H
#define RIG_SYS_COMPAT_H

#include "rig.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/types.h>

int rig_msgget(key_t key, int flags);
int rig_msgsnd(int id, const void *message, size_t size, int flags);
ssize_t rig_msgrcv(int id, void *message, size_t size, long type, int flags);
int rig_msgctl(int id, int command, struct msqid_ds *data);

int rig_semget(key_t key, int count, int flags);
int rig_semop(int id, struct sembuf *operations, size_t count);
/* arg: the value for SETVAL, a pointer cast to long for IPC_STAT, IPC_SET, GETALL, SETALL, else 0 */
int rig_semctl(int id, int number, int command, long arg);

int rig_shmget(key_t key, size_t size, int flags);
void *rig_shmat(int id, const void *address, int flags);
int rig_shmdt(const void *address);
int rig_shmctl(int id, int command, struct shmid_ds *data);

int rig_shm_open(const char *name, int flags, mode_t mode);
int rig_shm_unlink(const char *name);
sem_t *rig_sem_open(const char *name, int flags, mode_t mode, unsigned value);
int rig_sem_close(sem_t *sem);
int rig_sem_unlink(const char *name);
int rig_sem_wait(sem_t *sem);
int rig_sem_trywait(sem_t *sem);
int rig_sem_post(sem_t *sem);

/* Darwin has no message queues: ENOSYS there. */
int rig_mq_unlink(const char *name);

int rig_mkfifo(const char *path, mode_t mode);
int rig_sigpending(sigset_t *set);
int rig_sigwait(const sigset_t *set, int *sig);
int rig_sigaltstack(const stack_t *stack, stack_t *old);

#endif
