/* darwin_weak.h - functions that a Darwin image's libSystem may lack, and the raw way past them.
 *
 * dyld kills a program with one strong import that the image does not export ("Symbol not found", SIGABRT). So what
 * is missing in any libSystem we know of is declared weak here, asked for with RIG_HAVE(), and reached by the raw
 * system call when it is absent. sys_compat.h holds such pairs ready-made: use those first. */
#ifndef RIG_DARWIN_WEAK_H
#define RIG_DARWIN_WEAK_H

#include <stdbool.h>
#include <stddef.h>

/* rig_syscall(number, arguments...): up to six arguments, pointers cast to long. Returns -1 and sets errno.
 * Darwin: the number without its class; the unix class 0x2000000 is added (xnu osfmk/mach/i386/syscall_sw.h). */
#define rig_syscall(number, ...) rig_syscall_array((number), (const long[6]){__VA_ARGS__})
long rig_syscall_array(long number, const long arguments[6]);

#ifdef __APPLE__

#define RIG_HAVE(function) ((const void *)(function) != NULL)

#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define RIG_WEAK __attribute__((weak_import))
/* A second declaration of a function the header above declared: it only adds the attribute. */
#define RIG_MAKE_WEAK(function) extern __typeof__(function) function RIG_WEAK

RIG_MAKE_WEAK(msgget);
RIG_MAKE_WEAK(msgsnd);
RIG_MAKE_WEAK(msgrcv);
RIG_MAKE_WEAK(msgctl);
RIG_MAKE_WEAK(semget);
RIG_MAKE_WEAK(semop);
RIG_MAKE_WEAK(semctl);
RIG_MAKE_WEAK(shmget);
RIG_MAKE_WEAK(shmat);
RIG_MAKE_WEAK(shmdt);
RIG_MAKE_WEAK(shmctl);
RIG_MAKE_WEAK(shm_open);
RIG_MAKE_WEAK(shm_unlink);
RIG_MAKE_WEAK(sem_open);
RIG_MAKE_WEAK(sem_close);
RIG_MAKE_WEAK(sem_unlink);
RIG_MAKE_WEAK(sem_wait);
RIG_MAKE_WEAK(sem_trywait);
RIG_MAKE_WEAK(sem_post);
RIG_MAKE_WEAK(mkfifo);
RIG_MAKE_WEAK(sigpending);
RIG_MAKE_WEAK(sigwait);
RIG_MAKE_WEAK(sigaltstack);
RIG_MAKE_WEAK(pselect);
RIG_MAKE_WEAK(posix_spawn);

#else

#define RIG_HAVE(function) true

#endif
#endif
