/* object.h - a shared memory object of the case's own. */
#ifndef POSIX_SHM_OBJECT_H
#define POSIX_SHM_OBJECT_H

#include "ipc_support.h"

#include <sys/mman.h>

/* A new object, open for reading and writing, under a name of its own, owned: the name goes when the case ends, in
 * whatever way. size 0: it has none yet. Returns the descriptor. */
int object_make(char name[RIG_NAME_SIZE], off_t size);
void object_unlink(const char *name);

/* The first so many bytes, shared. A failure gives up. */
char *object_map(int fd, size_t size, int protection);

off_t object_size(int fd);
size_t page_size(void);

#endif
