/* segment.h - a shared memory segment of the case's own, and short words for its calls. */
#ifndef SYSV_SHM_SEGMENT_H
#define SYSV_SHM_SEGMENT_H

#include "ipc_support.h"

/* A private segment, owned: it goes when the case ends, in whatever way. */
int segment_make(size_t size);
void segment_remove(int id);
/* Attaches where the kernel likes; a failure gives up. */
void *segment_attach(int id, int flags);
void segment_detach(void *at);

struct shmid_ds segment_stat(int id);
#define segment_attached(id) ((long)segment_stat(id).shm_nattch)

size_t page_size(void);

#endif
