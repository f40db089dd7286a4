/* named.h - a named semaphore of the case's own. */
#ifndef POSIX_SEM_NAMED_H
#define POSIX_SEM_NAMED_H

#include "ipc_support.h"

/* A new semaphore under a name of its own, owned: the name goes when the case ends, in whatever way. */
sem_t *named_make(char name[RIG_NAME_SIZE], unsigned value);
/* Opens one that exists; a failure gives up. */
sem_t *named_open(const char *name);
void named_close(sem_t *sem);
void named_unlink(const char *name);

/* Takes what there is, without waiting; how many that were. */
long named_drain(sem_t *sem);

#endif
