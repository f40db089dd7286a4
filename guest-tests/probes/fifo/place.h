/* place.h - where this probe's fifos live. */
#ifndef FIFO_PLACE_H
#define FIFO_PLACE_H

#include "bytes.h"
#include "sys_compat.h"

/* Makes the current directory one in which fifos can be made: the scratch directory, else a new one on another file
 * system. The case ends as unsupported if no file system here takes one: that is a file system's answer (the Darwin
 * fork's ext4 says ENOTSUP), not the kernel's. */
void fifo_place(void);

/* fifo_place(), and a fifo named "fifo" in it. */
void fifo_make(void);

/* Opens "fifo" at both ends without blocking; fd[0] reads, fd[1] writes. Both stay non-blocking. */
void fifo_open_both(int fd[2]);

#endif
