/* posix_sem.h - mutants of the probe posix_sem. */
#include "mutant.h"

#include "ipc_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

static inline sem_t *mutant_sem_open(const char *name, int flags, mode_t mode, unsigned value)
{
    if (MUTANT(open_excl_opens, "O_CREAT | O_EXCL opens a semaphore that exists"))
        flags &= ~O_EXCL;
    if (MUTANT(open_makes_what_is_not_there, "opening an unknown name makes a semaphore") && !(flags & O_CREAT)) {
        rig_own_posix(RIG_POSIX_SEM, name);
        return rig_sem_open(name, O_CREAT, 0600, 0);
    }
    if (MUTANT(open_ignores_the_mode, "everybody may open a new semaphore, whatever mode and umask say") && (flags & O_CREAT)) {
        mode_t mask = umask(0);
        sem_t *open_to_all = rig_sem_open(name, flags, 0666, value);
        umask(mask);
        return open_to_all;
    }
    if (MUTANT(open_starts_one_higher, "a new semaphore's value is one higher") && (flags & O_CREAT) && value < 1000)
        value++;
    if (MUTANT(open_sets_the_value_again, "O_CREAT on a semaphore that exists sets its value") && (flags & O_CREAT) && !(flags & O_EXCL)) {
        sem_t *there = rig_sem_open(name, 0, 0, 0);
        for (unsigned i = 0; there != SEM_FAILED && i < value && i < 100; i++)
            rig_sem_post(there);
        if (there != SEM_FAILED)
            return there;
    }
    sem_t *sem = rig_sem_open(name, flags, mode, value);
    if (MUTANT(open_unknown_is_einval, "opening an unknown name fails with EINVAL") && sem == SEM_FAILED && errno == ENOENT)
        errno = EINVAL;
    return sem;
}
#define rig_sem_open(...) mutant_sem_open(__VA_ARGS__)

static inline int mutant_sem_wait(sem_t *sem)
{
    if (MUTANT(wait_never_waits, "sem_wait of 0 returns at once")) {
        rig_sem_trywait(sem);
        return 0;
    }
    int result = rig_sem_wait(sem);
    if (MUTANT(wait_takes_two, "sem_wait takes two where there are two") && result == 0)
        rig_sem_trywait(sem);
    if (MUTANT(wait_restarts, "a signal does not end sem_wait, SA_RESTART or not"))
        while (result == -1 && errno == EINTR)
            result = rig_sem_wait(sem);
    return result;
}
#define rig_sem_wait(...) mutant_sem_wait(__VA_ARGS__)

static inline int mutant_sem_trywait(sem_t *sem)
{
    int result = rig_sem_trywait(sem);
    if (MUTANT(trywait_only_looks, "sem_trywait takes nothing") && result == 0)
        rig_sem_post(sem);
    if (MUTANT(trywait_is_ebusy, "sem_trywait of 0 fails with EBUSY") && result == -1 && errno == EAGAIN)
        return mutant_fails(EBUSY);
    if (MUTANT(trywait_always_succeeds, "sem_trywait of 0 succeeds"))
        return 0;
    return result;
}
static inline int mutant_sem_post(sem_t *sem)
{
    static int posts;
    if (MUTANT(post_is_lost, "every hundredth post is lost") && ++posts % 100 == 0)
        return 0;
    if (MUTANT(post_wakes_two, "a post counts twice"))
        rig_sem_post(sem);
    int result = rig_sem_post(sem);
    if (MUTANT(post_wakes_nobody, "a post that makes the value 1 is taken back") && result == 0)
        rig_sem_trywait(sem);
    if (LINUX_MUTANT(post_overflow_is_silent, "a post past the maximum succeeds") && result == -1 && errno == EOVERFLOW)
        return 0;
    return result;
}
#define rig_sem_trywait(...) mutant_sem_trywait(__VA_ARGS__)
#define rig_sem_post(...) mutant_sem_post(__VA_ARGS__)

static inline int mutant_sem_unlink(const char *name)
{
    if (MUTANT(unlink_keeps_the_name, "an unlinked name can still be opened")) {
        rig_own_posix(RIG_POSIX_SEM, name);
        return 0;
    }
    int result = rig_sem_unlink(name);
    if (MUTANT(unlink_of_nothing_is_fine, "sem_unlink of an unknown name succeeds"))
        return 0;
    return result;
}
#define rig_sem_unlink(...) mutant_sem_unlink(__VA_ARGS__)

#ifdef __linux__
static inline int mutant_sem_timedwait(sem_t *sem, const struct timespec *until)
{
    if (LINUX_MUTANT(timedwait_is_early, "sem_timedwait gives up at once"))
        return sem_trywait(sem) == 0 ? 0 : mutant_fails(ETIMEDOUT);
    return sem_timedwait(sem, until);
}
#define sem_timedwait(...) mutant_sem_timedwait(__VA_ARGS__)
#endif
