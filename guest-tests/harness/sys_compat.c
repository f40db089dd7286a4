/* sys_compat.c - see sys_compat.h. Darwin's numbers: xnu bsd/kern/syscalls.master (the same in 4570 and 7195). */
#include "sys_compat.h"

#include "internal.h"

#include <sys/mman.h>
#include <sys/stat.h>

#ifdef __APPLE__

long rig_syscall_array(long number, const long a[6])
{
    long result;
    unsigned char failed;
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];
    long rdx = a[2]; /* comes back as the second half of a result: pipe, fork */
    __asm__ volatile("syscall\n\tsetc %1"
                     : "=a"(result), "=q"(failed), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "0"(number + 0x2000000), "D"(a[0]), "S"(a[1])
                     : "rcx", "r11", "memory", "cc");
    if (failed) {
        errno = (int)result;
        return -1;
    }
    return result;
}

/* The library's function if it is there, else the system call. The cast of the result keeps pointers and ints. */
#define CALL(type, function, arguments, number, ...) \
    return RIG_HAVE(function) ? (rig_via("libsystem"), function arguments) \
                              : (rig_via("syscall"), (type)rig_syscall(number, __VA_ARGS__))

#else

#include <mqueue.h>
#include <sys/syscall.h>

long rig_syscall_array(long number, const long a[6])
{
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define CALL(type, function, arguments, number, ...) return function arguments

#endif

#define L(x) ((long)(x))

int rig_msgget(key_t key, int flags)
{
    rig_uses(RIG_MSG);
    CALL(int, msgget, (key, flags), 259, L(key), L(flags));
}

int rig_msgsnd(int id, const void *message, size_t size, int flags)
{
    CALL(int, msgsnd, (id, message, size, flags), 260, L(id), L(message), L(size), L(flags));
}

ssize_t rig_msgrcv(int id, void *message, size_t size, long type, int flags)
{
    CALL(ssize_t, msgrcv, (id, message, size, type, flags), 261, L(id), L(message), L(size), type, L(flags));
}

int rig_msgctl(int id, int command, struct msqid_ds *data)
{
    CALL(int, msgctl, (id, command, data), 258, L(id), L(command), L(data));
}

int rig_semget(key_t key, int count, int flags)
{
    rig_uses(RIG_SEM);
    CALL(int, semget, (key, count, flags), 255, L(key), L(count), L(flags));
}

int rig_semop(int id, struct sembuf *operations, size_t count)
{
    CALL(int, semop, (id, operations, count), 256, L(id), L(operations), L(count));
}

int rig_semctl(int id, int number, int command, long arg)
{
    CALL(int, semctl, (id, number, command, arg), 254, L(id), L(number), L(command), arg);
}

int rig_shmget(key_t key, size_t size, int flags)
{
    rig_uses(RIG_SHM);
    CALL(int, shmget, (key, size, flags), 265, L(key), L(size), L(flags));
}

void *rig_shmat(int id, const void *address, int flags)
{
    CALL(void *, shmat, (id, address, flags), 262, L(id), L(address), L(flags));
}

int rig_shmdt(const void *address) { CALL(int, shmdt, (address), 264, L(address)); }

int rig_shmctl(int id, int command, struct shmid_ds *data)
{
    CALL(int, shmctl, (id, command, data), 263, L(id), L(command), L(data));
}

int rig_shm_open(const char *name, int flags, mode_t mode)
{
    CALL(int, shm_open, (name, flags, mode), 266, L(name), L(flags), L(mode));
}

int rig_shm_unlink(const char *name) { CALL(int, shm_unlink, (name), 267, L(name)); }

/* A Darwin sem_t * is the descriptor the system call returns, cast (bsd/kern/posix_sem.c sem_open). */
sem_t *rig_sem_open(const char *name, int flags, mode_t mode, unsigned value)
{
    CALL(sem_t *, sem_open, (name, flags, mode, value), 268, L(name), L(flags), L(mode), L(value));
}

int rig_sem_close(sem_t *sem) { CALL(int, sem_close, (sem), 269, L(sem)); }

int rig_sem_unlink(const char *name) { CALL(int, sem_unlink, (name), 270, L(name)); }

int rig_sem_wait(sem_t *sem) { CALL(int, sem_wait, (sem), 271, L(sem)); }

int rig_sem_trywait(sem_t *sem) { CALL(int, sem_trywait, (sem), 272, L(sem)); }

int rig_sem_post(sem_t *sem) { CALL(int, sem_post, (sem), 273, L(sem)); }

int rig_mkfifo(const char *path, mode_t mode) { CALL(int, mkfifo, (path, mode), 132, L(path), L(mode)); }

int rig_sigpending(sigset_t *set) { CALL(int, sigpending, (set), 52, L(set)); }

/* sigwait returns the error; the system call behind it does so through errno. */
int rig_sigwait(const sigset_t *set, int *sig)
{
#ifdef __APPLE__
    if (!RIG_HAVE(sigwait)) {
        rig_via("syscall");
        return rig_syscall(330, L(set), L(sig)) == -1 ? errno : 0;
    }
#endif
    return sigwait(set, sig);
}

int rig_sigaltstack(const stack_t *stack, stack_t *old)
{
    CALL(int, sigaltstack, (stack, old), 53, L(stack), L(old));
}

int rig_mq_unlink(const char *name)
{
#ifdef __APPLE__
    (void)name;
    errno = ENOSYS;
    return -1;
#else
    return mq_unlink(name);
#endif
}
