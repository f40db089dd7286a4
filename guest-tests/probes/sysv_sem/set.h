/* set.h - a semaphore set of the case's own, and short words for its calls. */
#ifndef SYSV_SEM_SET_H
#define SYSV_SEM_SET_H

#include "ipc_support.h"

enum { SEM_MOST = 32767 }; /* SEMVMX, on Linux (ipc/sem.c) and Darwin (bsd/sys/sem_internal.h) alike */

/* A private set of `count` semaphores, all 0, owned: it goes when the case ends, in whatever way. */
int set_make(int count);
void set_remove(int id);

/* One operation; returns as semop. */
int set_change(int id, int number, int by, int flags);
/* The value of one semaphore, and what else semctl tells of it: GETVAL, GETPID, GETNCNT, GETZCNT. */
int set_ask(int id, int number, int command);
#define set_value(id, number) set_ask((id), (number), GETVAL)
int set_put(int id, int number, int value);

struct semid_ds set_stat(int id);

#endif
